//! Every limit, its default and the reason for it, in one table.
//!
//! A limit is server-wide (`[limits]`, section `server`) or belongs to a handler
//! (`[limits]` sets the default of all, `[handlers.NAME.limits]` that of one).
//! `squall limits` prints the values in force. Nothing else in the code names a
//! number that a stranger, a guest or an operator could want to know.

mod descriptors;
mod live;
mod room;
mod value;

pub use descriptors::raise_descriptors;
pub use live::LiveLimits;
pub use room::{Place, Room};
pub use value::{LimitValue, Size};

use std::time::Duration;

/// One line of `squall limits`.
#[derive(Clone, Debug)]
pub struct LimitRow {
    pub name: &'static str,
    pub value: String,
    pub default: String,
    pub reason: String,
}

/// Declares a struct of limits together with its defaults, the partial form
/// that a config file fills in, and its printed table. The doc comment of a
/// field is the reason that `squall limits` prints.
macro_rules! limits {
    (
        $(#[$meta:meta])*
        $name:ident / $partial:ident {
            $( $(#[doc = $reason:literal])+ $field:ident : $type:ty = $default:expr; )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq)]
        pub struct $name {
            $( $(#[doc = $reason])+ pub $field: $type, )+
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )+ }
            }
        }

        impl $name {
            /// The table of these limits beside `default`, in the order of their
            /// declaration.
            pub fn rows(&self, default: &Self) -> Vec<LimitRow> {
                vec![ $( LimitRow {
                    name: stringify!($field),
                    value: self.$field.to_string_in_units(),
                    default: default.$field.to_string_in_units(),
                    reason: [$($reason),+].map(str::trim).join(" "),
                }, )+ ]
            }

            /// The names of those that are zero.
            pub fn zeros(&self) -> Vec<&'static str> {
                let all = [ $( (stringify!($field), self.$field == <$type>::default()), )+ ];
                all.into_iter().filter(|(_, is_zero)| *is_zero).map(|(name, _)| name).collect()
            }

            /// These limits, with the defaults in place of those of these names.
            pub fn without(mut self, names: &[&str]) -> Self {
                $( if names.contains(&stringify!($field)) { self.$field = $default; } )+
                self
            }

            /// These limits, with what `partial` sets in their place.
            pub fn with(mut self, partial: &$partial) -> Self {
                $( if let Some(value) = partial.$field { self.$field = value; } )+
                self
            }
        }

        #[doc = concat!("The limits of [`", stringify!($name), "`] that a config file sets.")]
        #[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $partial {
            $(
                #[serde(default, deserialize_with = "value::deserialize")]
                pub $field: Option<$type>,
            )+
        }

        impl $partial {
            /// The names of the limits, for telling a misspelt one from a
            /// misplaced one.
            pub const NAMES: &'static [&'static str] = &[ $( stringify!($field), )+ ];
        }
    };
}

limits! {
    /// The limits of the process and its connections.
    ServerLimits / PartialServerLimits {
        /// connections open at once; 0 stands for nine tenths of the descriptor limit
        connections: u64 = 0;
        /// connections open at once from one address that is not loopback; a page opens six
        connections_per_address: u64 = 256;
        /// responses that have files of static folders open at once; 0 stands for a sixtieth of the descriptor limit, because each opens up to three before it chooses
        files_open: u64 = 0;
        /// until a request that waits for its turn to open a static file is answered with 503
        files_wait: Duration = Duration::from_secs(5);
        /// connections that all handlers together have open to others, by outbound requests and TCP sockets; 0 stands for a twentieth of the descriptor limit
        outbound_open: u64 = 0;
        /// until the first byte of a new connection; nobody dials to stay silent
        first_byte: Duration = Duration::from_secs(5);
        /// until a request's head is whole, counted from its first byte; ends slowloris
        head_time: Duration = Duration::from_secs(10);
        /// size of a request's head over HTTP/1; four times what browsers send
        head_size: Size = Size::kib(32);
        /// header fields in a request's head
        head_fields: u64 = 100;
        /// size of a request's target
        target_size: Size = Size::kib(8);
        /// until an idle connection is closed; browsers reconnect cheaply
        keep_alive: Duration = Duration::from_secs(30);
        /// requests on one connection, after which it is closed to spread clients and memory anew
        connection_requests: u64 = 100_000;
        /// until a client that takes nothing of its response, or of a stream over HTTP/2, is given up
        write_gap: Duration = Duration::from_secs(10);
        /// requests at once on one HTTP/2 connection
        h2_streams: u64 = 100;
        /// flow-control window of one HTTP/2 stream: what one stream may make us hold
        h2_stream_window: Size = Size::kib(64);
        /// flow-control window of a whole HTTP/2 connection
        h2_connection_window: Size = Size::mib(1);
        /// what is held of one HTTP/2 stream's response until the client takes it
        h2_send_buffer: Size = Size::kib(64);
        /// decoded size of an HTTP/2 request's head
        h2_head_size: Size = Size::kib(16);
        /// HTTP/2 streams that a client may reset before we have served them; then the connection ends
        h2_resets: u64 = 20;
        /// between HTTP/2 pings on a connection with open streams
        h2_ping: Duration = Duration::from_secs(20);
        /// until an unanswered HTTP/2 ping ends the connection
        h2_ping_timeout: Duration = Duration::from_secs(20);
        /// until connections that do not end by themselves are cut at shutdown
        drain: Duration = Duration::from_secs(30);
        /// instances of all handlers together; what bounds the memory of guests
        instances: u64 = 2_000;
        /// guest stack; deeper recursion traps
        stack: Size = Size::kib(512);
        /// largest memory that any handler's `memory` limit may name
        memory_ceiling: Size = Size::gib(4);
        /// size of a component's file
        component_size: Size = Size::mib(32);
        /// without a change before a changed file is read
        settle: Duration = Duration::from_millis(50);
        /// between two looks at all files, the safety net under file events
        poll: Duration = Duration::from_secs(5);
        /// after which a compilation that still runs is reported
        compile_notice: Duration = Duration::from_secs(2);
        /// size of the compile cache on disk; the oldest entries go first
        cache_size: Size = Size::gib(1);
        /// lines of the access log waiting to be written; more are dropped and counted. The log on stderr has room for 8192
        log_queue: u64 = 8_192;
        /// memory for what was last read and written of the state's file
        state_cache: Size = Size::mib(64);
        /// keys and values of writes on their way to the state's file, of all handlers together; further ones wait for their turn
        state_queue: Size = Size::mib(32);
        /// until a call of a handler that the store does not answer fails
        state_wait: Duration = Duration::from_secs(5);
        /// between two flushes of the state's file where `durability` is `"relaxed"`: what a crash may lose
        state_flush: Duration = Duration::from_secs(1);
    }
}

limits! {
    /// The limits of one handler.
    HandlerLimits / PartialHandlerLimits {
        /// requests in flight at once; a suspended request is cheap
        in_flight: u64 = 32_768;
        /// requests waiting for an instance
        queue: u64 = 16_384;
        /// until a request that waits for an instance is answered with 503
        queue_time: Duration = Duration::from_secs(5);
        /// instances of this handler at once
        instances: u64 = 1_000;
        /// requests that one shared instance serves in its life
        instance_requests: u64 = 1_024;
        /// requests that one shared instance of 0.3 or of the native world serves at once; a trap takes all of them
        instance_concurrency: u64 = 128;
        /// until an instance that nobody uses is dropped
        instance_idle: Duration = Duration::from_secs(10);
        /// from the end of the response, or of interest in it, until work that the handler left behind is ended
        post_return: Duration = Duration::from_secs(5);
        /// what is taken of a response that nobody wants any more, before its stream is closed
        discard: Size = Size::kib(64);
        /// size of a request's body
        body_size: Size = Size::mib(1);
        /// size up to which a body of known length is there before a native handler is called, as bytes; larger ones are streams
        body_bytes: Size = Size::kib(64);
        /// without a byte of the body that the handler waits for
        body_gap: Duration = Duration::from_secs(10);
        /// for the whole body
        body_time: Duration = Duration::from_secs(60);
        /// until the handler has answered with a head
        head_deadline: Duration = Duration::from_secs(10);
        /// computing for one request, waiting not counted
        cpu: Duration = Duration::from_millis(250);
        /// all memories and tables of an instance together
        memory: Size = Size::mib(64);
        /// elements of all tables of an instance together
        table_elements: u64 = 20_000;
        /// linear memories of an instance
        memories: u64 = 4;
        /// tables of an instance
        tables: u64 = 16;
        /// core instances inside an instance; large toolchains link dozens
        core_instances: u64 = 64;
        /// resources (fields, requests, responses, files; streams of 0.2) that an instance holds for one request
        resources: u64 = 1_000;
        /// bytes that one host call may hand over
        hostcall: Size = Size::mib(2);
        /// size of one set of header fields in the guest's hands
        fields: Size = Size::kib(64);
        /// random bytes per call
        random: Size = Size::kib(64);
        /// size of a response's body
        response_size: Size = Size::gib(1);
        /// without a byte of the response that the client waits for
        response_gap: Duration = Duration::from_secs(60);
        /// until the requests of a replaced generation are cut
        drain: Duration = Duration::from_secs(60);
        /// outbound requests at once, for one request
        outbound_at_once: u64 = 8;
        /// outbound requests in all, for one request
        outbound_requests: u64 = 32;
        /// outbound connections and TCP sockets open at once
        outbound_connections: u64 = 2_048;
        /// until an outbound connection that nobody uses is closed; most servers close theirs after 60 or 75 s, and a request on one that is just being closed fails
        outbound_idle: Duration = Duration::from_secs(30);
        /// until an outbound connection is made, name resolution and TLS included
        outbound_connect: Duration = Duration::from_secs(3);
        /// until the head of an outbound response
        outbound_head: Duration = Duration::from_secs(10);
        /// without a byte of an outbound response's body
        outbound_gap: Duration = Duration::from_secs(10);
        /// what one request may write to stdout and stderr
        log_request: Size = Size::kib(64);
        /// one line of it; longer ones are cut
        log_line: Size = Size::kib(4);
        /// keys and values that are kept, of all buckets and schemas together
        state_size: Size = Size::mib(256);
        /// keys that are kept; many small ones cost the store more than their size says
        state_keys: u64 = 1_000_000;
        /// size of one key
        state_key: Size = Size::kib(1);
        /// size of one value
        state_value: Size = Size::mib(1);
        /// keys and values of one call for several; what `hostcall` lets through too
        state_batch: Size = Size::mib(2);
        /// keys of one call for several
        state_batch_keys: u64 = 1_000;
        /// keys in one page of a list
        state_page: u64 = 1_000;
    }
}
