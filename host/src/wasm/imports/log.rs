//! A guest's stdout and stderr: each line becomes a log line that names handler,
//! generation and request. Bounded, escaped, and never waiting for anything.

mod leveled;
mod lines;

use super::super::call::Call;
use super::super::data::{Blueprint, Data, current_call};
use super::super::engine::Concurrency;
use super::super::seat::Seat;
use crate::id::{GenerationNumber, HandlerName};
use crate::meter::HandlerMeter;
use bytes::Bytes;
use lines::{Line, Lines};
use parking_lot::Mutex;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use wasmtime::component::{Linker, Resource};
use wasmtime::{AsContextMut, StoreContextMut};
use wasmtime_wasi::ResourceTable;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::io::streams::{self, HostOutputStream};
use wasmtime_wasi::p2::{DynOutputStream, OutputStream, Pollable, StreamResult};

/// The log of one instance.
#[derive(Clone)]
pub(crate) struct GuestLog(Arc<Scope>);

struct Scope {
    handler: HandlerName,
    generation: GenerationNumber,
    seat: Arc<Seat>,
    meter: Arc<HandlerMeter>,
    line_limit: usize,
    /// The call that writes next, where several share the instance.
    writer: Mutex<Option<Arc<Call>>>,
}

#[derive(Clone, Copy)]
enum Stream {
    Stdout,
    Stderr,
}

impl GuestLog {
    pub(crate) fn new(blueprint: &Blueprint, seat: &Arc<Seat>) -> Self {
        GuestLog(Arc::new(Scope {
            handler: blueprint.handler.clone(),
            generation: blueprint.generation,
            seat: seat.clone(),
            meter: blueprint.meter.clone(),
            line_limit: blueprint.limits.log_line.to_usize(),
            writer: Mutex::new(None),
        }))
    }

    pub(crate) fn stdout(&self) -> impl StdoutStream + 'static {
        Writer::new(self.clone(), Stream::Stdout)
    }

    pub(crate) fn stderr(&self) -> impl StdoutStream + 'static {
        Writer::new(self.clone(), Stream::Stderr)
    }

    fn set_writer(&self, call: Option<Arc<Call>>) {
        *self.0.writer.lock() = call;
    }

    fn writer(&self) -> Option<Arc<Call>> {
        let known = self.0.writer.lock().clone();
        known.or_else(|| self.0.seat.call_of([]))
    }

    /// Writes one line, if the request that it belongs to has not written its
    /// share.
    fn emit(&self, stream: Stream, line: &Line, call: Option<&Arc<Call>>) {
        match self.share(line.cost(), call) {
            Share::Left => self.write(stream, &line.text(), call),
            Share::Reached => self.write(stream, LIMIT_REACHED, call),
            Share::Over => {}
        }
    }

    /// Takes `cost` from what the request may still write.
    fn share(&self, cost: u64, call: Option<&Arc<Call>>) -> Share {
        let Some(call) = call else { return Share::Left };
        let left = call.log_budget.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
            (left > 0).then(|| left.saturating_sub(cost))
        });
        match left {
            Err(_) => {
                self.0.meter.log_dropped.add(1);
                Share::Over
            }
            Ok(left) if left <= cost => Share::Reached,
            Ok(_) => Share::Left,
        }
    }

    fn write(&self, stream: Stream, text: &str, call: Option<&Arc<Call>>) {
        let scope = &*self.0;
        let request = call.map(|call| tracing::field::display(call.id));
        let stream = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        tracing::info!(
            target: "squall::guest",
            handler = %scope.handler,
            generation = %scope.generation,
            request,
            stream,
            "{text}"
        );
    }
}

/// What a request may still write of one line.
enum Share {
    Left,
    /// It ends with this line, in whose place that is said.
    Reached,
    Over,
}

const LIMIT_REACHED: &str =
    "(the request has written as much as `log_request` allows; the rest is dropped)";

/// One of the two streams of an instance. All handles to it share its lines.
#[derive(Clone)]
struct Writer {
    log: GuestLog,
    stream: Stream,
    lines: Arc<Mutex<Lines>>,
}

impl Writer {
    fn new(log: GuestLog, stream: Stream) -> Self {
        let lines = Arc::new(Mutex::new(Lines::new(log.0.line_limit)));
        Writer { log, stream, lines }
    }

    fn push(&self, bytes: &[u8]) {
        let call = self.log.writer();
        let owner = call.as_ref().map(|call| call.id);
        let mut lines = self.lines.lock();
        for line in lines.push(bytes, owner) {
            self.log.emit(self.stream, &line, call.as_ref());
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The last handle goes with the instance: what has no newline yet never
        // gets one.
        if Arc::strong_count(&self.lines) == 1 {
            let rest = self.lines.lock().finish();
            if let Some(line) = rest {
                self.log.emit(self.stream, &line, self.log.writer().as_ref());
            }
        }
    }
}

impl IsTerminal for Writer {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Writer {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Writer {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Puts a note of who writes before the writes of guests that serve several
/// requests at once: only a function with the store at hand can know.
pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    type Write = (Resource<DynOutputStream>, Vec<u8>);
    let mut streams = linker.instance("wasi:io/streams@0.2.12")?;
    streams.func_wrap("[method]output-stream.write", |mut store, (stream, bytes): Write| {
        note_writer(&mut store);
        let table = &mut store.data_mut().table;
        let written = HostOutputStream::write(table, stream, bytes);
        Ok((to_wit(table, written)?,))
    })?;
    streams.func_wrap_async(
        "[method]output-stream.blocking-write-and-flush",
        |mut store, (stream, bytes): Write| {
            Box::new(async move {
                note_writer(&mut store);
                let table = &mut store.data_mut().table;
                let written =
                    HostOutputStream::blocking_write_and_flush(table, stream, bytes).await;
                Ok((to_wit(table, written)?,))
            })
        },
    )
}

/// What a write came to, in the guest's words.
fn to_wit(
    table: &mut ResourceTable,
    written: StreamResult<()>,
) -> wasmtime::Result<Result<(), streams::StreamError>> {
    match written {
        Ok(()) => Ok(Ok(())),
        Err(error) => streams::Host::convert_stream_error(table, error).map(Err),
    }
}

fn note_writer(store: &mut StoreContextMut<'_, Data>) {
    let call = current_call(&mut store.as_context_mut(), Concurrency::Many);
    store.data().log.set_writer(call);
}
