//! The native world, `squall:web`: its types, and how HTTP's become them and back.

mod fields;
mod incoming;
mod outgoing;
mod request;

pub(super) use fields::{BadFields, append, for_each, from_fields, to_fields};
pub(super) use generated::CorePre as WebPre;
pub(super) use generated::exports::squall::web::handler::{Error, Request};
pub(super) use generated::squall::web::types::{Body, BodyError, BodyStream, Fields, Response};
pub(super) use generated::squall::web::{client, key_value, log, outbound, signing};
pub(super) use incoming::to_body;
pub(super) use outgoing::{Outgoing, declare, from_body, why};
pub(super) use request::to_request;

mod generated {
    wasmtime::component::bindgen!({
        path: "../guest-sdk/wit",
        world: "squall:web/core",
        imports: {
            "squall:web/client": async | store | trappable,
            "squall:web/outbound": async | store | trappable,
            "squall:web/key-value": async | store | trappable,
            "squall:web/log": store | trappable,
            default: trappable,
        },
        exports: { default: async | store },
    });
}
