//! Web forms with files (`multipart/form-data`), field by field.

mod fault;
mod field;
mod source;

pub use field::Field;

use crate::extract::{Rejection, RejectionKind};
use crate::{Body, FromRequest, Request};
use multer::{Constraints, SizeLimit};
use source::{Delivered, Paced};
use std::fmt;
use std::future::poll_fn;
use std::task::Poll;

/// A web form with files, read field by field as it comes.
///
/// ```
/// use squall_sdk::{Multipart, Result, handler};
///
/// /// Counts what is sent, and keeps none of it.
/// #[handler]
/// async fn upload(form: Multipart) -> Result<String> {
///     let mut form = form.total_limit(1 << 30).field_limit(100 << 20);
///     let mut answer = String::new();
///     while let Some(mut field) = form.next_field().await? {
///         let mut bytes = 0;
///         while let Some(chunk) = field.chunk().await? {
///             bytes += chunk.len();
///         }
///         answer += &format!("{}: {bytes} bytes\n", field.name().unwrap_or("?"));
///     }
///     Ok(answer)
/// }
/// ```
///
/// However large the form is, some hundred KiB of it are in memory. Whoever wants a
/// field whole has [`Field::text`] and [`Field::bytes`].
pub struct Multipart {
    form: Form,
    total_limit: u64,
    field_limit: Option<u64>,
    field: Option<multer::Field<'static>>,
}

enum Form {
    Unread { body: Body, boundary: String },
    Read { form: multer::Multipart<'static>, delivered: Delivered },
}

/// What stands before a field, which is in memory until it is whole: names of fields
/// and files, and types. As much as servers take of a request's head.
const MOST_HEAD: usize = 64 * 1024;

impl Multipart {
    /// How many bytes the whole form may have, its own lines included. It is
    /// [`Body::DEFAULT_LIMIT`] at first, and the server has a limit for all bodies too.
    ///
    /// It counts until the first field is read.
    #[must_use]
    pub fn total_limit(self, bytes: u64) -> Self {
        Self { total_limit: bytes, ..self }
    }

    /// How many bytes each field may have. At first it is as many as the whole form.
    ///
    /// It counts until the first field is read.
    #[must_use]
    pub fn field_limit(self, bytes: u64) -> Self {
        Self { field_limit: Some(bytes), ..self }
    }

    /// The next field, or `None` after the last. What has not been read of the one
    /// before is skipped.
    ///
    /// # Errors
    /// If it is no such form (400), larger than a limit (413), or could not be read.
    pub async fn next_field(&mut self) -> Result<Option<Field<'_>>, Rejection> {
        if let Some(field) = &mut self.field {
            while field.chunk().await.map_err(fault::of)?.is_some() {}
            self.field = None;
        }
        let (form, delivered) = self.begun();
        let before = delivered.bytes();
        let field = poll_fn(|cx| match form.poll_next_field(cx) {
            Poll::Pending if delivered.bytes() - before > MOST_HEAD => {
                Poll::Ready(Err(fault::large_head()))
            }
            poll => poll.map_err(fault::of),
        });
        self.field = field.await?;
        Ok(self.field.as_mut().map(Field::new))
    }

    fn begun(&mut self) -> (&mut multer::Multipart<'static>, &Delivered) {
        if let Form::Unread { body, boundary } = &mut self.form {
            let delivered = Delivered::default();
            let body = Paced::new(std::mem::take(body), delivered.clone());
            let field_limit = self.field_limit.unwrap_or(self.total_limit);
            let limits = SizeLimit::new().whole_stream(self.total_limit).per_field(field_limit);
            let limits = Constraints::new().size_limit(limits);
            let boundary = std::mem::take(boundary);
            let form = multer::Multipart::with_constraints(body, boundary, limits);
            self.form = Form::Read { form, delivered };
        }
        match &mut self.form {
            Form::Read { form, delivered } => (form, delivered),
            Form::Unread { .. } => unreachable!("it was begun above"),
        }
    }
}

impl FromRequest for Multipart {
    type Rejection = Rejection;

    async fn from_request(request: Request) -> Result<Self, Rejection> {
        let given = request.header("content-type").unwrap_or_default();
        let boundary = multer::parse_boundary(given).map_err(|fault| match fault {
            multer::Error::NoBoundary => {
                let reason = "the header `content-type` names no `boundary`";
                Rejection::new(RejectionKind::Malformed, reason)
            }
            _ => {
                let reason = "the header `content-type` must be `multipart/form-data`";
                Rejection::new(RejectionKind::MediaType, reason)
            }
        })?;
        Ok(Self {
            form: Form::Unread { body: request.into_body(), boundary },
            total_limit: Body::DEFAULT_LIMIT as u64,
            field_limit: None,
            field: None,
        })
    }

    /// `None` if the header `content-type` is missing.
    async fn optional_from_request(request: Request) -> Result<Option<Self>, Rejection> {
        if request.header("content-type").is_none() {
            return Ok(None);
        }
        Self::from_request(request).await.map(Some)
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("total_limit", &self.total_limit)
            .field("field_limit", &self.field_limit)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
