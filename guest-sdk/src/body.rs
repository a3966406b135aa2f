//! What a request or a response carries.

mod channel;
mod error;
mod frames;
mod from;
mod source;

pub use channel::{BodyClosed, BodySender};
pub use error::{BodyError, BodyErrorKind};

use crate::BoxError;
use crate::rt::IncomingBody;
use bytes::Bytes;
use frames::Chunks;
use futures_core::Stream;
use http::HeaderMap;
use serde::de::DeserializeOwned;
use std::future::poll_fn;
use std::pin::Pin;

/// The body of a request or a response: nothing, bytes, or a stream of chunks.
///
/// A fixed body is made [`From`] what it consists of, and gets a
/// `content-length`. A streamed one is made by [`channel`](Body::channel) or
/// [`stream`](Body::stream).
///
/// ```
/// use squall_sdk::{Body, handler, Request, Response};
///
/// /// Counts what a client sends, however much it is.
/// #[handler]
/// async fn count(request: Request) -> squall_sdk::Result<String> {
///     let mut body = request.into_body();
///     let mut total = 0;
///     while let Some(chunk) = body.chunk().await? {
///         total += chunk.len();
///     }
///     Ok(format!("{total} bytes"))
/// }
/// ```
///
/// A body that nobody has read is passed on as it is: in
/// `Response::new(request.into_body())` no byte enters the component.
///
/// It is an [`http_body::Body`], and [`into_stream`](Body::into_stream) makes a
/// [`Stream`] of it, so that it works with the crates that know these.
#[derive(Default)]
pub struct Body {
    content: Content,
    /// What is to come after the content.
    trailers: Option<Box<HeaderMap>>,
    /// What came after it, for those who read by chunks.
    seen: Option<Box<HeaderMap>>,
}

#[derive(Default)]
pub(crate) enum Content {
    #[default]
    Empty,
    Bytes(Bytes),
    Host(IncomingBody),
    Stream(Frames),
}

pub(crate) type Frames = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BodyError> + Send>>;

impl Body {
    /// How much [`text`](Body::text), [`json`](Body::json) and
    /// [`form`](Body::form) take in: 2 MiB.
    ///
    /// A body that is read whole sits in the memory of the component, which is
    /// small and shared by the requests that one instance serves at the same time.
    /// Use [`bytes`](Body::bytes) for another limit, or [`chunk`](Body::chunk) for
    /// none.
    pub const DEFAULT_LIMIT: usize = 2 * 1024 * 1024;

    /// No bytes.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A body of the chunks of a stream. It is polled only as fast as the client
    /// takes them. If the stream yields an error then the body is broken off.
    ///
    /// ```
    /// use futures_util::stream;
    /// use squall_sdk::Body;
    ///
    /// let lines = stream::iter((1..=3).map(|n| Ok::<_, std::io::Error>(format!("{n}\n"))));
    /// let body = Body::stream(lines);
    /// ```
    pub fn stream<S, T, E>(stream: S) -> Self
    where
        S: Stream<Item = Result<T, E>> + Send + 'static,
        T: Into<Bytes>,
        E: Into<BoxError>,
    {
        Self::from_frames(source::FromStream::new(stream))
    }

    /// A body that is written bit by bit, from the other end of a channel.
    ///
    /// ```
    /// use squall_sdk::{handler, spawn, time, Body, Response};
    /// use std::time::Duration;
    ///
    /// #[handler]
    /// async fn countdown() -> Response {
    ///     let (mut sender, body) = Body::channel();
    ///     spawn(async move {
    ///         for n in (1..=3).rev() {
    ///             sender.send(format!("{n}\n")).await?; // waits for a slow client
    ///             time::sleep(Duration::from_secs(1)).await;
    ///         }
    ///         sender.finish();
    ///         Ok::<_, squall_sdk::BodyClosed>(())
    ///     });
    ///     Response::new(body)
    /// }
    /// ```
    pub fn channel() -> (BodySender, Self) {
        let (sender, receiver) = channel::channel();
        (sender, Self::from_frames(receiver))
    }

    /// A body of any other kind.
    pub fn new<B>(body: B) -> Self
    where
        B: http_body::Body<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
    {
        Self::from_frames(source::FromBody::new(body))
    }

    /// The same body, with trailers after it, in place of those that it may have.
    /// The header `trailer` of a response tells their names.
    ///
    /// ```
    /// use squall_sdk::{Body, HeaderMap};
    ///
    /// let mut trailers = HeaderMap::new();
    /// trailers.insert("x-checksum", "1f0c".parse().unwrap());
    /// let body = Body::from("some bytes").with_trailers(trailers);
    /// ```
    #[must_use]
    pub fn with_trailers(self, trailers: HeaderMap) -> Self {
        Self { trailers: Some(Box::new(trailers)), ..self }
    }

    fn from_frames(
        frames: impl http_body::Body<Data = Bytes, Error = BodyError> + Send + 'static,
    ) -> Self {
        Content::Stream(Box::pin(frames)).into()
    }

    /// The next chunk, or `None` at the end. A chunk is as large as it came.
    ///
    /// Dropping this future loses nothing: the next call goes on where it was.
    ///
    /// # Errors
    /// If the client went away, or the upstream, before the end of the body.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, BodyError> {
        poll_fn(|cx| self.poll_chunk(cx)).await.transpose()
    }

    /// Reads what is left, and returns the trailers if there are any.
    ///
    /// # Errors
    /// As for [`chunk`](Body::chunk).
    pub async fn trailers(&mut self) -> Result<Option<HeaderMap>, BodyError> {
        while self.chunk().await?.is_some() {}
        Ok(self.seen.take().map(|trailers| *trailers))
    }

    /// The whole body, if it has at most `limit` bytes.
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use squall_sdk::Body;
    ///
    /// assert_eq!(Body::from("four").bytes(4).await.unwrap(), "four");
    /// assert!(Body::from("four").bytes(3).await.is_err());
    /// # });
    /// ```
    ///
    /// # Errors
    /// If it has more, or as for [`chunk`](Body::chunk).
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, BodyError> {
        let Some(first) = self.chunk_within(limit).await? else {
            return Ok(Bytes::new());
        };
        // Most bodies come in one piece, and are not copied.
        let Some(second) = self.chunk_within(limit - first.len()).await? else {
            return Ok(first);
        };
        let mut all = Vec::with_capacity(2 * (first.len() + second.len()));
        all.extend_from_slice(&first);
        all.extend_from_slice(&second);
        drop((first, second));
        while let Some(chunk) = self.chunk_within(limit - all.len()).await? {
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    async fn chunk_within(&mut self, left: usize) -> Result<Option<Bytes>, BodyError> {
        match self.chunk().await? {
            Some(chunk) if chunk.len() > left => Err(self.blame(BodyError::too_large())),
            chunk => Ok(chunk),
        }
    }

    /// The whole body as text, if it has at most
    /// [`DEFAULT_LIMIT`](Body::DEFAULT_LIMIT) bytes.
    ///
    /// # Errors
    /// If it has more, or is not UTF-8, or as for [`chunk`](Body::chunk).
    pub async fn text(self) -> Result<String, BodyError> {
        let blame = self.blamer();
        let bytes = self.bytes(Self::DEFAULT_LIMIT).await?;
        String::from_utf8(bytes.into()).map_err(|error| blame(BodyError::malformed("UTF-8", error)))
    }

    /// The whole body as a value of JSON, if it has at most
    /// [`DEFAULT_LIMIT`](Body::DEFAULT_LIMIT) bytes.
    ///
    /// ```
    /// # futures_executor::block_on(async {
    /// use squall_sdk::Body;
    ///
    /// let numbers: Vec<u32> = Body::from("[1, 2]").json().await.unwrap();
    /// assert_eq!(numbers, [1, 2]);
    /// # });
    /// ```
    ///
    /// # Errors
    /// If it has more, or is not such a value, or as for [`chunk`](Body::chunk).
    pub async fn json<T: DeserializeOwned>(self) -> Result<T, BodyError> {
        let blame = self.blamer();
        let bytes = self.bytes(Self::DEFAULT_LIMIT).await?;
        serde_json::from_slice(&bytes).map_err(|error| blame(BodyError::malformed("JSON", error)))
    }

    /// The whole body as a web form (`application/x-www-form-urlencoded`), if it
    /// has at most [`DEFAULT_LIMIT`](Body::DEFAULT_LIMIT) bytes.
    ///
    /// # Errors
    /// If it has more, or is not such a form, or as for [`chunk`](Body::chunk).
    pub async fn form<T: DeserializeOwned>(self) -> Result<T, BodyError> {
        let blame = self.blamer();
        let bytes = self.bytes(Self::DEFAULT_LIMIT).await?;
        serde_html_form::from_bytes(&bytes)
            .map_err(|error| blame(BodyError::malformed("form", error)))
    }

    /// The chunks as a [`Stream`].
    ///
    /// ```
    /// use futures_util::StreamExt;
    /// use squall_sdk::{handler, Body, Request, Response};
    ///
    /// #[handler]
    /// async fn shout(request: Request) -> Response {
    ///     let chunks = request.into_body().into_stream();
    ///     let louder = chunks.map(|chunk| chunk.map(|bytes| bytes.to_ascii_uppercase()));
    ///     Response::new(Body::stream(louder))
    /// }
    /// ```
    pub fn into_stream(
        self,
    ) -> impl Stream<Item = Result<Bytes, BodyError>> + Send + Unpin + 'static {
        Chunks(self)
    }

    /// The content, and what is to come after it if that is known.
    pub(crate) fn into_parts(self) -> (Content, Option<HeaderMap>) {
        // Whoever reads on after the chunks is still owed the trailers.
        let trailers = self.trailers.or(self.seen);
        (self.content, trailers.map(|trailers| *trailers))
    }

    fn blame(&self, error: BodyError) -> BodyError {
        self.blamer()(error)
    }

    /// Marks an error as the upstream's, if this body came from one.
    fn blamer(&self) -> impl Fn(BodyError) -> BodyError + use<> {
        let upstream = matches!(&self.content, Content::Host(body) if body.is_upstream());
        move |error| if upstream { error.of_upstream() } else { error }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use futures_util::stream;

    fn chunks(chunks: &'static [&'static str]) -> Body {
        Body::stream(stream::iter(chunks.iter().copied().map(Ok::<_, BoxError>)))
    }

    fn trailers(name: &'static str) -> HeaderMap {
        let mut trailers = HeaderMap::new();
        trailers.insert(name, "1".parse().unwrap());
        trailers
    }

    #[test]
    fn other_crates_may_want_it_to_be_send() {
        fn is_send<T: Send>() {}
        is_send::<Body>();
        is_send::<crate::Request>();
    }

    #[test]
    fn the_limit_is_for_all_chunks_together() {
        for (limit, whole) in [(6, true), (5, false), (3, false), (0, false)] {
            let bytes = block_on(chunks(&["ab", "cd", "ef"]).bytes(limit));
            assert_eq!(bytes.is_ok(), whole, "{limit}");
        }
        assert_eq!(block_on(chunks(&["ab", "cd", "ef"]).bytes(6)).unwrap(), "abcdef");
        assert_eq!(block_on(Body::empty().bytes(0)).unwrap(), "");
    }

    #[test]
    fn empty_chunks_are_not_the_end() {
        let mut body = chunks(&["", "a", ""]);
        assert_eq!(block_on(body.chunk()).unwrap().unwrap(), "a");
        assert!(block_on(body.chunk()).unwrap().is_none());
    }

    #[test]
    fn trailers_are_read_after_the_chunks() {
        let mut body = chunks(&["a", "b"]).with_trailers(trailers("x-a"));
        assert!(block_on(body.trailers()).unwrap().unwrap().contains_key("x-a"));
        assert!(block_on(body.trailers()).unwrap().is_none());
    }

    #[test]
    fn new_trailers_replace_those_that_come() {
        let (sender, body) = Body::channel();
        sender.finish_with(trailers("x-old"));
        let mut body = body.with_trailers(trailers("x-new"));
        let seen = block_on(body.trailers()).unwrap().unwrap();
        assert_eq!(seen.keys().collect::<Vec<_>>(), ["x-new"]);
    }

    #[test]
    fn an_error_passes_through_as_it_was() {
        let body = Body::stream(stream::iter([Err::<Bytes, _>(BodyError::too_large())]));
        let error = block_on(body.text()).unwrap_err();
        assert_eq!(error.kind(), BodyErrorKind::TooLarge);
    }
}
