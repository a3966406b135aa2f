//! A handler's request, made fit for the wire: one spelling of its target, no
//! field that is the connection's business, and a length that is true.
//!
//! What hyper would do silently with a request that contradicts itself (cut its
//! body, send none of it, leave the connection out of step) is decided here.

use super::error::UpstreamError;
use super::upload::{Upload, Watch, upload};
use crate::body::{Body, BodyError, declared_length};
use crate::headers::strip_hop_by_hop;
use crate::policy::{Named, Scheme};
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Extensions, Method, Request, Uri, Version, request};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

/// How long a method that seldom has a body waits to learn whether this one is
/// empty. Guests often open a body, send the request and then close the body.
const EMPTY_BODY_WAIT: Duration = Duration::from_millis(100);

/// A request that can be sent over either protocol.
#[derive(Debug)]
pub(super) struct Outgoing {
    head: request::Parts,
    target: Target,
    /// Whether HTTP/1.1 needs to be told that a body follows.
    chunked: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    Http1,
    Http2,
}

impl Outgoing {
    /// Separates the request from its body and the watch over that.
    pub(super) async fn new(
        request: Request<Body>,
        named: &Named,
    ) -> Result<(Self, Upload, Watch), UpstreamError> {
        let (mut head, body) = request.into_parts();
        if head.method == Method::CONNECT {
            return Err(UpstreamError::BadRequest { why: "`CONNECT` would open a tunnel" });
        }
        let target = Target::new(&head.uri, named)?;
        strip_hop_by_hop(&mut head.headers);
        // Extensions tell hyper to do things, such as extended CONNECT.
        head.extensions = Extensions::new();

        let declared = declared_once(&head.headers)?;
        let usual = matches!(head.method, Method::POST | Method::PUT | Method::PATCH);
        let body = settle(body, usual, declared).await.map_err(UpstreamError::Body)?;
        let exact = body.size_hint().exact();
        if usual && declared.is_none() && exact == Some(0) {
            head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
        }
        let chunked = declared.is_none() && exact.is_none();
        let (body, watch) = upload(body, declared);
        Ok((Outgoing { head, target, chunked }, body, watch))
    }

    /// Whether it may be sent twice: nothing but a question.
    pub(super) fn is_safe(&self) -> bool {
        matches!(self.head.method, Method::GET | Method::HEAD | Method::OPTIONS)
    }

    /// The request as `protocol` writes it.
    pub(super) fn message(&self, protocol: Protocol, body: Upload) -> Request<Upload> {
        let mut head = self.head.clone();
        let headers = &mut head.headers;
        match protocol {
            Protocol::Http1 => {
                head.version = Version::HTTP_11;
                head.uri = self.target.origin_form.clone();
                headers.insert(header::HOST, self.target.authority.clone());
                if self.chunked {
                    let chunked = HeaderValue::from_static("chunked");
                    headers.insert(header::TRANSFER_ENCODING, chunked);
                }
            }
            Protocol::Http2 => {
                head.version = Version::HTTP_2;
                head.uri = self.target.absolute.clone();
                headers.remove(header::HOST);
            }
        }
        Request::from_parts(head, body)
    }
}

/// One target in both of its written forms.
#[derive(Debug)]
struct Target {
    authority: HeaderValue,
    absolute: Uri,
    origin_form: Uri,
}

impl Target {
    /// From the spelling that was judged, not from the one that was given.
    fn new(uri: &Uri, named: &Named) -> Result<Self, UpstreamError> {
        let bad = || UpstreamError::BadRequest { why: "its target is not a URI" };
        let authority = named.authority();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let path = if path.is_empty() { "/" } else { path };
        let scheme = if named.scheme() == Scheme::Https { "https" } else { "http" };
        let absolute =
            Uri::builder().scheme(scheme).authority(authority.as_str()).path_and_query(path);
        Ok(Target {
            authority: HeaderValue::try_from(authority).map_err(|_| bad())?,
            absolute: absolute.build().map_err(|_| bad())?,
            origin_form: Uri::builder().path_and_query(path).build().map_err(|_| bad())?,
        })
    }
}

/// What `content-length` says. Several or unreadable ones are how requests are
/// smuggled.
fn declared_once(headers: &HeaderMap) -> Result<Option<u64>, UpstreamError> {
    let declared = declared_length(headers);
    match (headers.get_all(header::CONTENT_LENGTH).iter().count(), declared) {
        (0, _) => Ok(None),
        (1, Some(length)) => Ok(Some(length)),
        _ => Err(UpstreamError::BadRequest { why: "`content-length` is not one number" }),
    }
}

/// Settles whether there is a body at all, and that it can be as long as it is
/// declared to be.
async fn settle(mut body: Body, usual: bool, declared: Option<u64>) -> Result<Body, BodyError> {
    match (body.size_hint().exact(), declared) {
        (Some(exact), Some(declared)) if exact != declared => return Err(BodyError::WrongLength),
        (Some(_), _) => return Ok(body),
        (None, Some(declared)) if declared > 0 => return Ok(body),
        (None, None) if usual => return Ok(body),
        (None, _) => {}
    }
    let first = tokio::time::timeout(EMPTY_BODY_WAIT, poll_fn(|cx| poll_first(&mut body, cx)));
    match (first.await, declared) {
        (Ok(None), _) => Ok(Body::empty()),
        (Ok(Some(first)), None) => Ok(Body::stream(Begun { first: Some(first?), rest: body })),
        (Ok(Some(first)), Some(_)) => Err(first.err().unwrap_or(BodyError::WrongLength)),
        (Err(_elapsed), None) => Ok(body),
        // Declared to be empty, and nothing says otherwise.
        (Err(_elapsed), Some(_)) => Ok(Body::empty()),
    }
}

fn poll_first(
    body: &mut Body,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
    loop {
        let frame = std::task::ready!(Pin::new(&mut *body).poll_frame(cx));
        let nothing = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(|data| data.is_empty());
        if !matches!(&frame, Some(Ok(frame)) if nothing(frame)) {
            return Poll::Ready(frame);
        }
    }
}

/// A body whose first frame has been taken already.
struct Begun {
    first: Option<Frame<Bytes>>,
    rest: Body,
}

impl HttpBody for Begun {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.first.take() {
            Some(first) => Poll::Ready(Some(Ok(first))),
            None => Pin::new(&mut self.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    /// Unknown, like that of the body it was.
    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}
