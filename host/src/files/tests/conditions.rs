//! Conditional requests (RFC 9110 section 13).

use super::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A file of a known time, and its tag.
async fn dated() -> (Site, String) {
    let site = Site::with(&[("a.txt", "hello"), ("a.txt.gz", "zipped")]);
    let time = UNIX_EPOCH + Duration::from_millis(784_111_777_500);
    set_modified(&site.root.join("a.txt"), time);
    let etag = site.get("/a.txt").await.header("etag").to_owned();
    (site, etag)
}

const SAME: &str = "Sun, 06 Nov 1994 08:49:37 GMT";
const BEFORE: &str = "Sun, 06 Nov 1994 08:49:36 GMT";
const AFTER: &str = "Sun, 06 Nov 1994 08:49:38 GMT";

#[tokio::test]
async fn if_none_match_saves_the_body() {
    let (site, etag) = dated().await;
    let bare = etag.trim_matches('"').to_owned();
    let cases = [
        (etag.clone(), 304),
        (format!("W/{etag}"), 304),
        (format!("\"x\", {etag}"), 304),
        (format!("\"x\",{etag},\"y\""), 304),
        (format!("\"x,y\", W/{etag}"), 304),
        ("*".to_owned(), 304),
        ("\"x\"".to_owned(), 200),
        ("W/\"x\", \"y\"".to_owned(), 200),
        (bare.clone(), 200),
        (format!("\"{bare}"), 200),
        (format!("\"x{bare}\""), 200),
        (String::new(), 200),
        (",".to_owned(), 200),
    ];
    for (value, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let answer = site.ask(method, "/a.txt", &[("if-none-match", &value)]).await;
            assert_eq!(answer.status, status, "{value}");
        }
    }
}

#[tokio::test]
async fn lists_may_be_spread_over_lines() {
    let (site, etag) = dated().await;
    for name in ["if-none-match", "if-match"] {
        let lines = [(name, "\"x\""), (name, etag.as_str())];
        let status = if name == "if-match" { 200 } else { 304 };
        assert_eq!(site.get_with("/a.txt", &lines).await.status, status);
    }
}

#[tokio::test]
async fn if_modified_since_saves_the_body() {
    let (site, _) = dated().await;
    let cases = [
        (SAME, 304),
        (AFTER, 304),
        (BEFORE, 200),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 304),
        ("Sun Nov  6 08:49:37 1994", 304),
        ("Thu, 01 Jan 2099 00:00:00 GMT", 304),
        // What is no date is ignored.
        ("", 200),
        ("yesterday", 200),
        ("784111777", 200),
        ("Sun, 06 Nov 1994 08:49:37", 200),
        ("Sun, 99 Nov 1994 08:49:37 GMT", 200),
    ];
    for (value, status) in cases {
        let answer = site.get_with("/a.txt", &[("if-modified-since", value)]).await;
        assert_eq!(answer.status, status, "{value}");
    }
    let twice = [("if-modified-since", SAME), ("if-modified-since", BEFORE)];
    site.get_with("/a.txt", &twice).await.is(200, "hello");
}

#[tokio::test]
async fn a_304_carries_what_the_200_would() {
    let (site, etag) = dated().await;
    let whole = site.get("/a.txt").await;
    for headers in [("if-none-match", etag.as_str()), ("if-modified-since", SAME)] {
        let answer = site.get_with("/a.txt", &[headers]).await;
        answer.is(304, "");
        for name in ["etag", "vary", "cache-control", "last-modified"] {
            assert_eq!(answer.header(name), whole.header(name), "{name}");
            assert_ne!(answer.header(name), "", "{name}");
        }
        for name in ["content-length", "content-type", "content-encoding"] {
            assert_eq!(answer.header(name), "", "{name}");
        }
    }
}

#[tokio::test]
async fn if_match_and_if_unmodified_since_guard() {
    let (site, etag) = dated().await;
    let weak = format!("W/{etag}");
    let list = format!("\"x\", {etag}");
    let cases = [
        ("if-match", etag.as_str(), 200),
        ("if-match", "*", 200),
        ("if-match", &list, 200),
        ("if-match", "\"x\"", 412),
        ("if-match", &weak, 412),
        ("if-unmodified-since", SAME, 200),
        ("if-unmodified-since", AFTER, 200),
        ("if-unmodified-since", BEFORE, 412),
        ("if-unmodified-since", "never", 200),
    ];
    for (name, value, status) in cases {
        for method in [Method::GET, Method::HEAD] {
            let answer = site.ask(method, "/a.txt", &[(name, value)]).await;
            assert_eq!(answer.status, status, "{name}: {value}");
        }
    }
    // Nothing there is not a failed condition: no oracle.
    site.get_with("/none", &[("if-match", "*")]).await.is(404, "");
}

#[tokio::test]
async fn conditions_have_an_order() {
    let (site, etag) = dated().await;
    // RFC 9110 section 13.2.2.
    let cases: [(&[(&str, &str)], u16); 7] = [
        (&[("if-none-match", "\"x\""), ("if-modified-since", AFTER)], 200),
        (&[("if-none-match", &etag), ("if-modified-since", BEFORE)], 304),
        (&[("if-match", &etag), ("if-unmodified-since", BEFORE)], 200),
        (&[("if-match", "\"x\""), ("if-unmodified-since", AFTER)], 412),
        (&[("if-match", "\"x\""), ("if-none-match", &etag)], 412),
        (&[("if-match", &etag), ("if-none-match", &etag)], 304),
        (&[("if-none-match", &etag), ("range", "bytes=0-1")], 304),
    ];
    for (headers, status) in cases {
        let answer = site.get_with("/a.txt", headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
    }
}

#[tokio::test]
async fn a_tag_changes_with_the_content() {
    let site = Site::with(&[("a.txt", "hello")]);
    let path = site.root.join("a.txt");
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
    set_modified(&path, time);
    let first = site.get("/a.txt").await.header("etag").to_owned();
    assert_eq!(site.get("/a.txt").await.header("etag"), first);

    // The same length and time, in place. The clock of a file system may tick
    // only every few milliseconds.
    std::thread::sleep(Duration::from_millis(30));
    fs::write(&path, "HELLO").unwrap();
    set_modified(&path, time);
    let second = site.get("/a.txt").await;
    assert_eq!(second.header("last-modified"), "Thu, 01 Jan 1970 00:00:01 GMT");
    assert_ne!(second.header("etag"), first);

    // And as another file under the same name.
    let other = site.write("b.txt", "hallo");
    set_modified(&other, time);
    fs::rename(&other, &path).unwrap();
    let third = site.get("/a.txt").await;
    assert_ne!(third.header("etag"), second.header("etag"));
    assert_ne!(third.header("etag"), first);
}
