//! Handlers that are written with the SDK, as their clients see them.

use crate::support::client::{Reply, Wire, get, send};
use crate::support::server::{Server, Site};
use crate::support::upstream::Upstream;
use crate::support::{SOON, eventually};
use serde_json::Value;
use squall_test_guests::{sdk_guest, standard_sdk_guest};

fn serve(guest: &str, handler: &str) -> Server {
    Site::handler(&sdk_guest(guest), handler).start()
}

fn post(server: &Server, path: &str, content_type: &str, body: &str) -> Reply {
    let mut wire = Wire::open(server.address);
    wire.request(&format!(
        "POST {path} HTTP/1.1\nHost: test\nContent-Length: {}\nContent-Type: {content_type}\n\n",
        body.len()
    ));
    wire.send(body);
    wire.reply()
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const FILES: &str = "multipart/form-data; boundary=XX";
const BYTES: &str = "application/octet-stream";

#[test]
fn arguments_are_made_from_the_head() {
    let site = Site::toml(
        "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [[routes]]\npath = \"/stories/{story}/comments/{comment}\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", sdk_guest("arguments"));
    let server = site.start();
    let reply = server.get("/head?tag=a&tag=b+c&page=2");
    assert_eq!(
        reply.text(),
        "GET [\"a\", \"b c\"] Some(2) Some(ClientAddress(127.0.0.1))",
        "{}",
        reply.head
    );
    let reply = server.get("/head?page=two");
    assert_eq!(reply.status, 400);
    assert_eq!(reply.header("content-type"), Some("application/problem+json"));
    assert!(reply.text().contains("`page`: invalid digit"), "{}", reply.text());

    let reply = server.get("/stories/7/comments/a%20b");
    assert_eq!(reply.text(), "7 a b 7 a b", "in their order, and decoded");
    let reply = server.get("/stories/x/comments/1");
    assert_eq!(reply.status, 400);
    assert!(reply.text().contains("`story`: `x` is not a u64"), "{}", reply.text());
}

#[test]
fn a_body_is_what_it_must_be_or_the_client_is_told() {
    let server = serve("arguments", "");
    let story = r#"{"title":"a","points":[1,2]}"#;
    assert_eq!(post(&server, "/json", JSON, story).text(), "a [1, 2]");
    assert_eq!(post(&server, "/form", FORM, "title=a&points=1&points=2").text(), "a [1, 2]");
    for (path, header, body, status, words) in [
        ("/json", JSON, r#"{"title":"a","points":[1,"x"]}"#, 422, "`points[1]`: invalid type"),
        ("/json", JSON, "{", 400, "no JSON"),
        ("/json", "text/plain", story, 415, "must be `application/json`"),
        ("/json", FORM, story, 415, "must be `application/json`"),
        ("/json", JSON, &"[".repeat(3 << 20), 413, "too large"),
        ("/form", FORM, "title=a&points=x", 422, "`points[0]`: invalid digit"),
        ("/form", JSON, "title=a", 415, "x-www-form-urlencoded"),
        ("/files", FORM, "", 415, "must be `multipart/form-data`"),
        ("/files", FILES, "--XX\r\n", 400, "no whole form"),
    ] {
        let reply = post(&server, path, header, body);
        let text = reply.text();
        assert_eq!(reply.status, status, "{path}: {text}");
        assert!(text.contains(words), "{path}: {text}");
    }
}

#[test]
fn a_form_with_files_streams_through_a_small_guest() {
    // The file has many times the memory that the guest may have.
    let limits = "[handlers.app.limits]\nmemory = \"8 MiB\"\nbody_size = \"512 MiB\"\ncpu = \"60s\"\n\
                  body_time = \"10m\"\nhead_deadline = \"10m\"";
    let server = serve("arguments", limits);
    let start = "--XX\r\ncontent-disposition: form-data; name=\"title\"\r\n\r\na b\r\n\
        --XX\r\ncontent-disposition: form-data; name=\"file\"; filename=\"f.bin\"\r\n\r\n";
    let end = "\r\n--XX--\r\n";
    let upload = |bytes: usize| {
        let length = start.len() + bytes + end.len();
        let mut wire = Wire::open(server.address);
        wire.request(&format!(
            "POST /files HTTP/1.1\nHost: test\nContent-Length: {length}\nContent-Type: {FILES}\n\n"
        ));
        let _ = wire.try_send(start);
        let chunk = vec![b'x'; 1 << 20];
        for _ in 0..bytes >> 20 {
            // A server that refuses may close before it has taken all.
            if wire.try_send(&chunk).is_err() {
                break;
            }
        }
        let _ = wire.try_send(end);
        wire.reply()
    };
    let reply = upload(64 << 20);
    assert_eq!(reply.text(), "title=a b f.bin: 67108864 ");
    // More than the 200 MiB that the guest lets a field have.
    let reply = upload(210 << 20);
    assert_eq!(reply.status, 413);
    assert!(reply.text().contains("the field `file` is too large"), "{}", reply.text());
}

#[test]
fn cookies_go_there_and_back() {
    let server = serve("arguments", "");
    let ask = |cookie: &str| {
        send(server.address, &format!("GET /cookies HTTP/1.1\nHost: test\nCookie: {cookie}\n\n"))
    };
    let reply = ask("b=2; a=1");
    assert_eq!(reply.text(), "Some(\"1\") Some(\"2\")");
    let set: Vec<&str> = reply.headers("set-cookie").collect();
    assert_eq!(set[0], "a=x%3B%20y; HttpOnly; SameSite=Lax; Path=/");
    assert!(set[1].starts_with("b=; ") && set[1].contains("Max-Age=0"), "{}", set[1]);
    let sent_back = set[0].split(';').next().unwrap();
    assert_eq!(ask(sent_back).text(), "Some(\"x; y\") None");
}

#[test]
fn a_cookie_is_signed_only_with_a_key() {
    let server = serve("arguments", "");
    let reply = server.get("/signed");
    assert_eq!(reply.status, 500);
    assert!(!reply.text().contains("key"), "{}", reply.text());
    assert_eq!(reply.header("set-cookie"), None);
    server.await_log("this handler has no signing key");

    let site = Site::handler(&sdk_guest("arguments"), "signing_keys = [{ file = \"key\" }]");
    site.write("key", "0123456789abcdef0123456789abcdef");
    let server = site.start();
    let reply = server.get("/signed");
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert!(reply.header("set-cookie").is_some());
}

#[test]
fn a_redirect_cannot_be_split() {
    let server = serve("arguments", "");
    let reply = server.get("/moved");
    assert_eq!((reply.status, reply.header("location")), (308, Some("/a%20b%0D%0Ax:%20y")));
    assert_eq!(reply.header("x"), None);
}

#[test]
fn a_version_that_the_client_has_is_not_sent_again() {
    let server = serve("arguments", "");
    let reply = server.get("/version");
    assert_eq!((reply.status, reply.header("etag")), (200, Some("\"7\"")));
    let mut wire = Wire::open(server.address);
    for (condition, status) in [
        ("GET /version HTTP/1.1\nIf-None-Match: W/\"7\"", 304),
        ("GET /version HTTP/1.1\nIf-None-Match: \"6\"", 200),
        ("HEAD /version HTTP/1.1\nIf-None-Match: *", 304),
        ("PUT /version HTTP/1.1\nContent-Length: 0\nIf-Match: \"6\"", 412),
        ("PUT /version HTTP/1.1\nContent-Length: 0\nIf-Match: \"6\", \"7\"", 200),
    ] {
        wire.request(&format!("{condition}\nHost: test\n\n"));
        let method = condition.split(' ').next().unwrap();
        let reply = wire.reply_to(method).expect("the connection stays in step");
        assert_eq!(reply.status, status, "{condition}");
        assert_eq!(reply.header("etag"), Some("\"7\""), "{condition}");
        assert_eq!(reply.body.is_empty(), status == 304, "{condition}");
    }
}

#[test]
fn an_axum_router_is_a_handler() {
    let upstream = Upstream::text("from upstream");
    let server = serve("router", &format!("outbound = [\"{}\"]", upstream.url()));
    let reply = server.get("/");
    assert_eq!((reply.text().as_str(), reply.header("content-length")), ("axum", Some("4")));
    assert_eq!(server.get("/users/a%20b?x=1").text(), "a b [(\"x\", \"1\")]");
    assert_eq!(post(&server, "/sum", JSON, r#"{"a":1,"b":2}"#).text(), "3");
    assert_eq!(post(&server, "/sum", JSON, r#"{"a":1}"#).status, 422);
    assert_eq!(post(&server, "/form", FORM, "a=1&b=2").text(), r#"{"a":1,"b":2}"#);
    assert_eq!(server.get("/client").text(), "127.0.0.1");
    assert_eq!(server.get("/nothing").status, 404);
    assert_eq!(server.get("/sum").status, 405);
    assert_eq!(server.get(&format!("/fetch?url={}", upstream.url())).text(), "from upstream");
    let large = "x".repeat(1 << 20);
    assert_eq!(post(&server, "/length", BYTES, &large).text(), "1048576");
    let reply = post(&server, "/echo", BYTES, &large);
    assert!(reply.complete && reply.text() == large, "{} bytes", reply.body.len());
}

#[test]
fn a_router_is_made_once_for_an_instance_and_shared_by_its_requests() {
    let server = serve("router", "");
    let address = server.address;
    let waiting: Vec<_> =
        (0..8).map(|_| std::thread::spawn(move || get(address, "/wait").text())).collect();
    for wait in waiting {
        assert_eq!(wait.join().unwrap(), "waited");
    }
    let answers: Vec<String> = (0..50).map(|_| server.get("/made").text()).collect();
    assert!(answers.iter().all(|answer| answer.starts_with("1 ")), "{answers:?}");
    // At most as many instances as there were requests at once, so the state is kept.
    assert!(answers.iter().any(|answer| answer != "1 1"), "{answers:?}");
}

fn guest_lines(server: &Server, n: usize) -> Vec<Value> {
    let lines = || server.log().into_iter().filter(|line| line["target"] == "squall::guest");
    eventually(SOON, "the lines", || lines().count() >= n);
    lines().collect()
}

#[test]
fn lines_of_the_crate_log_have_their_level_and_values() {
    for (filter, enabled, levels) in [
        ("info", "11100", &["INFO", "WARN", "ERROR"][..]),
        ("trace", "11111", &["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]),
        ("off,squall::guest=error", "10000", &["ERROR"]),
    ] {
        let site = Site::handler(&sdk_guest("lines"), "").env("SQUALL_LOG", filter);
        let server = site.start();
        assert_eq!(server.get("/levels").text(), enabled, "{filter}");
        let lines = guest_lines(&server, levels.len());
        let found: Vec<&str> = lines.iter().map(|line| line["level"].as_str().unwrap()).collect();
        assert_eq!(found, levels, "{filter}");
        assert!(lines.iter().all(|line| line["request"].as_str().unwrap().len() == 16));
    }
    let server = serve("lines", "");
    assert_eq!(server.get("/values?Ada").text(), "logged");
    let lines = guest_lines(&server, 2);
    assert_eq!(lines[0]["values"], "user=\"Ada\" tries=\"(1, 2)\"");
    assert!(lines[0]["message"].as_str().unwrap().starts_with("signed in\\n{"), "{}", lines[0]);
    assert_eq!(lines[1]["values"], "user=\"Ada\" target=\"audit\"");
}

#[test]
fn on_other_hosts_lines_of_the_crate_log_are_on_stderr() {
    let server = Site::handler(&standard_sdk_guest("lines"), "").start();
    assert_eq!(server.get("/levels").text(), "11100");
    assert_eq!(server.get("/values?Ada").text(), "logged");
    let lines = guest_lines(&server, 5);
    let lines: Vec<&str> = lines.iter().map(|line| line["message"].as_str().unwrap()).collect();
    assert_eq!(lines[..3], ["INFO at info", "WARN at warn", "ERROR at error"]);
    assert!(lines[3].starts_with("INFO signed in"), "{}", lines[3]);
    assert!(lines[3].ends_with(" user=\"Ada\" tries=\"(1, 2)\""), "{}", lines[3]);
    assert_eq!(lines.len(), 5, "a newline makes no line");
}
