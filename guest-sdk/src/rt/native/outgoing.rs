//! A response or a body on its way to the host.

use super::super::{executor, has_body, log, trailer_names};
use super::bindings::squall::web::types::{
    Body as WebBody, BodyError as WebError, BodyStream, Response,
};
use super::bindings::{wit_future, wit_stream};
use super::fields::Writer;
use super::incoming::Ending;
use crate::Body;
use crate::body::Content;
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use wit_bindgen::{FutureWriter, StreamWriter};

/// The largest body that is handed over whole: what a stream would have on its way at
/// once, too.
const WHOLE: usize = 64 * 1024;

pub(super) fn response(response: http::Response<Body>) -> Response {
    let (mut head, body) = response.into_parts();
    let body = if has_body(head.status) { start(body) } else { Outgoing::from(WebBody::Empty) };
    if let Some(names) = body.trailer_names {
        head.headers.entry(header::TRAILER).or_insert(names);
    }
    let headers = Writer::with(&head.headers).finish();
    Response { status: head.status.as_u16(), headers, body: body.body }
}

/// A body that is being sent. What is left of it is written by a future of its
/// own, because the host takes it only after it has the head.
pub(super) struct Outgoing {
    pub(super) body: WebBody,
    /// What comes after it, if that is known. HTTP/1 wants it said before.
    trailer_names: Option<HeaderValue>,
}

impl From<WebBody> for Outgoing {
    fn from(body: WebBody) -> Self {
        Self { body, trailer_names: None }
    }
}

pub(super) fn start(body: Body) -> Outgoing {
    match body.into_parts() {
        (content, Some(trailers)) => {
            let trailer_names = trailer_names(&trailers);
            let body = Body::from(content).with_trailers(trailers);
            Outgoing { body: stream(None, |to, end| write_body(body, to, end)), trailer_names }
        }
        (Content::Empty, None) => WebBody::Empty.into(),
        (Content::Bytes(bytes), None) if bytes.is_empty() => WebBody::Empty.into(),
        (Content::Bytes(bytes), None) if bytes.len() <= WHOLE => {
            WebBody::Bytes(bytes.into()).into()
        }
        (Content::Bytes(bytes), None) => {
            let length = Some(bytes.len() as u64);
            stream(length, |to, end| write_bytes(bytes, to, end)).into()
        }
        (Content::Host(body), None) => match body.into_stream() {
            Ok(body) => WebBody::Stream(body).into(),
            Err(body) => stream(None, |to, end| write_body(Body::from(body), to, end)).into(),
        },
        (Content::Stream(body), None) => {
            stream(None, |to, end| write_body(Content::Stream(body).into(), to, end)).into()
        }
    }
}

fn stream<F: Future<Output = ()> + 'static>(
    length: Option<u64>,
    write: impl FnOnce(StreamWriter<u8>, FutureWriter<Ending>) -> F,
) -> WebBody {
    let (to, contents) = wit_stream::new();
    let (end, ending) = wit_future::new(unfinished);
    executor::spawn(write(to, end));
    WebBody::Stream(BodyStream { contents, length, ending })
}

/// What the host reads if the writing future is dropped: the body is broken off,
/// and not taken for a whole one.
fn unfinished() -> Ending {
    Err(WebError::Failed("the body was not finished".into()))
}

/// The client having gone is no fault of this side: the rest is dropped.
async fn write_bytes(bytes: Bytes, mut to: StreamWriter<u8>, end: FutureWriter<Ending>) {
    to.write_all(bytes.into()).await;
    drop(to);
    _ = end.write(Ok(None)).await;
}

async fn write_body(mut body: Body, mut to: StreamWriter<u8>, end: FutureWriter<Ending>) {
    let mut trailers = None;
    let ending = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break Ok(trailers),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => {
                    if !to.write_all(bytes.into()).await.is_empty() {
                        return; // nobody reads any more, and dropping the body says so
                    }
                }
                Err(frame) => {
                    trailers = frame.into_trailers().ok().map(|map| Writer::with(&map).finish());
                }
            },
            Some(Err(error)) => {
                log(format_args!("the body was broken off: {error}"));
                break Err(WebError::Failed(error.to_string()));
            }
        }
    };
    // First the stream, so that the ending is not waited for in vain
    drop(to);
    _ = end.write(ending).await;
}
