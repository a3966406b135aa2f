//! Stops a handler whose client has left.

use super::super::executor;
use super::bindings::exports::squall::web::handler::Error;
use super::bindings::squall::web::client;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

/// What `handler` comes to. If the client leaves before, it is dropped, with all that it
/// has spawned; and what it waits for in the host is then cancelled.
///
/// Asking whether the client has left costs a call to the host, so that is done only
/// once the handler waits for something.
pub(super) async fn unless_gone<T>(
    mut handler: Pin<&mut impl Future<Output = T>>,
) -> Result<T, Error> {
    let mut gone: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
    let ended = poll_fn(|cx| {
        if let Poll::Ready(answer) = handler.as_mut().poll(cx) {
            return Poll::Ready(Some(answer));
        }
        let gone = gone.get_or_insert_with(|| Box::pin(client::gone()));
        gone.as_mut().poll(cx).map(|()| None)
    })
    .await;
    ended.ok_or_else(|| {
        executor::cancel_request();
        Error::Cancelled
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_executor::block_on;
    use std::pin::pin;

    /// Outside of a component the host's functions end the process.
    #[test]
    fn a_handler_that_never_waits_asks_nothing_of_the_host() {
        assert_eq!(block_on(unless_gone(pin!(async { 7 }))).ok(), Some(7));
    }
}
