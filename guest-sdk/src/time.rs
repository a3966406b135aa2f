//! Waiting, and measuring how long something takes.

use crate::rt;
use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

/// Waits. While it does, the component takes no time, and may serve others.
///
/// ```
/// use squall_sdk::{handler, time};
/// use std::time::Duration;
///
/// #[handler]
/// async fn slow() -> &'static str {
///     time::sleep(Duration::from_secs(1)).await;
///     "at last"
/// }
/// ```
pub async fn sleep(duration: Duration) {
    rt::sleep(nanoseconds(duration)).await;
}

/// Waits for a future, but not longer than `limit`. Then the future is dropped.
///
/// ```
/// use squall_sdk::{fetch, handler, time, ResponseExt, Result};
/// use std::time::Duration;
///
/// #[handler]
/// async fn impatient() -> Result<String> {
///     let whole = async { Ok(fetch::get("https://slow.example/").send().await?.text().await?) };
///     time::timeout(Duration::from_secs(2), whole).await?
/// }
/// ```
///
/// # Errors
/// If it took longer. With `?` that is status 504.
pub async fn timeout<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    let mut limit = pin!(sleep(limit));
    poll_fn(|cx| match future.as_mut().poll(cx) {
        Poll::Ready(value) => Poll::Ready(Ok(value)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| Err(Elapsed)),
    })
    .await
}

/// A [`timeout`] was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it took longer than the limit")
    }
}

impl std::error::Error for Elapsed {}

/// A moment, to measure time from.
///
/// ```no_run
/// use squall_sdk::time::Instant;
///
/// let start = Instant::now();
/// // ...
/// println!("it took {:?}", start.elapsed());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant(u64);

impl Instant {
    /// This moment.
    pub fn now() -> Self {
        Self(rt::now())
    }

    /// The time since then.
    pub fn elapsed(self) -> Duration {
        Self::now().duration_since(self)
    }

    /// The time from an earlier moment to this one, and zero from a later one.
    pub fn duration_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The longest time that the host knows is 584 years.
fn nanoseconds(duration: Duration) -> u64 {
    duration.as_nanos().try_into().unwrap_or(u64::MAX)
}
