//! The access log: one line per request, formatted and written on a thread of its
//! own.
//!
//! The request's path pays for cloning a few reference-counted values and for a
//! place in a bounded queue.

use super::escape::{Ascii, Plain};
use super::queue::{Receiver, Sender, queue};
use crate::config::AccessLog as Form;
use crate::fault::FaultKind;
use crate::id::{GenerationNumber, HandlerName, HostName, RequestId};
use crate::meter::ServerMeter;
use http::{Method, Uri};
use humantime::format_rfc3339_millis;
use serde::Serialize;
use serde_json::Serializer;
use std::io::{self, Write};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::sync::oneshot;

/// What one request is remembered by.
#[derive(Debug)]
pub struct AccessLine {
    pub id: RequestId,
    pub client: IpAddr,
    pub method: Method,
    pub target: Uri,
    /// `None` if it was not a valid one.
    pub host: Option<HostName>,
    pub http2: bool,
    pub handler: Option<(HandlerName, GenerationNumber)>,
    /// `None` if the client left before there was an answer.
    pub status: Option<u16>,
    pub request_bytes: u64,
    pub response_bytes: u64,
    pub duration: Duration,
    pub fault: Option<FaultKind>,
}

/// Where requests are reported to. Cheap to clone.
#[derive(Clone, Debug)]
pub struct AccessLog(Option<Queue>);

#[derive(Clone, Debug)]
struct Queue {
    sender: Sender<(SystemTime, AccessLine)>,
    meter: Arc<ServerMeter>,
}

/// The thread that writes.
#[derive(Debug)]
pub struct AccessWriter {
    /// Closed by the thread's end; so it is from the start if the log is off.
    ended: oneshot::Receiver<()>,
}

impl AccessLog {
    /// Starts the writing thread, unless the log is off.
    pub fn start(
        form: Form,
        room: usize,
        meter: Arc<ServerMeter>,
    ) -> io::Result<(Self, AccessWriter)> {
        let (alive, ended) = oneshot::channel::<()>();
        let writer = AccessWriter { ended };
        if form == Form::Off {
            return Ok((AccessLog(None), writer));
        }
        let (sender, receiver) = queue(room.max(1));
        std::thread::Builder::new().name("squall-access".into()).spawn(move || {
            write_lines(&receiver, form);
            drop(alive);
        })?;
        Ok((AccessLog(Some(Queue { sender, meter })), writer))
    }

    /// Reports a request. A full queue drops the line and counts it.
    pub fn write(&self, line: impl FnOnce() -> AccessLine) {
        if let Some(queue) = &self.0
            && queue.sender.try_send((SystemTime::now(), line())).is_err()
        {
            queue.meter.access_dropped.add(1);
        }
    }
}

impl AccessWriter {
    /// Waits until all that was reported is written, which is soon after the last
    /// [`AccessLog`] is gone. A reader that takes nothing is not waited for.
    pub async fn finish(self) {
        /// Enough for a full queue; a service manager waits longer.
        const PATIENCE: Duration = Duration::from_secs(1);
        if tokio::time::timeout(PATIENCE, self.ended).await.is_err() {
            tracing::warn!("nobody takes the last lines of the access log; they are lost");
        }
    }
}

/// Runs until the last sender is gone.
fn write_lines(receiver: &Receiver<(SystemTime, AccessLine)>, form: Form) {
    /// Enough for hundreds of lines; a write is then worth its system call.
    const BATCH: usize = 64 << 10;
    let (mut lines, mut buffer) = (Vec::new(), Vec::with_capacity(BATCH));
    while receiver.receive(&mut lines) {
        let mut left = lines.drain(..).peekable();
        while let Some((time, line)) = left.next() {
            format_line(&mut buffer, form, time, &line);
            if buffer.len() >= BATCH || left.peek().is_none() {
                // Nobody reads: the lines are lost, and so be it.
                let mut out = io::stdout().lock();
                let _ = out.write_all(&buffer).and_then(|()| out.flush());
                buffer.clear();
            }
        }
    }
}

fn format_line(out: &mut Vec<u8>, form: Form, time: SystemTime, line: &AccessLine) {
    // Writing to a vector cannot fail.
    let _ = match form {
        Form::Json => json(out, time, line),
        Form::Text | Form::Off => text(out, time, line),
    };
}

fn text(out: &mut Vec<u8>, time: SystemTime, line: &AccessLine) -> io::Result<()> {
    let status = line.status.map_or("-".into(), |status| status.to_string());
    write!(
        out,
        "{} {} {} {} {} {} {status} {}B {:.1}ms {}",
        format_rfc3339_millis(time),
        line.client,
        Plain(line.host.as_ref().map_or("-", HostName::as_str)),
        Plain(line.method.as_str()),
        Plain(line.target.path_and_query().map_or("-", |target| target.as_str())),
        if line.http2 { "h2" } else { "h1" },
        line.response_bytes,
        line.duration.as_secs_f64() * 1e3,
        line.id,
    )?;
    if let Some((handler, generation)) = &line.handler {
        write!(out, " {handler}/{generation}")?;
    }
    if let Some(fault) = line.fault {
        write!(out, " {}", fault.label())?;
    }
    writeln!(out)
}

fn json(out: &mut Vec<u8>, time: SystemTime, line: &AccessLine) -> io::Result<()> {
    #[derive(Serialize)]
    struct Line<'a> {
        time: String,
        request: String,
        client: IpAddr,
        host: &'a str,
        method: &'a str,
        target: &'a str,
        protocol: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        handler: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        generation: Option<u64>,
        status: Option<u16>,
        request_bytes: u64,
        response_bytes: u64,
        duration_ms: f64,
        #[serde(skip_serializing_if = "Option::is_none")]
        fault: Option<&'a str>,
    }
    let handler = line.handler.as_ref();
    let line = Line {
        time: format_rfc3339_millis(time).to_string(),
        request: line.id.to_string(),
        client: line.client,
        host: line.host.as_ref().map_or("", HostName::as_str),
        method: line.method.as_str(),
        target: line.target.path_and_query().map_or("", |target| target.as_str()),
        protocol: if line.http2 { "h2" } else { "h1" },
        handler: handler.map(|(name, _)| name.as_str()),
        generation: handler.map(|(_, generation)| generation.0),
        status: line.status,
        request_bytes: line.request_bytes,
        response_bytes: line.response_bytes,
        duration_ms: (line.duration.as_secs_f64() * 1e6).round() / 1e3,
        fault: line.fault.map(FaultKind::label),
    };
    line.serialize(&mut Serializer::with_formatter(&mut *out, Ascii))?;
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    fn line(target: &str) -> AccessLine {
        AccessLine {
            id: RequestId::next(),
            client: [127, 0, 0, 1].into(),
            method: Method::GET,
            target: target.parse().unwrap(),
            host: Some(HostName::new("a\"b\n")),
            http2: false,
            handler: Some((HandlerName::new("hello"), GenerationNumber(3))),
            status: Some(200),
            request_bytes: 0,
            response_bytes: 14,
            duration: Duration::from_micros(1234),
            fault: None,
        }
    }

    #[test]
    fn json_lines_are_one_line_each_whatever_the_client_sent() {
        let mut out = Vec::new();
        format_line(&mut out, Form::Json, UNIX_EPOCH, &line("/x?y=%22%0A"));
        assert_eq!(out.iter().filter(|&&b| b == b'\n').count(), 1);
        let parsed: serde_json::Value = serde_json::from_slice(&out).unwrap();
        assert_eq!(parsed["handler"], "hello");
        assert_eq!(parsed["duration_ms"], 1.234);
        assert_eq!(parsed["time"], "1970-01-01T00:00:00.000Z");
    }
}
