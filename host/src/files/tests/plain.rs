//! Files, types, index files, methods.

use super::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

#[tokio::test]
async fn a_file_is_served_whole() {
    let site = Site::with(&[("a.txt", "hello"), ("deep/er/b.txt", "below")]);
    let answer = site.get("/a.txt").await;
    answer.is(200, "hello");
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("vary"), "");
    assert_eq!(answer.header("content-encoding"), "");
    site.get("/deep/er/b.txt").await.is(200, "below");
}

#[tokio::test]
async fn an_empty_file_is_a_file() {
    let site = Site::with(&[("empty.txt", "")]);
    let answer = site.get("/empty.txt").await;
    answer.is(200, "");
    assert_eq!(answer.header("content-length"), "0");
    let response = site.response("/empty.txt").await;
    assert!(http_body::Body::is_end_stream(response.body()));
}

#[tokio::test]
async fn names_may_be_strange() {
    let names = [
        ("caf\u{e9}.txt", "/caf%C3%A9.txt"),
        ("a b.txt", "/a%20b.txt"),
        ("100%.txt", "/100%25.txt"),
        ("%2e%2e.txt", "/%252e%252e.txt"),
        ("q?a#b.txt", "/q%3Fa%23b.txt"),
        ("a;b=1,c.txt", "/a;b=1,c.txt"),
        ("a:b.txt", "/a:b.txt"),
        ("~a.txt", "/~a.txt"),
        ("a..b.txt", "/a..b.txt"),
        ("a.", "/a."),
        ("-", "/-"),
    ];
    let site = Site::new();
    for (name, path) in names {
        site.write(name, path);
        site.get(path).await.is(200, path);
    }
}

#[tokio::test]
async fn the_type_follows_the_ending() {
    let types = [
        ("a.html", "text/html; charset=utf-8"),
        ("a.css", "text/css; charset=utf-8"),
        ("a.js", "text/javascript; charset=utf-8"),
        ("a.mjs", "text/javascript; charset=utf-8"),
        ("a.txt", "text/plain; charset=utf-8"),
        ("a.csv", "text/csv; charset=utf-8"),
        ("a.md", "text/markdown; charset=utf-8"),
        ("a.HTML", "text/html; charset=utf-8"),
        ("a.json", "application/json"),
        ("a.webmanifest", "application/manifest+json"),
        ("a.wasm", "application/wasm"),
        ("a.svg", "image/svg+xml"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.avif", "image/avif"),
        ("a.ico", "image/x-icon"),
        ("a.woff2", "font/woff2"),
        ("a.mp4", "video/mp4"),
        ("a.pdf", "application/pdf"),
        ("a.zip", "application/zip"),
        ("a.js.gz", "application/gzip"),
        ("a.js.br", "application/octet-stream"),
        ("a.unknown-ending", "application/octet-stream"),
        ("LICENSE", "application/octet-stream"),
    ];
    let site = Site::new();
    for (name, content_type) in types {
        site.write(name, "x");
        let answer = site.get(&format!("/{name}")).await;
        assert_eq!(answer.header("content-type"), content_type, "{name}");
        assert_eq!(answer.header("content-encoding"), "", "{name}");
    }
}

#[tokio::test]
async fn head_is_get_without_the_body() {
    let site = Site::with(&[
        ("a.txt", "hello"),
        ("a.txt.gz", "zipped"),
        ("docs/index.html", "index"),
        ("empty.txt", ""),
    ]);
    let paths = ["/a.txt", "/docs/", "/docs", "/empty.txt", "/none", "/.git"];
    let accept = [("accept-encoding", "gzip")];
    for path in paths {
        for headers in [&accept[..], &[]] {
            let get = site.ask(Method::GET, path, headers).await;
            let head = site.ask(Method::HEAD, path, headers).await;
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(head.headers, get.headers, "{path}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let site = Site::with(&[("a.txt", "hello")]);
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        for path in ["/a.txt", "/none", "/../a"] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let answer = site.ask(method, path, &[]).await;
            answer.is(405, "");
            assert_eq!(answer.header("allow"), "GET, HEAD");
        }
    }
}

#[tokio::test]
async fn a_folder_is_its_index() {
    let site = Site::with(&[
        ("index.html", "home"),
        ("docs/index.html", "docs"),
        ("bare/a.txt", "a"),
        ("trap/index.html/a.txt", "the index is a folder"),
    ]);
    let answer = site.get("/").await;
    answer.is(200, "home");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
    site.get("/docs/").await.is(200, "docs");
    site.get("/docs/index.html").await.is(200, "docs");
    // A folder without an index is not there, with or without the slash.
    for path in ["/bare/", "/bare", "/trap/", "/trap", "/trap/index.html"] {
        site.get(path).await.is(404, "");
    }
    for path in ["/index.html/", "/docs/index.html/", "/docs/index.html/x"] {
        site.get(path).await.is(404, "");
    }
    Site::new().get("/").await.is(404, "");
}

#[tokio::test]
async fn a_folder_without_its_slash_is_redirected() {
    let site = Site::with(&[
        ("index.html", "home"),
        ("docs/index.html", "docs"),
        ("a:b/index.html", "colon"),
        ("evil.com/index.html", "evil"),
        ("caf\u{e9}/index.html", "coffee"),
    ]);
    // The address of the client, the path below the mount, the location.
    let cases = [
        ("/docs", "/docs", "./docs/"),
        ("/docs?a=1&b=%2F", "/docs", "./docs/?a=1&b=%2F"),
        ("/docs?", "/docs", "./docs/?"),
        ("/mount/docs", "/docs", "./docs/"),
        ("http://host/mount/docs?q", "/docs", "./docs/?q"),
        ("/a:b", "/a:b", "./a:b/"),
        ("//evil.com", "/evil.com", "./evil.com/"),
        ("/%64ocs", "/docs", "./%64ocs/"),
        ("/caf%C3%A9", "/caf%C3%A9", "./caf%C3%A9/"),
        ("/x/../docs", "/docs", "./docs/"),
        // The mount itself, asked for without its slash.
        ("/mount", "/", "./mount/"),
        ("/mount?q", "/", "./mount/?q"),
    ];
    for (uri, path, location) in cases {
        let answer = ask(&site.files, Method::GET, uri, path, &[]).await;
        answer.is(308, "");
        assert_eq!(answer.header("location"), location, "{uri}");
    }
    let slashes = [("/mount/", "/"), ("/docs/", "/docs/"), ("/x/", "/docs")];
    for (uri, path) in slashes {
        let answer = ask(&site.files, Method::GET, uri, path, &[]).await;
        assert_eq!(answer.status, 200, "{uri}");
    }
    // The way to answer any address with the index.
    let answer = ask(&site.files, Method::GET, "/any", "/index.html", &[]).await;
    answer.is(200, "home");
}

#[tokio::test]
async fn no_time_of_a_file_is_too_strange() {
    let site = Site::with(&[("a.txt", "hello")]);
    let day = Duration::from_secs(86_400);
    // The library panics on the first and on the last two.
    let times = [
        UNIX_EPOCH - day,
        UNIX_EPOCH,
        UNIX_EPOCH + day * 100 * 365,
        UNIX_EPOCH + day * 9_000 * 365,
        UNIX_EPOCH + Duration::from_secs(1 << 40),
    ];
    for time in times {
        set_modified(&site.root.join("a.txt"), time);
        let answer = site.get("/a.txt").await;
        answer.is(200, "hello");
        // RFC 9110 section 8.8.2.1: never later than now.
        let modified = httpdate::parse_http_date(answer.header("last-modified")).unwrap();
        assert!(modified <= SystemTime::now(), "{answer:?}");
        let etag = answer.header("etag").to_owned();
        let again = site.get_with("/a.txt", &[("if-none-match", &etag)]).await;
        again.is(304, "");
    }
}

#[tokio::test]
async fn the_folder_must_be_there_at_load() {
    let site = Site::with(&[("a.txt", "hello")]);
    for name in ["none", "a.txt"] {
        let path = site.root.join(name);
        let error = format!("{:#}", Files::open(&path).unwrap_err());
        assert!(error.contains(&format!("`{}`", path.display())), "{error}");
    }
}

#[tokio::test]
async fn the_folder_that_was_loaded_is_served() {
    let site = Site::with(&[("a.txt", "hello")]);
    fs::rename(&site.root, site.root.with_extension("old")).unwrap();
    fs::rename(&site.outside, &site.root).unwrap();
    site.get("/a.txt").await.is(200, "hello");
    site.get("/secret.txt").await.is(404, "");
}
