//! A request on its way to a handler and back: admitted, bounded, told what only
//! the host knows, and answered.

use super::exchange::Exchange;
use super::incoming::{BodyWatch, bounded};
use super::outgoing::{Bounds, Outgoing, check_head, outgoing};
use super::request::{BASE_PATH, CAPTURE_PREFIX, REQUEST_ID};
use super::service::Step;
use crate::body::Body;
use crate::fault::{self, Fault, FaultKind};
use crate::route::Captures;
use crate::site::Generation;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Request, Response};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

pub(super) struct Errand {
    pub(super) head: Parts,
    pub(super) body: Incoming,
    pub(super) captures: Captures,
    /// The mount of the route.
    pub(super) base: Option<HeaderValue>,
    pub(super) exchange: Box<Exchange>,
}

/// Hands the request to `generation`, and answers with what it makes of it.
pub(super) fn run(errand: Errand, generation: Option<&Arc<Generation>>) -> Step {
    let Errand { mut head, body, captures, base, mut exchange } = errand;
    let refuse = |exchange, fault| Step::Now(Some(failed(exchange, &fault, None)));
    let Some(generation) = generation else {
        return refuse(exchange, Fault::plain(FaultKind::Unavailable));
    };
    exchange.routed(generation.meter(), generation.handler().clone(), generation.number);
    let permit = match generation.admit() {
        Ok(permit) => permit,
        Err(fault) => return refuse(exchange, fault),
    };
    let (body, watch) = match bounded(body, &head.headers, &generation.limits) {
        Ok(bounded) => bounded,
        Err(fault) => return refuse(exchange, fault),
    };
    tell(&mut head, &exchange, base, &captures);
    let bounds = Bounds::of(&generation.limits);
    let answer = {
        let waited = watch.as_ref().map(|watch| watch.waited.clone());
        generation.answer(exchange.id, Request::from_parts(head, body), waited)
    };
    Step::Later(Box::pin(async move {
        let answer = unless_broken(watch.as_deref(), answer).await;
        let answer =
            answer.and_then(|response| check_head(&response, &exchange.method).map(|()| response));
        match answer {
            Ok(response) => outgoing(response, exchange, Some(bounds), watch, Some(permit)),
            Err(fault) => failed(exchange, &fault, watch),
        }
    }))
}

/// The answer; unless the client breaks a limit with its body, which it is told even
/// if the guest made an answer of what it saw of that.
async fn unless_broken(
    watch: Option<&BodyWatch>,
    answer: impl Future<Output = Result<Response<Body>, Fault>>,
) -> Result<Response<Body>, Fault> {
    let mut answer = pin!(answer);
    poll_fn(|cx| match watch.map(|watch| watch.poll_broken(cx)) {
        Some(Poll::Ready(fault)) => Poll::Ready(Err(fault)),
        Some(Poll::Pending) | None => answer.as_mut().poll(cx),
    })
    .await
}

fn failed(
    mut exchange: Box<Exchange>,
    fault: &Fault,
    watch: Option<Arc<BodyWatch>>,
) -> Response<Outgoing> {
    exchange.fail(fault);
    let response = fault::respond(fault.kind, exchange.id);
    outgoing(response, exchange, None, watch, None)
}

/// Tells the guest what only the host knows.
fn tell(head: &mut Parts, exchange: &Exchange, base: Option<HeaderValue>, captures: &Captures) {
    // Before the others: what is last takes the place of a field that is removed, and
    // these are told in the order of the path.
    for (name, value) in captures {
        let name = HeaderName::try_from(format!("{CAPTURE_PREFIX}{name}"));
        // A normalised path is in ASCII, and so are captures' names.
        if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
            head.headers.insert(name, value);
        }
    }
    if let Ok(value) = HeaderValue::from_bytes(&exchange.id.digits()) {
        head.headers.insert(REQUEST_ID, value);
    }
    if let Some(base) = base {
        head.headers.insert(BASE_PATH, base);
    }
}
