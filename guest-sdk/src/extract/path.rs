//! The parts of the path that the route names.

mod captures;
mod value;

use super::{FromRequestParts, Rejection, RejectionKind};
use crate::Request;
use captures::Captures;
use serde::de::DeserializeOwned;
use value::Fault;

/// The parts of the path that the route names, as a value. They are percent-decoded.
///
/// A route that names one part gives a text or a number, one that names several a
/// tuple in their order, a struct with fields of their names, or a map.
///
/// ```
/// use serde::Deserialize;
/// use squall_sdk::{FromRequestParts, Path, Request, handler};
///
/// #[derive(Deserialize)]
/// struct Place {
///     story: u64,
///     comment: u64,
/// }
///
/// /// Answers at `/stories/{story}/comments/{comment}`.
/// #[handler]
/// async fn comment(Path(place): Path<Place>) -> String {
///     format!("comment {} on story {}\n", place.comment, place.story)
/// }
///
/// # futures_executor::block_on(async {
/// let request = Request::from(http::Request::new("")).with_capture("id", "7");
/// let Path(id) = Path::<u64>::from_request_parts(&request).await.unwrap();
/// assert_eq!(id, 7);
/// # });
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Path<T>(pub T);

/// A part that is not such a value is [`RejectionKind::Malformed`]. A route that does
/// not name what the handler wants is [`RejectionKind::Internal`].
impl<T: DeserializeOwned> FromRequestParts for Path<T> {
    type Rejection = Rejection;

    async fn from_request_parts(request: &Request) -> Result<Self, Rejection> {
        value(request.captures())
    }

    /// `None` if the route names no part.
    async fn optional_from_request_parts(request: &Request) -> Result<Option<Self>, Rejection> {
        match request.captures() {
            captures if captures.is_empty() => Ok(None),
            captures => value(captures).map(Some),
        }
    }
}

fn value<T: DeserializeOwned>(captures: Vec<(String, String)>) -> Result<Path<T>, Rejection> {
    T::deserialize(Captures::new(captures)).map(Path).map_err(|fault| match fault {
        Fault::Value(fault) => {
            let reason = format!("the path is not as expected: {fault}");
            Rejection::new(RejectionKind::Malformed, reason)
        }
        Fault::Shape(fault) => {
            let reason = format!("the route does not fit the handler's `Path`: {fault}");
            Rejection::new(RejectionKind::Internal, reason)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    fn of<T: DeserializeOwned>(captures: &[(&str, &str)]) -> Result<T, Rejection> {
        let owned = captures.iter().map(|(name, text)| ((*name).into(), (*text).into()));
        value(owned.collect()).map(|Path(value)| value)
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Place {
        story_id: u64,
        part: Option<Part>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Part {
        Title,
        Text,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Id(u64);

    const TWO: [(&str, &str); 2] = [("a", "7"), ("b", "x y")];

    #[test]
    fn one_part_is_a_value() {
        assert_eq!(of::<u64>(&[("id", "7")]).unwrap(), 7);
        assert_eq!(of::<Id>(&[("id", "7")]).unwrap(), Id(7));
        assert_eq!(of::<String>(&[("id", "7")]).unwrap(), "7");
        assert_eq!(of::<Part>(&[("part", "title")]).unwrap(), Part::Title);
        assert_eq!(of::<Option<bool>>(&[("on", "true")]).unwrap(), Some(true));
        assert_eq!(of::<(f64,)>(&[("x", "-1.5")]).unwrap(), (-1.5,));
    }

    #[test]
    fn several_parts_are_a_tuple_or_a_map() {
        assert_eq!(of::<(u8, String)>(&TWO).unwrap(), (7, "x y".to_owned()));
        assert_eq!(of::<Vec<String>>(&TWO).unwrap(), ["7", "x y"]);
        let map: BTreeMap<String, String> = of(&TWO).unwrap();
        assert_eq!(map["b"], "x y");
    }

    /// Headers, by which some worlds tell them, know no capitals.
    #[test]
    fn fields_are_found_whatever_their_case() {
        let place = Place { story_id: 7, part: Some(Part::Text) };
        assert_eq!(of::<Place>(&[("storyid", "7"), ("part", "text")]).unwrap(), place);
        assert_eq!(of::<Place>(&[("storyId", "7"), ("part", "text")]).unwrap(), place);
    }

    #[test]
    fn a_bad_part_is_the_clients_fault_and_is_named() {
        let rejection = of::<u64>(&[("id", "x")]).unwrap_err();
        assert_eq!(rejection.status(), 400);
        assert_eq!(rejection.to_string(), "the path is not as expected: `id`: `x` is not a u64");
        let rejection = of::<Place>(&[("storyid", "7"), ("part", "end")]).unwrap_err();
        assert_eq!(rejection.status(), 400);
        assert!(rejection.to_string().contains("`part`: unknown variant"), "{rejection}");
        let rejection = of::<(u64, u64)>(&TWO).unwrap_err();
        assert!(rejection.to_string().contains("`b`: `x y`"), "{rejection}");
    }

    #[test]
    fn a_route_that_does_not_fit_is_not_the_clients_fault() {
        for rejection in [
            of::<u64>(&TWO).unwrap_err(),
            of::<u64>(&[]).unwrap_err(),
            of::<(u64,)>(&TWO).unwrap_err(),
            of::<(u64, String, String)>(&TWO).unwrap_err(),
            of::<Place>(&[("id", "7")]).unwrap_err(),
        ] {
            assert_eq!(rejection.kind(), RejectionKind::Internal, "{rejection}");
            assert_eq!(rejection.outside(), "");
        }
    }
}
