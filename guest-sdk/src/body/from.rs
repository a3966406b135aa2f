//! What a body can be made of at once.

use super::{Body, Content};
use crate::rt::IncomingBody;
use bytes::Bytes;

impl From<Content> for Body {
    fn from(content: Content) -> Self {
        Self { content, trailers: None, seen: None }
    }
}

impl From<IncomingBody> for Body {
    fn from(body: IncomingBody) -> Self {
        Content::Host(body).into()
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Content::Bytes(bytes).into()
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Bytes::from(text).into()
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Bytes::from_static(text.as_bytes()).into()
    }
}

impl From<&'static [u8]> for Body {
    fn from(bytes: &'static [u8]) -> Self {
        Bytes::from_static(bytes).into()
    }
}

impl From<()> for Body {
    fn from((): ()) -> Self {
        Self::empty()
    }
}
