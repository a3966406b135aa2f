//! Which part of a file a GET request wants (RFC 9110 sections 13.1.5 and 14).
//! Pure.

use http::header::{ETAG, IF_RANGE, LAST_MODIFIED, RANGE};
use http::{HeaderMap, HeaderValue};
use httpdate::HttpDate;

use super::question::only;
use crate::body::declared_length;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// No range, or one to be ignored.
    Whole,
    /// A range that exists, as a `Range` that can be read in one way only.
    Bytes(HeaderValue),
    /// A range beyond the file, whose size this is.
    Outside(u64),
}

/// Decides by the request's headers and those of the answer with the whole file.
pub(super) fn decide(request: &HeaderMap, whole: &HeaderMap) -> Part {
    let range = only(request, &RANGE).and_then(|value| Range::parse(value.to_str().ok()?));
    let (Some(range), Some(size)) = (range, declared_length(whole)) else {
        return Part::Whole;
    };
    if request.contains_key(IF_RANGE) && !still_same(request, whole) {
        return Part::Whole;
    }
    range.within(size)
}

/// The one range of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Range {
    From { first: u64, last: u64 },
    Suffix(u64),
}

impl Range {
    /// `None` is ignored: another unit (section 14.2), several ranges (a server
    /// may, and one body in parts helps no client that matters), or nonsense.
    fn parse(value: &str) -> Option<Range> {
        let (unit, set) = value.split_once('=')?;
        if !unit.eq_ignore_ascii_case("bytes") {
            return None;
        }
        // A list may have empty members (section 5.6.1.2).
        let mut members = set
            .split(',')
            .map(|member| member.trim_matches([' ', '\t']))
            .filter(|member| !member.is_empty());
        let (first, last) = members.next()?.split_once('-')?;
        if members.next().is_some() {
            return None;
        }
        let range = match (first, last) {
            ("", length) => Range::Suffix(number(length)?),
            (first, "") => Range::From { first: number(first)?, last: u64::MAX },
            (first, last) => Range::From { first: number(first)?, last: number(last)? },
        };
        match range {
            // Section 14.1.1: invalid, so ignored.
            Range::From { first, last } if last < first => None,
            range => Some(range),
        }
    }

    fn within(self, size: u64) -> Part {
        let (first, last) = match self {
            // Satisfiable, says section 14.1.2, but no `Content-Range` can say
            // "the last bytes of nothing".
            Range::Suffix(length) if length > 0 && size == 0 => return Part::Whole,
            Range::Suffix(length) if length > 0 => (size.saturating_sub(length), size - 1),
            Range::From { first, last } if first < size => (first, last.min(size - 1)),
            _ => return Part::Outside(size),
        };
        HeaderValue::try_from(format!("bytes={first}-{last}")).map_or(Part::Whole, Part::Bytes)
    }
}

/// A number of any length; what exceeds `u64` exceeds every file too.
fn number(digits: &str) -> Option<u64> {
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    valid.then(|| digits.parse().unwrap_or(u64::MAX))
}

/// Section 13.1.5: the condition of `If-Range`, by strong comparison.
fn still_same(request: &HeaderMap, whole: &HeaderMap) -> bool {
    let Some(condition) = only(request, &IF_RANGE) else {
        return false;
    };
    let is_tag = condition.as_bytes().starts_with(b"\"") || condition.as_bytes().starts_with(b"W/");
    if is_tag {
        // Our tags are strong, so a weak one is never equal.
        return whole.get(ETAG) == Some(condition);
    }
    // Equal, not "not later". Whether the date was a strong validator when it
    // was received is for the client to know.
    let date = |value: &HeaderValue| value.to_str().ok()?.parse::<HttpDate>().ok();
    let modified = whole.get(LAST_MODIFIED).and_then(date);
    modified.is_some() && modified == date(condition)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(range: &str, size: u64) -> Part {
        Range::parse(range).map_or(Part::Whole, |range| range.within(size))
    }

    #[test]
    fn a_single_range_is_found() {
        let cases = [
            ("bytes=0-4", "bytes=0-4"),
            ("bytes=5-", "bytes=5-9"),
            ("bytes=-5", "bytes=5-9"),
            ("bytes=0-", "bytes=0-9"),
            ("bytes=9-9", "bytes=9-9"),
            ("bytes=0-99", "bytes=0-9"),
            ("bytes=-99", "bytes=0-9"),
            ("Bytes=0-4", "bytes=0-4"),
            ("bytes=00-04", "bytes=0-4"),
            ("bytes= 0-4 ", "bytes=0-4"),
            ("bytes=,0-4,", "bytes=0-4"),
            ("bytes=0-99999999999999999999", "bytes=0-9"),
            ("bytes=-99999999999999999999", "bytes=0-9"),
        ];
        for (range, wanted) in cases {
            let wanted = Part::Bytes(HeaderValue::from_static(wanted));
            assert_eq!(part(range, 10), wanted, "{range}");
        }
    }

    #[test]
    fn what_is_beyond_the_end_is_outside() {
        for range in ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"] {
            assert_eq!(part(range, 10), Part::Outside(10), "{range}");
        }
        assert_eq!(part("bytes=0-", 0), Part::Outside(0));
        assert_eq!(part("bytes=0-4", 0), Part::Outside(0));
        assert_eq!(part("bytes=-5", 0), Part::Whole);
    }

    #[test]
    fn what_is_no_single_byte_range_is_ignored() {
        let ranges = [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=4-0",
            "bytes=a-b",
            "bytes=+0-4",
            "bytes=0-4-5",
            "bytes=--5",
            "bytes=0",
            "bytes=0- 4",
            "bytes =0-4",
            "bytes=0-1,3-4",
            "bytes=0-0,-1",
            "bytes=0-4,x",
            "seconds=0-4",
            "lines=1-2",
            "0-4",
            "bytes:0-4",
            "bytes=0x0-4",
            "bytes=-1.5",
        ];
        for range in ranges {
            assert_eq!(part(range, 10), Part::Whole, "{range}");
        }
    }
}
