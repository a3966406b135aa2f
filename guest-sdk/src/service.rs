//! A handler that is a tower service, such as an `axum::Router`.

use crate::{Body, BoxError, ClientAddress, Error, IntoResponse, Request, Response};
use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tower_service::Service;

/// A service that a handler is made of.
///
/// It is never implemented by hand: every [`tower_service::Service`] is one that takes
/// an [`http::Request<Body>`](http::Request), answers with a response of any body, and
/// can be cloned.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    label = "not a tower service for `http::Request<squall_sdk::Body>`",
    note = "a handler is an `async fn` that answers, or a `fn` without arguments that makes a tower service"
)]
pub trait HandlerService: Clone + 'static {
    /// Waits until the service is ready, and lets it answer.
    #[doc(hidden)]
    fn answer(self, request: http::Request<Body>) -> impl Future<Output = Response>;
}

#[diagnostic::do_not_recommend]
impl<S, B> HandlerService for S
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + 'static,
    S::Error: Into<BoxError>,
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    async fn answer(mut self, request: http::Request<Body>) -> Response {
        let answer = async {
            poll_fn(|cx| self.poll_ready(cx)).await.map_err(Into::into)?;
            self.call(request).await.map_err(Into::into)
        };
        match answer.await {
            Ok(response) => {
                let (head, body) = response.into_parts();
                Response::from_parts(head, whole_or_streamed(body).await)
            }
            Err(error) => Error::from(error).into_response(),
        }
    }
}

type Answer = Pin<Box<dyn Future<Output = Response>>>;

/// The service of an instance, whatever its type.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "only the macro sees it")]
pub struct App(Box<dyn Fn(http::Request<Body>) -> Answer>);

impl App {
    #[doc(hidden)]
    pub fn new(service: impl HandlerService) -> Self {
        Self(Box::new(move |request| Box::pin(service.clone().answer(request))))
    }

    #[doc(hidden)]
    pub fn call(&self, request: Request) -> Answer {
        // All headers are read for `into_http` anyway, and then this one is among them.
        request.headers();
        let client = request.client_address();
        let mut request = request.into_http();
        if let Some(address) = client {
            request.extensions_mut().insert(ClientAddress(address));
        }
        (self.0)(request)
    }
}

/// A body that is complete already goes out in one piece, with its length. Bodies of
/// other crates tell no other way than to be asked.
async fn whole_or_streamed<B>(body: B) -> Body
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>> + Send + 'static,
{
    if body.is_end_stream() {
        return Body::empty();
    }
    let Some(length) = body.size_hint().exact() else { return Body::new(body) };
    let mut body = Box::pin(body);
    match poll_fn(|cx| Poll::Ready(body.as_mut().poll_frame(cx))).await {
        Poll::Pending => Body::new(body),
        Poll::Ready(None) => Body::empty(),
        Poll::Ready(Some(Ok(frame))) => {
            let frame = frame.map_data(Into::into);
            match frame.into_data() {
                Ok(bytes) if bytes.len() as u64 == length && body.is_end_stream() => bytes.into(),
                Ok(bytes) => Body::new(Begun { first: Some(Ok(Frame::data(bytes))), rest: body }),
                Err(frame) => Body::new(Begun { first: Some(Ok(frame)), rest: body }),
            }
        }
        Poll::Ready(Some(Err(error))) => {
            Body::new(Begun { first: Some(Err(error.into())), rest: body })
        }
    }
}

/// A body whose first frame has been taken out.
struct Begun<B> {
    first: Option<Result<Frame<Bytes>, BoxError>>,
    rest: Pin<Box<B>>,
}

impl<B> HttpBody for Begun<B>
where
    B: HttpBody<Data: Into<Bytes>, Error: Into<BoxError>>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(first));
        }
        let frame = self.rest.as_mut().poll_frame(cx);
        frame.map(|frame| frame.map(|f| f.map(|f| f.map_data(Into::into)).map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.first.is_none() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BodyErrorKind;
    use futures_executor::block_on;
    use std::collections::VecDeque;
    use std::convert::Infallible;
    use std::future::{Ready, ready};

    /// Frames that come at once, and what they say of themselves.
    struct Frames {
        frames: VecDeque<Result<Frame<Bytes>, BoxError>>,
        length: Option<u64>,
    }

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = BoxError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
            Poll::Ready(self.frames.pop_front())
        }

        fn is_end_stream(&self) -> bool {
            self.frames.is_empty()
        }

        fn size_hint(&self) -> SizeHint {
            self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
        }
    }

    fn data(text: &'static str) -> Result<Frame<Bytes>, BoxError> {
        Ok(Frame::data(text.into()))
    }

    fn sent<const N: usize>(
        frames: [Result<Frame<Bytes>, BoxError>; N],
        length: impl Into<Option<u64>>,
    ) -> Body {
        block_on(whole_or_streamed(Frames { frames: frames.into(), length: length.into() }))
    }

    #[test]
    fn a_complete_body_has_a_length_and_others_lose_nothing() {
        for (body, length) in [
            (sent([data("ab")], 2), Some(2)),
            (sent([data("a"), data("b")], 2), None),
            (sent([data("ab")], None), None),
        ] {
            assert_eq!(body.size_hint().exact(), length);
            assert_eq!(block_on(body.text()).unwrap(), "ab");
        }
        assert_eq!(sent([], 0).size_hint().exact(), Some(0));
    }

    #[test]
    fn trailers_and_errors_come_through() {
        let mut trailers = http::HeaderMap::new();
        trailers.insert("x-sum", "7".parse().unwrap());
        let mut body = sent([data("ab"), Ok(Frame::trailers(trailers))], 2);
        assert_eq!(block_on(body.chunk()).unwrap().unwrap(), "ab");
        assert_eq!(block_on(body.trailers()).unwrap().unwrap()["x-sum"], "7");
        let error = block_on(sent([Err("broken".into())], 2).text()).unwrap_err();
        assert_eq!(error.kind(), BodyErrorKind::Source);
    }

    /// Ready only when it has been asked twice, and only to the clone that was asked.
    #[derive(Clone)]
    struct Counting {
        asked: u32,
    }

    impl Service<http::Request<Body>> for Counting {
        type Response = http::Response<Body>;
        type Error = Infallible;
        type Future = Ready<Result<Self::Response, Infallible>>;

        fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            self.asked += 1;
            if self.asked < 2 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, request: http::Request<Body>) -> Self::Future {
            assert_eq!(self.asked, 2, "it was not ready");
            let client = request.extensions().get::<ClientAddress>();
            let text = format!("{} {client:?}", request.uri());
            ready(Ok(http::Response::new(text.into())))
        }
    }

    #[test]
    fn a_service_is_asked_whether_it_is_ready_and_told_who_asks() {
        let app = App::new(Counting { asked: 0 });
        for _ in 0..2 {
            let request = Request::from(http::Request::get("/a?b").body("").unwrap());
            let request = request.with_client_address([192, 0, 2, 1].into());
            let text = block_on(block_on(app.call(request)).into_body().text()).unwrap();
            assert_eq!(text, "/a?b Some(ClientAddress(192.0.2.1))");
        }
    }

    #[derive(Clone)]
    struct Failing;

    impl Service<http::Request<Body>> for Failing {
        type Response = http::Response<Body>;
        type Error = &'static str;
        type Future = Ready<Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Err("secret"))
        }

        fn call(&mut self, _: http::Request<Body>) -> Self::Future {
            unreachable!("it was not ready")
        }
    }

    #[test]
    fn an_error_of_a_service_is_for_the_log() {
        let request = Request::from(http::Request::new(""));
        let response = block_on(App::new(Failing).call(request));
        assert_eq!(response.status(), 500);
        assert!(!block_on(response.into_body().text()).unwrap().contains("secret"));
    }
}
