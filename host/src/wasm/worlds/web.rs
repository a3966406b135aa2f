//! `squall:web`: requests and responses as plain records.

use super::super::call::Call;
use super::super::data::Data;
use super::super::engine::Concurrency;
use super::super::pool::Instance;
use super::super::response::Content;
use super::super::slice;
use super::super::web::{
    Error, Outgoing, Request, Response, WebPre, declare, from_body, from_fields, to_request,
};
use super::conclude;
use super::concurrent::{Handle, serve};
use crate::body::Body;
use crate::fault::{Fault, FaultKind};
use crate::told::Told;
use http::StatusCode;
use std::sync::Arc;
use wasmtime::component::TypedFunc;
use wasmtime::{Store, StoreContextMut};

pub(super) async fn run(instance: &Instance, web: &WebPre<Data>) {
    let pool = &instance.pool;
    let (blueprint, concurrent) = (&pool.blueprint, pool.concurrency());
    let mut store =
        blueprint.store(web.engine(), Concurrency::Many, concurrent, &instance.seat, &pool.ticks);
    let end = slice::drive(start(&mut store, web, instance), instance).await;
    conclude(instance, &mut store, Concurrency::Many, end);
}

async fn start(
    store: &mut Store<Data>,
    web: &WebPre<Data>,
    instance: &Instance,
) -> wasmtime::Result<()> {
    let web = web.instantiate_async(&mut *store).await?;
    serve(store, WebHandle(web.squall_web_handler().func_handle()), instance).await
}

#[derive(Clone, Copy)]
struct WebHandle(TypedFunc<Params, Return>);

type Params = (Request,);
type Return = (Result<Response, Error>,);

impl Handle for WebHandle {
    type Params = Params;
    type Return = Return;

    fn func(self) -> TypedFunc<Params, Return> {
        self.0
    }

    fn params(
        store: &mut StoreContextMut<'_, Data>,
        request: http::Request<Body>,
        told: Told,
    ) -> wasmtime::Result<Params> {
        Ok((to_request(store, request, &told)?,))
    }

    fn answered(
        store: &mut StoreContextMut<'_, Data>,
        (returned,): Return,
        call: Arc<Call>,
    ) -> wasmtime::Result<()> {
        let fault = match returned {
            Ok(response) => match respond(store, response)? {
                Ok(response) => {
                    store.data().seat.post(call, response);
                    return Ok(());
                }
                Err(fault) => fault,
            },
            Err(Error::Failed(text)) => {
                Fault::new(FaultKind::ErrorCode, format!("the handler returned an error: {text}"))
            }
            Err(Error::Cancelled) => {
                let text = "the handler stopped, although its client is there";
                Fault::new(FaultKind::ErrorCode, text)
            }
        };
        call.fail(fault);
        call.finish();
        Ok(())
    }
}

/// A guest's response as HTTP's, or what is wrong with it.
fn respond(
    store: &mut StoreContextMut<'_, Data>,
    response: Response,
) -> wasmtime::Result<Result<http::Response<Content>, Fault>> {
    let limit = store.data().limits.fields.to_usize();
    let body = from_body(store, response.body, limit)?;
    let headers = match from_fields(response.headers, limit) {
        Ok(headers) => headers,
        Err(error) => return Ok(Err(Fault::new(FaultKind::Header, error.to_string()))),
    };
    let Ok(status) = StatusCode::from_u16(response.status) else {
        let text = format!("the handler answered with the status {}", response.status);
        return Ok(Err(Fault::new(FaultKind::Header, text)));
    };
    let mut head = http::Response::new(());
    *head.status_mut() = status;
    *head.headers_mut() = headers;
    let content = match body {
        Outgoing::Host(body) => Content::Host(body),
        Outgoing::Pipe(body, length) => {
            if let Err(error) = declare(length, head.headers_mut()) {
                return Ok(Err(Fault::new(FaultKind::Framing, error.to_string())));
            }
            Content::Web(body)
        }
    };
    Ok(Ok(head.map(|()| content)))
}
