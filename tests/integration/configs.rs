//! What is wrong with a config is said at once, all of it, and where.

use crate::support::server::{Site, squall};
use crate::support::tls::certificate;
use squall_test_guests::guest;
use std::fs;
use std::os::unix::fs::symlink;

const GOOD: &str =
    "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n[handlers.app]\ncomponent = \"app.wasm\"\n";

/// What `check` says of this config; it must refuse it.
fn refusal(config: &str) -> String {
    let site = Site::toml(config);
    site.write("app.wasm", guest("hello03"));
    let (status, _, stderr) = squall(&["check", "."], site.folder.path());
    assert_eq!(status.code(), Some(64), "{config}: {stderr}");
    stderr
}

#[test]
fn every_mistake_is_reported() {
    let stderr = refusal(
        "[server]\nlisten = \"nowhere\"\ntrusted_proxies = [\"x\"]\n\
         [server.limits]\npoll = \"0s\"\n\
         [[routes]]\nmount = \"/\"\nhandler = \"none\"\n\
         [[routes]]\npath = \"no-slash\"\nstatus = 204\n\
         [handlers.app]\ncomponent = \"app.wasm\"\nisolation = \"x\"\n",
    );
    for place in ["toml:2:", "toml:3:", "toml:5:", "toml:8:", "toml:10:", "toml:14:"] {
        assert!(stderr.contains(place), "{place}: {stderr}");
    }
    assert_eq!(stderr.matches("error: ").count(), 6, "{stderr}");
}

#[test]
fn one_mistake_hides_no_other_of_its_list_handler_or_route() {
    let config = r#"[server]
listen = ["nowhere", "127.0.0.1:1", "127.0.0.1:1", "no"]
trusted_proxies = ["x", "10.0.0.0/8", "y"]
[server.limits]
poll = "0s"
instances = 0
head_size = "1 KiB"
[limits]
cpu = "0s"
memories = 0
[[routes]]
host = "*"
path = "no-slash"
methods = ["get", "PUT", "x y"]
handler = "none"
status = 999
[[routes]]
path = "/a/{b}"
redirect = "/{c}/{b}/{d}"
[[routes]]
path = "/a"
folder = "public"
handler = "none"
[[routes]]
path = "/twice"
status = 200
[[routes]]
path = "/twice"
status = 201
[[routes]]
path = "/twice"
status = 202
[handlers."a b"]
component = "app.wasm"
isolation = "x"
health = "no-slash"
outbound = ["api", "https://api.example.com", "ftp://x"]
outbound_private = ["x"]
outbound_tcp = ["no-port", "db:1", "y"]
config = { "a=b" = "", "" = "" }
secrets = { A = {}, B = { env = "X", file = "y" } }
folders = [{ host = "a", guest = "x", access = "y" }, { host = "b", guest = "y" }]
[handlers."a b".limits]
cpu = "0s"
queue_time = "0s"
memory = "9 GiB"
resources = 0
"#;
    let stderr = refusal(config);
    let place = |line: &str| {
        let (_, rest) = line.split_once("toml:").unwrap_or_else(|| panic!("no place: {line}"));
        rest.split(": ").next().unwrap().to_owned()
    };
    let places: Vec<String> = stderr.lines().map(place).collect();
    let wanted = "7:1 6:1 5:1 2:11 2:37 2:52 3:20 3:39 9:1 10:1 \
                  33:11 44:1 46:1 47:1 35:1 36:1 37:13 37:47 38:21 39:17 39:36 \
                  41:13 41:21 40:24 40:12 42:39 42:26 42:69 \
                  12:1 13:1 14:12 14:26 15:1 16:1 11:1 19:1 19:1 23:1 22:1 20:1 27:1 30:1";
    assert_eq!(places.join(" "), wanted, "{stderr}");
}

#[test]
fn a_mistake_in_the_config_hides_none_of_what_it_names() {
    let stderr = refusal(&format!(
        "[server]\noutbound_ca = \"no-ca.pem\"\n{GOOD}\
         [handlers.two]\ncomponent = \"two.wasm\"\noutbound = [\"https://*\"]\nsecrets = {{ KEY = {{ file = \"no-key\" }} }}\n\
         folders = [{{ host = \"no-data\", guest = \"/x\" }}]\n\
         [handlers.bad]\ncomponent = \"bad.wasm\"\nisolation = \"x\"\n\
         [[routes]]\nmount = \"/two\"\nhandler = \"two\"\n\
         [[routes]]\nmount = \"/files\"\nfolder = \"no-folder\"\n"
    ));
    for words in
        ["no-ca.pem", "two.wasm`: there is", "no-key", "no-data", "is not `request`", "no-folder"]
    {
        assert_eq!(stderr.matches(words).count(), 1, "{words}: {stderr}");
    }
    assert!(!stderr.contains("bad.wasm"), "of a handler that is wrong, what is wrong: {stderr}");
}

#[test]
fn what_a_component_lacks_is_said_beside_what_is_wrong_with_it() {
    let site = Site::handler(b"hello", "secrets = { KEY = { file = \"no-key\" } }");
    for command in ["check", "serve"] {
        let (status, _, stderr) = squall(&[command, "."], site.folder.path());
        assert_eq!(status.code(), Some(64), "{stderr}");
        for words in ["this is not WebAssembly", "no-key"] {
            assert_eq!(stderr.matches(words).count(), 1, "{command}: {words}: {stderr}");
        }
    }
}

#[test]
fn nothing_runs_of_a_config_with_a_mistake() {
    let site = Site::toml(&format!(
        "{GOOD}health = \"/write?/x/made\"\n\
         folders = [{{ host = \"data\", guest = \"/x\", access = \"read-write\" }}]\n\
         [[routes]]\nmount = \"/two\"\nhandler = \"two\"\n"
    ));
    site.write("app.wasm", guest("faults03"));
    site.write("data/file", "");
    let (status, stdout, stderr) = squall(&["check", "."], site.folder.path());
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stdout.contains("world wasi:http/service@0.3"), "{stdout}");
    assert!(!site.file("data/made").exists(), "it has run: {stderr}");
    site.write(
        "squall.toml",
        fs::read_to_string(site.file("squall.toml")).unwrap().replace("\"two\"", "\"app\""),
    );
    let (status, _, stderr) = squall(&["check", "."], site.folder.path());
    assert!(status.success() && site.file("data/made").exists(), "it runs: {stderr}");
}

#[test]
fn everything_that_cannot_be_loaded_is_reported() {
    let stderr = refusal(&format!(
        "{GOOD}[handlers.two]\ncomponent = \"two.wasm\"\n[handlers.three]\ncomponent = \"three.wasm\"\n\
         [[routes]]\nmount = \"/files\"\nfolder = \"nowhere\"\n"
    ));
    for word in ["two.wasm", "three.wasm", "nowhere"] {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}

#[test]
fn a_limit_of_zero_that_would_serve_nothing_is_refused_in_its_place() {
    for (name, zero) in [
        ("poll", "\"0s\""),
        ("instances", "0"),
        ("h2_streams", "0"),
        ("h2_head_size", "\"0 B\""),
        ("h2_ping", "\"0s\""),
        ("log_queue", "0"),
        ("first_byte", "\"0s\""),
    ] {
        let stderr = refusal(&format!("[server.limits]\n{name} = {zero}\n{GOOD}"));
        assert!(stderr.contains(&format!("toml:2:1: `{name}` is 0")), "{stderr}");
    }
    for (name, zero) in [("cpu", "\"0s\""), ("head_deadline", "\"0s\""), ("memory", "\"0 B\"")] {
        let stderr = refusal(&format!("{GOOD}[handlers.app.limits]\n{name} = {zero}\n"));
        assert!(stderr.contains(&format!("toml:7:1: `{name}` is 0")), "{stderr}");
        let stderr = refusal(&format!("[limits]\n{name} = {zero}\n{GOOD}"));
        assert!(stderr.contains(&format!("toml:2:1: `{name}` is 0")), "{stderr}");
        assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    }
    let stderr = refusal(&format!("[server.limits]\npoll = \"99999999h\"\n{GOOD}"));
    assert!(stderr.contains("at most a year"), "{stderr}");
}

#[test]
fn a_conflict_is_reported_at_the_later_route_with_all_of_its_key() {
    let stderr = refusal(&format!(
        "[[routes]]\nhost = \"a.example\"\nmethods = [\"PUT\"]\npath = \"/x/{{a}}\"\nstatus = 204\n\
         [[routes]]\nhost = \"a.example\"\nmethods = [\"PUT\"]\npath = \"/x/{{b}}\"\nstatus = 205\n{GOOD}"
    ));
    assert!(stderr.contains("toml:6:1: "), "{stderr}");
    assert!(
        stderr.contains("`PUT a.example/x/{b}` is in conflict with `PUT a.example/x/{a}`"),
        "{stderr}"
    );
}

#[test]
fn a_conflict_has_its_place_whatever_else_is_wrong() {
    let stderr = refusal(&format!(
        "[[routes]]\npath = \"no-slash\"\nstatus = 204\n\
         [[routes]]\npath = \"/x\"\nstatus = 204\n\
         [[routes]]\npath = \"/x\"\nstatus = 205\n{GOOD}"
    ));
    assert!(stderr.contains("toml:7:1: route `/x` is in conflict"), "{stderr}");
}

#[test]
fn an_address_is_listened_on_once() {
    for (server, place) in [
        ("listen = [\"127.0.0.1:3000\", \"localhost:3000\"]", "toml:2:29: "),
        ("listen = \"127.0.0.1:3000\"\nadmin = \"127.0.0.1:3000\"", "toml:3:1: "),
    ] {
        let stderr = refusal(&format!("[server]\n{server}\n{GOOD}"));
        assert!(stderr.contains(place) && stderr.contains("twice"), "{stderr}");
    }
    let any = "listen = [\"127.0.0.1:0\", \"127.0.0.1:0\"]\nadmin = \"127.0.0.1:0\"";
    let site = Site::toml(&format!("[server]\n{any}\n{GOOD}"));
    site.write("app.wasm", guest("hello03"));
    let (status, _, stderr) = squall(&["check", "."], site.folder.path());
    assert!(status.success(), "each is a port of its own: {stderr}");
}

#[test]
fn an_address_of_another_type_is_explained() {
    let stderr = refusal(&format!("[server]\nlisten = 3000\n{GOOD}"));
    assert!(stderr.contains("an address such as `\"127.0.0.1:3000\"`"), "{stderr}");
}

#[test]
fn no_handler_may_write_where_the_config_or_a_component_is() {
    for host in [".", "sub/..", ".."] {
        let stderr = refusal(&format!(
            "{GOOD}folders = [{{ host = \"{host}\", guest = \"/x\", access = \"read-write\" }}]\n"
        ));
        assert!(stderr.contains("could grant itself anything"), "{stderr}");
    }
    let twice = "folders = [{ host = \"a\", guest = \"/x\" }, { host = \"b\", guest = \"/x\" }]";
    let stderr = refusal(&format!("{GOOD}{twice}\n"));
    assert!(stderr.contains("there is a folder at `/x` already"), "{stderr}");
}

#[test]
fn no_handler_may_write_a_crate_or_a_secret() {
    let granted = "folders = [{ host = \"data\", guest = \"/x\", access = \"read-write\" }]";
    for precious in ["source = \"data/app\"", "secrets = { KEY = { file = \"data/key\" } }"] {
        let stderr = refusal(&format!("{GOOD}{precious}\n{granted}\n"));
        assert!(stderr.contains("could grant itself anything"), "{precious}: {stderr}");
    }
    let code = "source = \"app\"\nfolders = [{ host = \"app/src\", guest = \"/x\", access = \"read-write\" }]";
    let stderr = refusal(&format!("{GOOD}{code}\n"));
    assert!(stderr.contains("could grant itself anything"), "{stderr}");
}

#[test]
fn no_handler_may_write_the_certificates_that_are_trusted() {
    let asking = "outbound = [\"https://example.com\"]\n";
    let writing = "[handlers.other]\ncomponent = \"app.wasm\"\n\
                   folders = [{ host = \"data\", guest = \"/x\", access = \"read-write\" }]\n";
    for ca in ["data/ca.pem", "link.pem"] {
        let site =
            Site::toml(&format!("[server]\noutbound_ca = \"{ca}\"\n{GOOD}{asking}{writing}"));
        site.write("app.wasm", guest("hello03"));
        site.write("data/ca.pem", certificate());
        symlink("data/ca.pem", site.file("link.pem")).unwrap();
        let (status, _, stderr) = squall(&["check", "."], site.folder.path());
        assert_eq!(status.code(), Some(64), "{ca}: {stderr}");
        assert!(stderr.contains("could grant itself anything"), "{ca}: {stderr}");
        assert!(!stderr.contains("handler `app`"), "{ca}: {stderr}");
    }
}

#[test]
fn a_wrong_file_of_certificates_is_a_wrong_config() {
    for (content, words) in
        [(None, "there is no such file"), (Some("text"), "it holds no certificate")]
    {
        let site = Site::toml(&format!(
            "[server]\noutbound_ca = \"ca.pem\"\n{GOOD}outbound = [\"https://example.com\"]\n"
        ));
        site.write("app.wasm", guest("hello03"));
        if let Some(content) = content {
            site.write("ca.pem", content);
        }
        let (status, _, stderr) = squall(&["check", "."], site.folder.path());
        assert_eq!(status.code(), Some(64), "{words}: {stderr}");
        assert!(stderr.contains("`outbound_ca`") && stderr.contains("ca.pem"), "{stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
}

#[test]
fn links_are_no_way_to_the_config_or_a_component() {
    let granted = |host: &str| {
        format!(
            "{GOOD}health = \"/write?/x/made\"\n\
             folders = [{{ host = \"{host}\", guest = \"/x\", access = \"read-write\" }}]\n"
        )
    };
    type Links = fn(&Site);
    let ways: [(&str, &str, Links); 5] = [
        ("the folder", "link", |site| symlink(".", site.file("link")).unwrap()),
        ("the component", "data", |site| {
            fs::rename(site.file("app.wasm"), site.file("data/real.wasm")).unwrap();
            symlink("data/real.wasm", site.file("app.wasm")).unwrap();
        }),
        ("a link on the way", "data", |site| {
            fs::rename(site.file("app.wasm"), site.file("real.wasm")).unwrap();
            symlink("../real.wasm", site.file("data/app.wasm")).unwrap();
            symlink("data/app.wasm", site.file("app.wasm")).unwrap();
        }),
        ("the config", "data", |site| {
            fs::rename(site.file("squall.toml"), site.file("data/real.toml")).unwrap();
            symlink("data/real.toml", site.file("squall.toml")).unwrap();
        }),
        ("both", "link", |site| {
            fs::rename(site.file("app.wasm"), site.file("data/real.wasm")).unwrap();
            symlink("data/real.wasm", site.file("app.wasm")).unwrap();
            symlink("data", site.file("link")).unwrap();
        }),
    ];
    for (name, host, links) in ways {
        let site = Site::toml(&granted(host));
        site.write("app.wasm", guest("faults03"));
        site.write("data/file", "");
        links(&site);
        let (status, _, stderr) = squall(&["check", "."], site.folder.path());
        assert_eq!(status.code(), Some(64), "{name}: {stderr}");
        assert!(stderr.contains("could grant itself anything"), "{name}: {stderr}");
        assert!(stderr.contains("handler `app`"), "{name}: {stderr}");
        let made = ["made", "data/made"].map(|file| site.file(file).exists());
        assert_eq!(made, [false; 2], "{name}: it has run");
    }
}

#[test]
fn a_config_that_is_a_link_to_nowhere_is_no_folder_of_components() {
    let site = Site::empty();
    site.write("app.wasm", guest("hello03"));
    symlink("nowhere.toml", site.file("squall.toml")).unwrap();
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("squall.toml") && stderr.contains("No such file"), "{stderr}");
}

#[test]
fn a_secret_that_is_missing_hides_no_folder_that_is() {
    let stderr = refusal(&format!(
        "{GOOD}secrets = {{ KEY = {{ file = \"none\" }}, TWO = {{ env = \"SQUALL_NOT_SET\" }} }}\n\
         folders = [{{ host = \"no-data\", guest = \"/x\" }}]\n"
    ));
    for word in ["secret `KEY`", "secret `TWO`", "no-data"] {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
}
