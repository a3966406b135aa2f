//! Precompressed variants (RFC 9110 section 12.5.3). Their content here is not
//! compressed, which nobody looks at.

use super::*;

fn site() -> Site {
    Site::with(&[
        ("app.js", "plain script"),
        ("app.js.br", "brotli"),
        ("app.js.gz", "gzip it"),
        ("only.css", "plain style"),
        ("only.css.gz", "gzip"),
        ("docs/index.html", "plain index"),
        ("docs/index.html.br", "br index"),
        ("orphan.js.gz", "without its original"),
        ("none.txt", "never compressed"),
    ])
}

#[tokio::test]
async fn the_variant_follows_the_preference() {
    let site = site();
    let cases = [
        ("br", "br"),
        ("gzip", "gzip"),
        ("GZIP", "gzip"),
        ("gzip, br", "br"),
        ("gzip, deflate, br, zstd", "br"),
        ("br;q=0.5, gzip;q=0.8", "gzip"),
        ("br;q=0.8, gzip;q=0.5", "br"),
        ("br;q=0, gzip", "gzip"),
        ("br;q=0.000, gzip;q=0.001", "gzip"),
        ("br; q=0 , gzip ; q=1", "gzip"),
        ("br;q=0, gzip;q=0", ""),
        ("identity", ""),
        ("identity;q=1, br;q=0.5", ""),
        ("identity;q=0.5, br", "br"),
        ("identity;q=0, gzip", "gzip"),
        ("deflate", ""),
        ("zstd", ""),
        ("brotli", ""),
        ("x-gzip", "gzip"),
        ("br;q=high", ""),
        ("", ""),
    ];
    for (accept, encoding) in cases {
        let headers = [("accept-encoding", accept)];
        let answer = site.get_with("/app.js", &headers).await;
        let body = match encoding {
            "br" => "brotli",
            "gzip" => "gzip it",
            _ => "plain script",
        };
        answer.is(200, body);
        assert_eq!(answer.header("content-encoding"), encoding, "{accept}");
        assert_eq!(answer.header("vary"), "accept-encoding");
        let content_type = answer.header("content-type");
        assert_eq!(content_type, "text/javascript; charset=utf-8");
    }
    let lines = [("accept-encoding", "deflate"), ("accept-encoding", "gzip")];
    site.get_with("/app.js", &lines).await.is(200, "gzip it");
}

#[tokio::test]
async fn what_has_no_such_variant_is_sent_plain() {
    let site = site();
    let all = [("accept-encoding", "br, gzip")];
    let answer = site.get_with("/only.css", &all).await;
    answer.is(200, "gzip");
    assert_eq!(answer.header("content-encoding"), "gzip");
    let answer = site.get_with("/only.css", &[("accept-encoding", "br")]).await;
    answer.is(200, "plain style");
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.header("vary"), "accept-encoding");
    // A cache may give this one to everybody.
    let answer = site.get_with("/none.txt", &all).await;
    answer.is(200, "never compressed");
    assert_eq!(answer.header("vary"), "");
    // A variant alone is not the file.
    site.get_with("/orphan.js", &all).await.is(404, "");
}

#[tokio::test]
async fn an_index_has_variants_too() {
    let site = site();
    let headers = [("accept-encoding", "br")];
    let answer = site.get_with("/docs/", &headers).await;
    answer.is(200, "br index");
    assert_eq!(answer.header("content-encoding"), "br");
    assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn a_variant_asked_for_by_name_is_a_plain_file() {
    let site = site();
    for accept in ["gzip", "br", ""] {
        let headers = [("accept-encoding", accept)];
        let answer = site.get_with("/app.js.gz", &headers).await;
        answer.is(200, "gzip it");
        assert_eq!(answer.header("content-type"), "application/gzip");
        assert_eq!(answer.header("content-encoding"), "");
        assert_eq!(answer.header("vary"), "");
    }
}

#[tokio::test]
async fn each_variant_has_its_own_tag() {
    let site = site();
    // Of one length and one time, as if a tool had copied them.
    for name in ["app.js", "app.js.br", "app.js.gz"] {
        let path = site.write(name, "same");
        set_modified(&path, std::time::UNIX_EPOCH);
    }
    let mut tags = Vec::new();
    for accept in ["identity", "br", "gzip"] {
        let headers = [("accept-encoding", accept)];
        let answer = site.get_with("/app.js", &headers).await;
        tags.push((accept, answer.header("etag").to_owned()));
    }
    for (accept, tag) in &tags {
        for (other, other_tag) in &tags {
            let headers = [("accept-encoding", *accept), ("if-none-match", other_tag)];
            let status = site.get_with("/app.js", &headers).await.status;
            assert_eq!(status == 304, accept == other, "{accept} {other} {tag}");
        }
    }
}

#[tokio::test]
async fn ranges_are_of_the_chosen_variant() {
    let site = site();
    let br = ("accept-encoding", "br");
    let answer = site.get_with("/app.js", &[br, ("range", "bytes=1-2")]).await;
    answer.is(206, "ro");
    assert_eq!(answer.header("content-range"), "bytes 1-2/6");
    assert_eq!(answer.header("content-encoding"), "br");
    assert_eq!(answer.header("vary"), "accept-encoding");

    let answer = site.get_with("/app.js", &[br, ("range", "bytes=6-")]).await;
    answer.is(416, "");
    assert_eq!(answer.header("content-range"), "bytes */6");
    assert_eq!(answer.header("content-encoding"), "");
    assert_eq!(answer.header("vary"), "accept-encoding");

    // Another variant's tag: the client holds parts of something else.
    let plain = site.get("/app.js").await.header("etag").to_owned();
    let headers = [br, ("range", "bytes=1-2"), ("if-range", &plain)];
    site.get_with("/app.js", &headers).await.is(200, "brotli");
    let headers = [("range", "bytes=1-2"), ("if-range", plain.as_str())];
    site.get_with("/app.js", &headers).await.is(206, "la");
}

#[tokio::test]
async fn a_variant_that_is_no_file_is_passed_over() {
    let site = site();
    fs::remove_file(site.root.join("app.js.br")).unwrap();
    fs::create_dir(site.root.join("app.js.br")).unwrap();
    fs::remove_file(site.root.join("app.js.gz")).unwrap();
    let secret = site.outside.join("secret.txt");
    std::os::unix::fs::symlink(secret, site.root.join("app.js.gz")).unwrap();
    let all = [("accept-encoding", "br, gzip")];
    let answer = site.get_with("/app.js", &all).await;
    answer.is(200, "plain script");
    assert_eq!(answer.header("vary"), "");
}
