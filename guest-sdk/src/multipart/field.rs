//! One field of a form.

use super::fault;
use crate::{Body, Rejection};
use bytes::Bytes;
use http::HeaderMap;
use std::fmt;

/// A field of a [`Multipart`](super::Multipart) form.
pub struct Field<'a>(&'a mut multer::Field<'static>);

impl<'a> Field<'a> {
    pub(super) fn new(field: &'a mut multer::Field<'static>) -> Self {
        Self(field)
    }

    /// Its name in the form.
    pub fn name(&self) -> Option<&str> {
        self.0.name()
    }

    /// The name that the file had at the client. It is whatever the client says: not a
    /// path to write to.
    pub fn file_name(&self) -> Option<&str> {
        self.0.file_name()
    }

    /// What the client takes it for, such as `image/png`.
    pub fn content_type(&self) -> Option<&str> {
        self.0.content_type().map(AsRef::as_ref)
    }

    /// All headers of the field.
    pub fn headers(&self) -> &HeaderMap {
        self.0.headers()
    }

    /// The next chunk, or `None` at the end.
    ///
    /// # Errors
    /// If the field is larger than a limit (413), does not end (400), or could not be
    /// read.
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, Rejection> {
        loop {
            match self.0.chunk().await.map_err(fault::of)? {
                Some(chunk) if chunk.is_empty() => {}
                chunk => return Ok(chunk),
            }
        }
    }

    /// What is left of the field, if that is at most `limit` bytes.
    ///
    /// # Errors
    /// If it is more, or as for [`chunk`](Field::chunk).
    pub async fn bytes(mut self, limit: usize) -> Result<Bytes, Rejection> {
        let mut all = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if chunk.len() > limit - all.len() {
                return Err(fault::large_field(self.name()));
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.into())
    }

    /// What is left of the field as text, if that is at most
    /// [`Body::DEFAULT_LIMIT`] bytes.
    ///
    /// # Errors
    /// If it is more, or no UTF-8, or as for [`chunk`](Field::chunk).
    pub async fn text(self) -> Result<String, Rejection> {
        let name = self.name().map(str::to_owned);
        let bytes = self.bytes(Body::DEFAULT_LIMIT).await?;
        String::from_utf8(bytes.into()).map_err(|_| fault::no_text(name.as_deref()))
    }
}

impl fmt::Debug for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Field")
            .field("name", &self.name())
            .field("file_name", &self.file_name())
            .field("content_type", &self.content_type())
            .finish_non_exhaustive()
    }
}
