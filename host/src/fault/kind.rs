//! The kinds of faults, each with all that is fixed of it, in one table.

use http::StatusCode;

/// Who has to act so that it does not happen again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Client,
    Guest,
    /// Nobody did wrong: there was more work than room, or the disk had nothing to
    /// give at that moment. Later it may.
    Load,
    /// A bug in Squall.
    Host,
}

macro_rules! kinds {
    ($( $(#[$meta:meta])* $owner:ident $kind:ident $label:literal $status:ident $outside:literal; )+) => {
        /// What went wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum FaultKind {
            $( $(#[$meta])* $kind, )+
        }

        impl FaultKind {
            pub const ALL: &[FaultKind] = &[ $( FaultKind::$kind, )+ ];

            /// The value of the `kind` label in `squall_faults_total`.
            pub fn label(self) -> &'static str {
                match self { $( FaultKind::$kind => $label, )+ }
            }

            pub fn owner(self) -> Owner {
                match self { $( FaultKind::$kind => Owner::$owner, )+ }
            }

            /// The status that a client sees if the head was not sent yet.
            pub fn status(self) -> StatusCode {
                match self { $( FaultKind::$kind => StatusCode::$status, )+ }
            }

            /// All that a client reads of this fault.
            pub fn outside(self) -> &'static str {
                match self { $( FaultKind::$kind => $outside, )+ }
            }
        }
    };
}

kinds! {
    Client BadHost "bad_host" BAD_REQUEST "the request needs exactly one valid host";
    Client BadTarget "bad_target" BAD_REQUEST "the request's target is not valid";
    Client TargetTooLong "target_too_long" URI_TOO_LONG "the request's target is too long";
    Client HeadTooLarge "head_too_large" REQUEST_HEADER_FIELDS_TOO_LARGE "the request's header fields are too large";
    Client BodyTooLarge "body_too_large" PAYLOAD_TOO_LARGE "the request's body is too large";
    Client BodyTimeout "body_timeout" REQUEST_TIMEOUT "the request's body did not arrive in time";
    Client BadBody "bad_body" BAD_REQUEST "the request's body is not framed as HTTP says";
    Client NoTunnels "no_tunnels" NOT_IMPLEMENTED "this server makes no tunnels";
    /// The client left before its answer was complete.
    Client Cancelled "cancelled" BAD_REQUEST "the client left";

    Guest Trap "trap" BAD_GATEWAY "the handler failed";
    Guest Exit "exit" BAD_GATEWAY "the handler failed";
    Guest NoResponse "no_response" BAD_GATEWAY "the handler failed";
    Guest ErrorCode "error_code" BAD_GATEWAY "the handler failed";
    Guest Cpu "cpu" GATEWAY_TIMEOUT "the handler did not answer in time";
    Guest Deadline "deadline" GATEWAY_TIMEOUT "the handler did not answer in time";
    Guest Memory "memory" BAD_GATEWAY "the handler failed";
    Guest Stack "stack" BAD_GATEWAY "the handler failed";
    Guest Resources "resources" BAD_GATEWAY "the handler failed";
    Guest Hostcall "hostcall" BAD_GATEWAY "the handler failed";
    Guest Header "header" BAD_GATEWAY "the handler failed";
    Guest Framing "framing" BAD_GATEWAY "the handler failed";
    Guest ResponseSize "response_size" BAD_GATEWAY "the handler failed";
    Guest Stall "stall" BAD_GATEWAY "the handler failed";
    Guest PostReturn "post_return" BAD_GATEWAY "the handler failed";
    /// Another request in the same shared instance ended it.
    Guest Neighbour "neighbour" BAD_GATEWAY "the handler failed";

    Load FilesOpen "files_open" SERVICE_UNAVAILABLE "the server is busy";
    /// A static file was not as long as it had been when it was opened.
    Load FileChanged "file_changed" SERVICE_UNAVAILABLE "the file changed while it was read";
    Load FileUnreadable "file_unreadable" SERVICE_UNAVAILABLE "the file cannot be read now";
    Load InFlight "in_flight" SERVICE_UNAVAILABLE "the handler is busy";
    Load QueueFull "queue_full" SERVICE_UNAVAILABLE "the handler is busy";
    Load QueueTime "queue_time" SERVICE_UNAVAILABLE "the handler is busy";
    Load Unavailable "unavailable" SERVICE_UNAVAILABLE "the handler is not available";
    Load Draining "draining" SERVICE_UNAVAILABLE "this version of the handler is being replaced, or the server stops; try again";

    Host Bug "bug" INTERNAL_SERVER_ERROR "the server failed";
}

impl FaultKind {
    /// Whether the connection must not carry another request: its framing can
    /// no longer be trusted, or its client did not keep to its time.
    pub(super) fn closes_connection(self) -> bool {
        self.owner() == Owner::Client || self == FaultKind::Draining
    }
}
