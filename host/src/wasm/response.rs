//! From a guest's response to ours: small bodies are taken whole, so that they go
//! out in one write with a length; others are streamed.

mod content;
mod early;
mod length;
mod stream;

pub(super) use content::Content;

use super::call::{Call, Reads};
use crate::body::{Body, declared_length, has_no_body};
use crate::fault::Fault;
use early::{Early, Room};
use futures_util::FutureExt;
use http::Response;
use http_body::Body as _;
use http_body_util::BodyExt;
use length::Length;
use std::sync::Arc;
use stream::GuestBody;

/// Hands the guest's response over to whoever waits for it.
pub(super) fn deliver(call: &Arc<Call>, response: Response<Content>) {
    let (head, mut body) = response.into_parts();
    let reads = if has_no_body(head.status) { Reads::Head } else { call.reads };
    // The length of a body that is not sent tells of another one.
    let declared = declared_length(&head.headers).or_else(|| body.size_hint().exact());
    let declared = declared.filter(|_| reads == Reads::All);
    let (mut early, mut length) = (Early::default(), Length::declared(declared));
    let ended = loop {
        let frame = match body.frame().now_or_never() {
            Some(Some(Ok(frame))) => frame,
            // Nothing was sent yet, so the client can be told in full.
            Some(Some(Err(fault))) => return fail(call, fault),
            Some(None) => break true,
            None => break false,
        };
        if let Err(fault) = length.take(&frame) {
            return fail(call, fault);
        }
        if early.push(frame) == Room::None {
            break false;
        }
    };
    if ended && let Err(fault) = length.end() {
        return fail(call, fault);
    }
    let whole = if ended && call.fault().is_none() { early.whole() } else { None };
    let body = match whole {
        Some(whole) => {
            call.finish();
            whole
        }
        None => Body::stream(GuestBody::new(early, body, call.clone(), reads, length)),
    };
    // If nobody waits for it any more, the body's end is the call's.
    call.respond(Response::from_parts(head, body));
}

fn fail(call: &Call, fault: Fault) {
    call.fail(fault);
    call.finish();
}
