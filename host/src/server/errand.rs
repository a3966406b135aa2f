//! A request on its way to a handler and back: admitted, bounded, and answered.

use super::exchange::Exchange;
use super::gather::{gather, small};
use super::incoming::{BodyWatch, bounded};
use super::outgoing::{Bounds, Outgoing, check_head, outgoing};
use super::service::Step;
use crate::body::Body;
use crate::fault::{self, Fault, FaultKind};
use crate::site::{Generation, InFlight};
use crate::told::Told;
use http::request::Parts;
use http::{Request, Response};
use hyper::body::Incoming;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::time::Instant;

pub(super) struct Errand {
    pub(super) head: Parts,
    pub(super) body: Incoming,
    pub(super) told: Told,
    pub(super) exchange: Box<Exchange>,
}

/// Hands the request to `generation`, and answers with what it makes of it.
pub(super) fn run(errand: Errand, generation: Option<&Arc<Generation>>) -> Step {
    let Errand { head, body, told, mut exchange } = errand;
    let refuse = |exchange, fault| Step::Now(Some(failed(exchange, &fault, None)));
    let Some(generation) = generation else {
        return refuse(exchange, Fault::plain(FaultKind::Unavailable));
    };
    exchange.routed(generation.meter(), generation.handler().clone(), generation.number);
    let began = exchange.began;
    let permit = match generation.admit() {
        Ok(permit) => permit,
        Err(fault) => return refuse(exchange, fault),
    };
    let (body, watch) = match bounded(body, &head.headers, &generation.limits) {
        Ok(bounded) => bounded,
        Err(fault) => return refuse(exchange, fault),
    };
    if let Some(length) = generation.whole_bodies().and_then(|limit| small(&body, limit)) {
        let (generation, seen) = (generation.clone(), watch.clone());
        let answer = async move {
            // The watch knows whose fault it is.
            let body = gather(body, length).await.map_err(|error| {
                let seen = seen.and_then(|watch| watch.fault());
                seen.unwrap_or_else(|| Fault::new(FaultKind::Cancelled, error.to_string()))
            })?;
            let request = Request::from_parts(head, body);
            generation.answer(told, request, Instant::now(), None).await
        };
        return later(answer, exchange, watch, permit);
    }
    let waited = watch.as_ref().map(|watch| watch.waited.clone());
    // On its way before anything is awaited: what waits then is small.
    let answer = generation.answer(told, Request::from_parts(head, body), began, waited);
    later(answer, exchange, watch, permit)
}

/// Waits for `answer`, and makes it fit to be sent.
fn later(
    answer: impl Future<Output = Result<Response<Body>, Fault>> + Send + 'static,
    exchange: Box<Exchange>,
    watch: Option<Arc<BodyWatch>>,
    permit: InFlight,
) -> Step {
    Step::Later(Box::pin(async move {
        let bounds = Bounds::of(permit.limits());
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
