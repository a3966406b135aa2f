//! What is wrong with a form.

use crate::BodyError;
use crate::extract::{Rejection, RejectionKind};
use std::error::Error;

pub(super) fn large_head() -> Rejection {
    Rejection::new(RejectionKind::TooLarge, "the head of a field is too large")
}

pub(super) fn large_field(name: Option<&str>) -> Rejection {
    Rejection::new(RejectionKind::TooLarge, format!("{} is too large", field(name)))
}

pub(super) fn no_text(name: Option<&str>) -> Rejection {
    Rejection::new(RejectionKind::Malformed, format!("{} is not UTF-8", field(name)))
}

pub(super) fn of(error: multer::Error) -> Rejection {
    use multer::Error as E;
    match error {
        E::FieldSizeExceeded { field_name, .. } => large_field(field_name.as_deref()),
        E::StreamSizeExceeded { limit } => {
            Rejection::new(RejectionKind::TooLarge, format!("the form has more than {limit} bytes"))
        }
        E::StreamReadFailed(error) => match error.downcast::<BodyError>() {
            Ok(error) => (*error).into(),
            Err(error) => Rejection::new(RejectionKind::Internal, error.to_string()),
        },
        E::IncompleteFieldData { field_name } => {
            let reason = format!("{} does not end", field(field_name.as_deref()));
            Rejection::new(RejectionKind::Malformed, reason)
        }
        // It says the same of lines that are not where they must be.
        E::IncompleteStream | E::IncompleteHeaders => {
            Rejection::new(RejectionKind::Malformed, "the body is no whole form")
        }
        error => {
            let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
            let reason = format!("the form is not written as it must be: {error}{cause}");
            Rejection::new(RejectionKind::Malformed, reason)
        }
    }
}

fn field(name: Option<&str>) -> String {
    match name {
        Some(name) => format!("the field `{name}`"),
        None => "a field".to_owned(),
    }
}
