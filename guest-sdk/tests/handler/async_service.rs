use squall_sdk::{Body, Response, handler};

#[derive(Clone)]
struct App;

impl tower_service::Service<http::Request<Body>> for App {
    type Response = Response;
    type Error = std::convert::Infallible;
    type Future = std::future::Ready<Result<Response, Self::Error>>;

    fn poll_ready(
        &mut self,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Result<(), Self::Error>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: http::Request<Body>) -> Self::Future {
        std::future::ready(Ok(Response::default()))
    }
}

#[handler]
async fn app() -> App {
    App
}

fn main() {}
