//! One connection from its first byte to its last: which protocol it speaks, the
//! limits of that protocol, and what ends it.

use super::clock::{ConnectionClock, GiveUp, Protocol};
use super::listen::ConnectionPermit;
use super::service::Service;
use super::socket::Socket;
use super::stream::Streams;
use super::{Server, Stage};
use crate::alarm;
use crate::limits::ServerLimits;
use hyper::server::conn::{http1, http2};
use hyper_util::rt::TokioTimer;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

/// Serves one client until it leaves, breaks a limit, or the server stops.
pub(super) async fn serve(
    stream: TcpStream,
    peer: SocketAddr,
    server: Arc<Server>,
    mut stage: watch::Receiver<Stage>,
    _permit: ConnectionPermit,
) {
    // Without it each small answer would wait for the client's acknowledgement. A
    // socket that refuses is broken, which its first read will show.
    let _ = stream.set_nodelay(true);
    // To its end: hyper takes its part of them once.
    let limits = server.registry.limits.now();
    let protocol = tokio::select! {
        protocol = first_bytes(&stream, &limits) => protocol,
        // Nothing was asked yet, so nothing is lost.
        _ = stage.wait_for(|stage| *stage != Stage::Serving) => return,
    };
    let protocol = match protocol {
        Ok(Some(protocol)) => protocol,
        Ok(None) => return,
        Err(TooSlow(reason)) => return server.meter.closed.count(reason),
    };
    let clock = Arc::new(ConnectionClock::new(protocol));
    let socket = Socket::new(stream, clock.clone());
    let service = Service::new(server.clone(), limits.clone(), peer, clock.clone(), protocol);
    let gave_up = match protocol {
        Protocol::Http1 => {
            let connection = pin!(http1_builder(&limits).serve_connection(socket, service));
            drive(connection, &clock, &limits, &mut stage).await
        }
        Protocol::Http2 => {
            // Several times as large: in a place of its own, so that the tasks of
            // HTTP/1 need not have room for it.
            let builder = http2_builder(&limits, &clock);
            let connection = builder.serve_connection(socket, service);
            drive(Box::pin(connection).as_mut(), &clock, &limits, &mut stage).await
        }
    };
    if let Some(reason) = gave_up {
        server.meter.closed.count(reason);
    }
}

struct TooSlow(&'static str);

/// What a client with prior knowledge of HTTP/2 begins with (RFC 9113, 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Between two looks at a preface that arrives in pieces. Peeking leaves the bytes
/// in the socket, so readiness cannot tell that there are more.
const PEEK_AGAIN: Duration = Duration::from_millis(10);

/// Waits for enough bytes to tell the protocol; `None` if the client left.
///
/// hyper-util's detection would wait for ever (hyper#3756).
async fn first_bytes(
    stream: &TcpStream,
    limits: &ServerLimits,
) -> Result<Option<Protocol>, TooSlow> {
    let began = Instant::now();
    let mut bytes = [0; PREFACE.len()];
    let first = timeout(limits.first_byte, stream.peek(&mut bytes)).await;
    let mut seen = match first {
        Err(_) => return Err(TooSlow("first_byte")),
        Ok(Err(_) | Ok(0)) => return Ok(None),
        Ok(Ok(seen)) => seen,
    };
    loop {
        if !PREFACE.starts_with(&bytes[..seen]) {
            return Ok(Some(Protocol::Http1));
        }
        if seen == PREFACE.len() {
            return Ok(Some(Protocol::Http2));
        }
        if began.elapsed() > limits.head_time {
            return Err(TooSlow("head_time"));
        }
        tokio::time::sleep(PEEK_AGAIN).await;
        match stream.peek(&mut bytes).await {
            Err(_) | Ok(0) => return Ok(None),
            Ok(more) => seen = more,
        }
    }
}

/// The most fields of a head that hyper takes unless it is told a number
/// (`http1::Builder::max_headers`).
const HYPER_FIELDS: usize = 100;

fn http1_builder(limits: &ServerLimits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    // Time limits are the clock's: hyper's own for heads would also end idle
    // connections.
    builder
        .timer(TokioTimer::new())
        // Whether a client that closed its side has gone is the clock's to say.
        .half_close(true)
        .header_read_timeout(None)
        .max_buf_size(limits.head_size.to_usize());
    let fields = usize::try_from(limits.head_fields).unwrap_or(usize::MAX);
    // hyper clears room for as many as it is told for each request, which is 1,700
    // instructions; for as many as it takes by itself it does not.
    if fields != HYPER_FIELDS {
        builder.max_headers(fields);
    }
    builder
}

fn http2_builder(limits: &ServerLimits, clock: &Arc<ConnectionClock>) -> http2::Builder<Streams> {
    let u32_of = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    let streams = Streams { gap: limits.write_gap, clock: clock.clone() };
    let mut builder = http2::Builder::new(streams);
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(u32_of(limits.h2_streams))
        .initial_stream_window_size(u32_of(limits.h2_stream_window.get()))
        .initial_connection_window_size(u32_of(limits.h2_connection_window.get()))
        .max_send_buf_size(limits.h2_send_buffer.to_usize())
        .max_header_list_size(u32_of(limits.h2_head_size.get()))
        .max_pending_accept_reset_streams(usize::try_from(limits.h2_resets).unwrap_or(usize::MAX))
        .keep_alive_interval(limits.h2_ping)
        .keep_alive_timeout(limits.h2_ping_timeout);
    builder
}

/// What both protocols' connections can do.
trait Connection: Future<Output = hyper::Result<()>> {
    /// Answers what has begun, takes nothing new.
    fn shut_down_gracefully(self: Pin<&mut Self>);
}

impl Connection for http1::Connection<Socket, Service> {
    fn shut_down_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

impl Connection for http2::Connection<Socket, Service, Streams> {
    fn shut_down_gracefully(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// The reason of connections that did not end in time when the server stopped.
pub(super) const CUT: &str = "drain";

/// Runs a connection to its end. Returns why we ended it, if we did.
async fn drive(
    mut connection: Pin<&mut impl Connection>,
    clock: &ConnectionClock,
    limits: &ServerLimits,
    stage: &mut watch::Receiver<Stage>,
) -> Option<&'static str> {
    let timer = pin!(sleep_until(Instant::now() + limits.head_time));
    let mut timer = Timer { sleep: timer, is_polled: false };
    // Until then somebody waits for an answer, or has.
    let mut alarm = None;
    let mut later = stage.clone();
    // Cheaper to ask than to poll what waits for it, which has to happen once.
    let news = stage.clone();
    let mut watching = false;
    let mut spent = false;
    let mut idle = false;
    let mut drain = pin!(reached(stage, Stage::Draining));
    let mut cut: Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> = None;
    let mut later = Some(&mut later);
    poll_fn(|cx| {
        let look = !std::mem::replace(&mut watching, true) || news.has_changed().unwrap_or(true);
        if look && cut.is_none() && drain.as_mut().poll(cx).is_ready() {
            connection.as_mut().shut_down_gracefully();
            clock.leave();
            cut = later.take().map(|later| Box::pin(reached(later, Stage::Cut)) as _);
        }
        if cut.as_mut().is_some_and(|cut| cut.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(CUT));
        }
        let (polled, asked) = alarm::keep(|| connection.as_mut().poll(cx));
        alarm = asked.or(alarm);
        if let Poll::Ready(ended) = polled {
            return Poll::Ready(match ended {
                Err(error) => refused(&error),
                Ok(()) => spent.then_some("connection_requests"),
            });
        }
        if !spent && clock.served() >= limits.connection_requests {
            spent = true;
            connection.as_mut().shut_down_gracefully();
        }
        let due = ready!(poll_deadline(clock, limits, alarm, &mut timer, cx));
        let Due::GiveUp(reason) = due else {
            alarm = None;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        };
        match reason {
            GiveUp::Left => Poll::Ready(GiveUp::KeepAlive.label().filter(|_| idle)),
            GiveUp::KeepAlive if clock.tells_farewell() => {
                idle = true;
                connection.as_mut().shut_down_gracefully();
                clock.leave();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            GiveUp::WriteGap if clock.doubts_stall() => {
                // The next turn writes past tokio's readiness.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            reason => Poll::Ready(reason.label()),
        }
    })
    .await
}

/// Why hyper has refused a request by itself: then no service was called, and the
/// client has its 4xx. Other errors are the network's, and there is nobody to tell.
fn refused(error: &hyper::Error) -> Option<&'static str> {
    if error.is_parse_too_large() {
        return Some("head_too_large");
    }
    error.is_parse().then_some("bad_head")
}

async fn reached(stage: &mut watch::Receiver<Stage>, wanted: Stage) {
    // The sender lives as long as the server; if it is gone, so is the reason to
    // go on.
    let _ = stage.wait_for(|stage| *stage >= wanted).await;
}

/// A connection's timer.
struct Timer<'a> {
    sleep: Pin<&'a mut Sleep>,
    /// It wakes the task: there is one, so polling again would change nothing.
    is_polled: bool,
}

/// What is to be done.
#[derive(Clone, Copy)]
enum Due {
    /// The connection is to be polled.
    Look,
    GiveUp(GiveUp),
}

/// Ready when a limit has passed, or the time to look. Otherwise the timer is set to look again in time.
fn poll_deadline(
    clock: &ConnectionClock,
    limits: &ServerLimits,
    alarm: Option<Instant>,
    timer: &mut Timer<'_>,
    cx: &mut Context<'_>,
) -> Poll<Due> {
    loop {
        let give_up = clock.deadline(limits).map(|(at, reason)| (at, Due::GiveUp(reason)));
        let look = alarm.map(|at| (at, Due::Look));
        let next = give_up.into_iter().chain(look).min_by_key(|(at, _)| *at);
        let Some((deadline, due)) = next else { return Poll::Pending };
        // The timer is only moved when it would come too late; one that comes too
        // early costs a look.
        if deadline < timer.sleep.deadline() || timer.sleep.is_elapsed() {
            if deadline <= Instant::now() {
                return Poll::Ready(due);
            }
            timer.sleep.as_mut().reset(deadline);
        } else if timer.is_polled {
            return Poll::Pending;
        }
        timer.is_polled = true;
        ready!(timer.sleep.as_mut().poll(cx));
    }
}
