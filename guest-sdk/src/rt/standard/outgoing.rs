//! A response or a body on its way to the host.

use super::super::{executor, has_body, log, trailer_names};
use super::incoming::Ending;
use crate::Body;
use crate::body::Content;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use http_body::Body as _;
use std::future::poll_fn;
use std::pin::Pin;
use wasip3::http::types::{self, ErrorCode, Fields, Trailers};
use wasip3::wit_bindgen::{FutureReader, FutureWriter, StreamReader, StreamWriter};
use wasip3::{wit_future, wit_stream};

pub(super) fn response(response: http::Response<Body>) -> Result<types::Response, ErrorCode> {
    let (mut head, body) = response.into_parts();
    let mut body = if has_body(head.status) {
        start(body)
    } else {
        Outgoing { length: None, ..start_empty() }
    };
    if let Some(names) = body.trailer_names.take() {
        head.headers.entry(header::TRAILER).or_insert(names);
    }
    let headers = fields(&head.headers, body.length);
    let (response, transmitted) = types::Response::new(headers, body.contents, body.ending);
    drop(transmitted);
    if head.status != StatusCode::OK && response.set_status_code(head.status.as_u16()).is_err() {
        let reason = format!("a response cannot have the status {}", head.status.as_u16());
        return Err(ErrorCode::InternalError(Some(reason)));
    }
    Ok(response)
}

/// A body that is being sent. What is left of it is written by a future of its
/// own, because the host takes it only after it has the head.
pub(super) struct Outgoing {
    pub(super) contents: Option<StreamReader<u8>>,
    pub(super) ending: FutureReader<Ending>,
    /// How many bytes it has, if that is known.
    pub(super) length: Option<u64>,
    /// What comes after it, if that is known. HTTP/1 wants it said before.
    trailer_names: Option<HeaderValue>,
}

pub(super) fn start(body: Body) -> Outgoing {
    match body.into_parts() {
        (content, Some(trailers)) => {
            let names = trailer_names(&trailers);
            let body = Body::from(content).with_trailers(trailers);
            Outgoing {
                trailer_names: names,
                ..start_with(None, |stream, end| write_body(body, stream, end))
            }
        }
        (Content::Empty, None) => start_empty(),
        (Content::Bytes(bytes), None) if bytes.is_empty() => start_empty(),
        (Content::Bytes(bytes), None) => {
            let length = bytes.len() as u64;
            start_with(Some(length), |stream, end| write_bytes(bytes, stream, end))
        }
        (Content::Host(body), None) => match body.into_parts() {
            Ok((stream, ending)) => {
                Outgoing { contents: Some(stream), ending, length: None, trailer_names: None }
            }
            Err(body) => start_with(None, |stream, end| write_body(Body::from(body), stream, end)),
        },
        (Content::Stream(body), None) => {
            start_with(None, |stream, end| write_body(Content::Stream(body).into(), stream, end))
        }
    }
}

fn start_empty() -> Outgoing {
    // What is not written is written by the destructor, so this says «no trailers».
    let (_, ending) = wit_future::new(|| Ok(None));
    Outgoing { contents: None, ending, length: Some(0), trailer_names: None }
}

fn start_with<F: Future<Output = ()> + 'static>(
    length: Option<u64>,
    write: impl FnOnce(StreamWriter<u8>, FutureWriter<Ending>) -> F,
) -> Outgoing {
    let (stream, contents) = wit_stream::new();
    let (end, ending) = wit_future::new(unfinished);
    executor::spawn(write(stream, end));
    Outgoing { contents: Some(contents), ending, length, trailer_names: None }
}

/// What the host reads if the writing future is dropped: the body is broken off,
/// and not taken for a whole one.
fn unfinished() -> Ending {
    Err(ErrorCode::InternalError(Some("the body was not finished".into())))
}

/// The client having gone is no fault of this side: the rest is dropped.
async fn write_bytes(bytes: Bytes, mut stream: StreamWriter<u8>, end: FutureWriter<Ending>) {
    stream.write_all(bytes.into()).await;
    drop(stream);
    _ = end.write(Ok(None)).await;
}

async fn write_body(mut body: Body, mut stream: StreamWriter<u8>, end: FutureWriter<Ending>) {
    let mut trailers = None;
    let ending = loop {
        match poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await {
            None => break Ok(trailers),
            Some(Ok(frame)) => match frame.into_data() {
                Ok(bytes) => {
                    if !stream.write_all(bytes.into()).await.is_empty() {
                        return; // nobody reads any more, and dropping the body says so
                    }
                }
                Err(frame) => trailers = frame.into_trailers().ok().map(|map| fields(&map, None)),
            },
            Some(Err(error)) => {
                log(format_args!("the body was broken off: {error}"));
                break Err(ErrorCode::InternalError(Some(error.to_string())));
            }
        }
    };
    // First the stream, so that the ending is not waited for in vain
    drop(stream);
    _ = end.write(ending).await;
}

/// The length is told by the body itself, and what the handler says of it counts
/// only if the body does not know.
pub(super) fn fields(headers: &HeaderMap, length: Option<u64>) -> Trailers {
    let length =
        length.filter(|length| *length > 0 || !headers.contains_key(header::CONTENT_LENGTH));
    let mut entries = Vec::with_capacity(headers.len() + 1);
    for (name, value) in headers {
        if length.is_none() || name != header::CONTENT_LENGTH {
            entries.push((name.as_str().to_owned(), value.as_bytes().to_vec()));
        }
    }
    if let Some(length) = length {
        entries.push(("content-length".to_owned(), length.to_string().into_bytes()));
    }
    Fields::from_list(&entries).unwrap_or_else(|_| allowed(entries))
}

/// The host refuses a list for one bad header, and mostly one that is none of a
/// handler's business, like `connection`.
fn allowed(entries: Vec<(String, Vec<u8>)>) -> Fields {
    let fields = Fields::new();
    for (name, value) in entries {
        if let Err(error) = fields.append(&name, &value) {
            log(format_args!("the header `{name}` is left out: {error}"));
        }
    }
    fields
}
