//! Ranges and their condition, on disk; the grammar is tested in `range`.

use super::*;
use std::time::{Duration, UNIX_EPOCH};

const DIGITS: &str = "0123456789";

fn digits() -> Site {
    Site::with(&[("a.txt", DIGITS), ("empty.txt", "")])
}

#[tokio::test]
async fn a_single_range_is_cut_out() {
    let site = digits();
    let cases = [
        ("bytes=0-4", "01234", "bytes 0-4/10"),
        ("bytes=5-", "56789", "bytes 5-9/10"),
        ("bytes=-5", "56789", "bytes 5-9/10"),
        ("bytes=0-0", "0", "bytes 0-0/10"),
        ("bytes=9-", "9", "bytes 9-9/10"),
        ("bytes=-1", "9", "bytes 9-9/10"),
        ("bytes=0-", DIGITS, "bytes 0-9/10"),
        ("bytes=8-99", "89", "bytes 8-9/10"),
        ("bytes=-99", DIGITS, "bytes 0-9/10"),
        ("BYTES=2-3", "23", "bytes 2-3/10"),
        ("bytes=002-03", "23", "bytes 2-3/10"),
    ];
    let whole = site.get("/a.txt").await;
    for (range, body, content_range) in cases {
        let answer = site.get_with("/a.txt", &[("range", range)]).await;
        answer.is(206, body);
        assert_eq!(answer.header("content-range"), content_range);
        for name in ["etag", "last-modified", "content-type"] {
            assert_eq!(answer.header(name), whole.header(name), "{name}");
        }
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_refused() {
    let site = digits();
    for range in ["bytes=10-", "bytes=10-11", "bytes=-0", "bytes=18446744073709551616-"] {
        let answer = site.get_with("/a.txt", &[("range", range)]).await;
        answer.is(416, "");
        assert_eq!(answer.header("content-range"), "bytes */10");
        assert_eq!(answer.header("content-type"), "");
        assert!(matches!(answer.header("content-length"), "" | "0"));
    }
}

#[tokio::test]
async fn what_is_no_single_range_is_ignored() {
    let site = digits();
    let ranges = [
        "bytes=0-1,3-4",
        "bytes=0-0,-1",
        "bytes=0-99,5-6",
        "seconds=0-4",
        "bytes=4-0",
        "bytes=",
        "bytes",
        "",
        "bytes=a-b",
        "bytes=-",
        "bytes=0--4",
        "items=1-2, 3-4",
    ];
    for range in ranges {
        let answer = site.get_with("/a.txt", &[("range", range)]).await;
        answer.is(200, DIGITS);
        assert_eq!(answer.header("content-range"), "", "{range}");
    }
    let twice = [("range", "bytes=0-1"), ("range", "bytes=2-3")];
    site.get_with("/a.txt", &twice).await.is(200, DIGITS);
}

#[tokio::test]
async fn head_has_no_ranges() {
    let site = digits();
    for range in ["bytes=0-4", "bytes=99-"] {
        let answer = site.ask(Method::HEAD, "/a.txt", &[("range", range)]).await;
        answer.is(200, "");
        assert_eq!(answer.header("content-length"), "10");
        assert_eq!(answer.header("content-range"), "");
    }
}

#[tokio::test]
async fn nothing_has_no_ranges() {
    let site = digits();
    for range in ["bytes=0-", "bytes=0-4", "bytes=1-"] {
        let answer = site.get_with("/empty.txt", &[("range", range)]).await;
        answer.is(416, "");
        assert_eq!(answer.header("content-range"), "bytes */0");
    }
    site.get_with("/empty.txt", &[("range", "bytes=-5")]).await.is(200, "");
    site.get_with("/none", &[("range", "bytes=0-")]).await.is(404, "");
}

#[tokio::test]
async fn if_range_decides_whether_a_range_counts() {
    let site = digits();
    let time = UNIX_EPOCH + Duration::from_secs(784_111_777);
    set_modified(&site.root.join("a.txt"), time);
    let etag = site.get("/a.txt").await.header("etag").to_owned();
    let weak = format!("W/{etag}");
    let list = format!("{etag}, \"x\"");
    let cases = [
        (etag.as_str(), true),
        ("Sun, 06 Nov 1994 08:49:37 GMT", true),
        ("Sunday, 06-Nov-94 08:49:37 GMT", true),
        (&weak, false),
        (&list, false),
        ("\"x\"", false),
        ("W/\"x\"", false),
        ("*", false),
        ("", false),
        ("yesterday", false),
        ("Sun, 06 Nov 1994 08:49:36 GMT", false),
        ("Sun, 06 Nov 1994 08:49:38 GMT", false),
    ];
    for (condition, counts) in cases {
        let headers = [("range", "bytes=2-3"), ("if-range", condition)];
        let answer = site.get_with("/a.txt", &headers).await;
        if counts {
            answer.is(206, "23");
        } else {
            answer.is(200, DIGITS);
        }
        // The same for a range that does not exist.
        let headers = [("range", "bytes=20-"), ("if-range", condition)];
        let answer = site.get_with("/a.txt", &headers).await;
        assert_eq!(answer.status, if counts { 416 } else { 200 }, "{condition}");
        // And without a range it means nothing.
        site.get_with("/a.txt", &[("if-range", condition)]).await.is(200, DIGITS);
    }
    let twice = [("range", "bytes=2-3"), ("if-range", &etag), ("if-range", &etag)];
    site.get_with("/a.txt", &twice).await.is(200, DIGITS);
}

#[tokio::test]
async fn the_parts_of_a_large_file_make_the_whole() {
    let site = Site::new();
    let content: Vec<u8> = (0..300_000_u32).map(|n| (n % 251) as u8).collect();
    site.write("big.bin", &content);
    let mut joined = Vec::new();
    for first in (0..content.len()).step_by(70_001) {
        let range = format!("bytes={first}-{}", first + 70_000);
        let answer = site.get_with("/big.bin", &[("range", &range)]).await;
        assert_eq!(answer.status, 206);
        joined.extend_from_slice(&answer.body);
    }
    assert_eq!(joined, content);
}
