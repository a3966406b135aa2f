//! Keys by their prefix, page by page.

use super::{Bucket, StateError};
use futures_core::Stream;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::vec;

/// Some keys of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// In ascending order of their bytes.
    pub keys: Vec<String>,
    /// Where to go on; `None` after the last key. It is text, so it can be part of a link
    /// to the next page.
    pub next: Option<String>,
}

/// The keys of a bucket that begin with a prefix: ask [`next_key`](Self::next_key), or
/// take it as a [`Stream`]. After an error it ends.
///
/// What others write meanwhile is among the keys, or not.
pub struct Keys {
    bucket: Bucket,
    prefix: String,
    page: vec::IntoIter<String>,
    next: Next,
}

enum Next {
    /// The page from this cursor on.
    Ask(Option<String>),
    Asking(Pin<Box<dyn Future<Output = Result<Page, StateError>> + Send>>),
    End,
}

impl Keys {
    pub(super) fn new(bucket: Bucket, prefix: String) -> Self {
        Self { bucket, prefix, page: vec::IntoIter::default(), next: Next::Ask(None) }
    }

    /// The next key, or `None` after the last.
    ///
    /// # Errors
    /// If the store does not tell.
    pub async fn next_key(&mut self) -> Result<Option<String>, StateError> {
        poll_fn(|cx| Pin::new(&mut *self).poll_next(cx)).await.transpose()
    }
}

impl Stream for Keys {
    type Item = Result<String, StateError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(key) = self.page.next() {
                return Poll::Ready(Some(Ok(key)));
            }
            match &mut self.next {
                Next::End => return Poll::Ready(None),
                Next::Ask(cursor) => {
                    let (cursor, bucket) = (cursor.take(), self.bucket.clone());
                    let prefix = self.prefix.clone();
                    self.next = Next::Asking(Box::pin(async move {
                        bucket.list_keys(&prefix, cursor.as_deref()).await
                    }));
                }
                Next::Asking(page) => match ready!(page.as_mut().poll(cx)) {
                    Ok(Page { keys, next }) => {
                        self.page = keys.into_iter();
                        self.next = next.map_or(Next::End, |cursor| Next::Ask(Some(cursor)));
                    }
                    Err(error) => {
                        self.next = Next::End;
                        return Poll::Ready(Some(Err(error)));
                    }
                },
            }
        }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix, .. } = self;
        f.debug_struct("Keys").field("bucket", bucket).field("prefix", prefix).finish()
    }
}
