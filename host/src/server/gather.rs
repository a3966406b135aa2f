//! Takes in a small body before its handler is called, for a world that wants it whole: a
//! client that is slow then holds up no instance.

use crate::body::{Body, BodyError};
use crate::limits::Size;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::Body as _;
use http_body_util::{BodyExt, Full};
use std::convert::Infallible;
use std::future::ready;

/// The length of a body that is to be gathered: known, and at most `limit`.
pub(super) fn small(body: &Body, limit: Size) -> Option<usize> {
    let length = body.size_hint().exact().filter(|length| *length > 0 && *length <= limit.get());
    length.and_then(|length| usize::try_from(length).ok())
}

/// The whole of a body of that length.
pub(super) async fn gather(mut body: Body, length: usize) -> Result<Body, BodyError> {
    let mut first = Bytes::new();
    let mut all = BytesMut::new();
    while let Some(frame) = body.frame().await {
        match frame?.into_data() {
            // Most come in one piece, which is not copied.
            Ok(data) if data.len() == length => first = data,
            Ok(data) => {
                all.reserve(length - all.len().min(length));
                all.extend_from_slice(&data);
            }
            Err(frame) => {
                let trailers = frame.into_trailers().unwrap_or_default();
                let data = if all.is_empty() { first } else { all.freeze() };
                return Ok(with_trailers(data, trailers));
            }
        }
    }
    Ok(Body::full(if all.is_empty() { first } else { all.freeze() }))
}

fn with_trailers(data: Bytes, trailers: HeaderMap) -> Body {
    let body = Full::new(data).with_trailers(ready(Some(Ok::<_, Infallible>(trailers))));
    Body::stream(body.map_err(|never| match never {}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::stream;
    use http_body::Frame;
    use http_body_util::StreamBody;

    fn body(frames: Vec<Frame<Bytes>>) -> Body {
        Body::stream(StreamBody::new(stream::iter(frames.into_iter().map(Ok))))
    }

    fn data(text: &'static str) -> Frame<Bytes> {
        Frame::data(Bytes::from_static(text.as_bytes()))
    }

    #[tokio::test]
    async fn the_whole_is_what_came_in_parts() {
        for parts in [vec!["abcd"], vec!["ab", "cd"], vec!["", "a", "", "bcd"], vec!["abcd", ""]] {
            let parts: Vec<_> = parts.into_iter().map(data).collect();
            let whole = gather(body(parts), 4).await.unwrap().into_whole().unwrap();
            assert_eq!(whole, "abcd");
        }
    }

    #[tokio::test]
    async fn trailers_stay() {
        let mut trailers = HeaderMap::new();
        trailers.insert("x", http::HeaderValue::from_static("1"));
        let frames = vec![data("ab"), data("cd"), Frame::trailers(trailers.clone())];
        let collected = gather(body(frames), 4).await.unwrap().collect().await.unwrap();
        assert_eq!(collected.trailers(), Some(&trailers));
        assert_eq!(collected.to_bytes(), "abcd");
    }
}
