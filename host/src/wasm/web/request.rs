//! A request as a native handler takes it.

use super::fields::{Writer, text_of};
use super::incoming::to_body;
use super::{Fields, Request};
use crate::body::Body;
use crate::told::{FORWARDED_FOR, Told};
use crate::wasm::data::Data;
use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use wasmtime::StoreContextMut;

pub(in crate::wasm) fn to_request(
    store: &mut StoreContextMut<'_, Data>,
    request: http::Request<Body>,
    told: &Told,
) -> wasmtime::Result<Request> {
    let (head, body) = request.into_parts();
    Ok(Request { head: to_head(&head, told), body: to_body(store, body)? })
}

/// Pseudo-fields and fields, in the order that the WIT says.
fn to_head(head: &Parts, told: &Told) -> Fields {
    let uri = &head.uri;
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let fields = head.headers.len() + PSEUDO + told.captures.len();
    let captures = told.captures.iter().map(|(n, v)| CAPTURE.len() + n.len() + v.len());
    let bytes = text_of(&head.headers) + path.len() + authority.len() + captures.sum::<usize>();
    let mut to = Writer::with_capacity(fields, bytes + PSEUDO_TEXT);
    to.push(b":method", head.method.as_str().as_bytes());
    to.push(b":scheme", uri.scheme_str().unwrap_or("http").as_bytes());
    to.push(b":authority", authority.as_bytes());
    to.push(b":path", path.as_bytes());
    to.push(b":id", &told.id.digits());
    if let Some(asked) = &told.asked {
        to.push(b":client", asked.client.value.as_bytes());
    }
    if let Some(mount) = &told.mount {
        to.push(b":mount", mount.as_bytes());
    }
    for (name, value) in &told.captures {
        // Captures are parts of a normal path, which is percent-encoded.
        let value = percent_encoding::percent_decode_str(value).decode_utf8_lossy();
        to.push([CAPTURE, name].concat().as_bytes(), value.as_bytes());
    }
    for (name, value) in &head.headers {
        if *name != HOST {
            to.push(name.as_str().as_bytes(), value.as_bytes());
        }
    }
    if let Some(asked) = &told.asked {
        to.push(FORWARDED_FOR.as_str().as_bytes(), asked.peer.as_bytes());
    }
    to.finish()
}

const CAPTURE: &str = ":capture-";

/// As many fields as the host adds, without captures.
const PSEUDO: usize = 8;

/// What these take at most, without authority, path and mount: names, a method, a scheme,
/// an id, two addresses.
const PSEUDO_TEXT: usize = 192;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::RequestId;
    use crate::told::{Asked, Client};
    use http::HeaderValue;

    fn lines(fields: &Fields) -> Vec<String> {
        let mut text = fields.text.as_slice();
        let mut part = |length: &u32| {
            let (part, rest) = text.split_at(*length as usize);
            text = rest;
            String::from_utf8_lossy(part).into_owned()
        };
        let line = |pair: &[u32]| format!("{}={}", part(&pair[0]), part(&pair[1]));
        fields.lengths.chunks(2).map(line).collect()
    }

    #[test]
    fn what_the_host_knows_stands_before_what_the_client_says() {
        let request = http::Request::post("http://example.com:81/a/b%20c?d=e");
        let request = request.header("host", "example.com:81").header("x", "1").header("x", "2");
        let (head, ()) = request.body(()).unwrap().into_parts();
        let id = RequestId::next();
        let told = Told {
            id,
            asked: Some(Asked {
                client: Client::new([192, 0, 2, 1].into()),
                peer: HeaderValue::from_static("10.0.0.1"),
            }),
            mount: Some(HeaderValue::from_static("/a")),
            captures: vec![("rest".into(), "b%20c".into())],
        };
        assert_eq!(
            lines(&to_head(&head, &told)),
            [
                ":method=POST",
                ":scheme=http",
                ":authority=example.com:81",
                ":path=/a/b%20c?d=e",
                &format!(":id={id}"),
                ":client=192.0.2.1",
                ":mount=/a",
                ":capture-rest=b c",
                "x=1",
                "x=2",
                "x-forwarded-for=10.0.0.1",
            ]
        );
        let (head, ()) = http::Request::new(()).into_parts();
        assert_eq!(lines(&to_head(&head, &Told::by_host(id))).len(), 5);
    }
}
