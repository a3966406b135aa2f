//! Work beside the handler.

use crate::rt;
use futures_channel::oneshot;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// Starts a future that runs beside the handler, and on after it has answered.
///
/// It belongs to the request. Once the answer is complete it may go on for as long
/// as the server's limit `post_return` says, and is ended then. If the client goes
/// away before its answer is complete, it ends with everything else that the request
/// has begun.
///
/// ```
/// use squall_sdk::{fetch, handler, spawn, Request, StatusCode};
///
/// /// Answers at once, and tells the archive afterwards.
/// #[handler]
/// async fn submit(request: Request) -> StatusCode {
///     let story = request.into_body();
///     spawn(async {
///         if let Err(error) = fetch::post("https://archive.example/").body(story).send().await {
///             eprintln!("the archive did not take it: {error}");
///         }
///     });
///     StatusCode::ACCEPTED
/// }
/// ```
pub fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    let (sender, result) = oneshot::channel();
    let id = rt::spawn(async move {
        // Nobody may wait for it, which is fine
        _ = sender.send(future.await);
    });
    Task { id, result }
}

/// A spawned future. It yields what the future yields, or [`Cancelled`]. Dropping
/// it leaves the future running.
#[derive(Debug)]
pub struct Task<T> {
    id: rt::TaskId,
    result: oneshot::Receiver<T>,
}

/// The future was given up by [`Task::cancel`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cancelled;

impl fmt::Display for Cancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task was cancelled")
    }
}

impl std::error::Error for Cancelled {}

impl<T> Task<T> {
    /// Gives the future up: it is dropped.
    ///
    /// ```
    /// use squall_sdk::{handler, spawn, time};
    /// use std::time::Duration;
    ///
    /// #[handler]
    /// async fn patient() -> &'static str {
    ///     let warning = spawn(async {
    ///         time::sleep(Duration::from_secs(5)).await;
    ///         eprintln!("it takes very long");
    ///     });
    ///     // ...
    ///     warning.cancel();
    ///     "done"
    /// }
    /// ```
    pub fn cancel(&self) {
        rt::cancel(self.id);
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, Cancelled>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.result).poll(cx).map_err(|oneshot::Canceled| Cancelled)
    }
}
