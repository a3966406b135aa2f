//! The commands, and the words of what they refuse.

use crate::support::client;
use crate::support::server::{Server, Site, squall};
use squall_test_guests::guest;
use std::path::Path;
use std::process::Stdio;

#[test]
fn the_address_is_the_first_line_whatever_the_log_says() {
    for filter in ["trace", "info", "off"] {
        let server = Site::component(&guest("hello03")).env("SQUALL_LOG", filter).start();
        let first = &server.stderr()[0];
        assert_eq!(*first, format!("squall listening on http://{}", server.address), "{filter}");
    }
}

#[test]
fn check_says_what_serve_would_refuse_and_what_is_granted() {
    let site = Site::toml(
        "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n[[routes]]\nmount = \"/b\"\nhandler = \"b\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\noutbound = [\"https://api.example.com\"]\n\
         [handlers.b]\ncomponent = \"b.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    site.write("b.wasm", guest("faults02"));
    let (status, stdout, stderr) = squall(&["check", "."], site.folder.path());
    assert!(status.success(), "{stdout}{stderr}");
    let line = |handler: &str, interface: &str| {
        let part = stdout.split("handler ").find(|part| part.starts_with(handler)).unwrap();
        part.lines()
            .find(|line| line.contains(interface))
            .unwrap_or_else(|| panic!("{interface} in {part}"))
            .to_owned()
    };
    assert!(stdout.contains("world wasi:http/service@0.3, isolation shared"), "{stdout}");
    assert!(stdout.contains("world wasi:http/proxy@0.2, isolation request"), "{stdout}");
    assert!(line("app", "wasi:http/client@").ends_with("granted"));
    assert!(line("b", "wasi:http/outgoing-handler@").contains("denied; to grant it: outbound = ["));
    assert!(line("b", "wasi:io/streams@").ends_with("always"));
    assert!(line("b", "wasi:sockets/udp@").ends_with("denied; never granted"));
    // A refusal.
    site.write("b.wasm", wat::parse_str("(module)").unwrap());
    let (status, stdout, stderr) = squall(&["check", "squall.toml"], site.folder.path());
    assert_eq!(status.code(), Some(64));
    assert!(stderr.contains("handler `b`") && stderr.contains("this is a core module"), "{stderr}");
    assert!(stdout.contains("not loaded"), "{stdout}");
}

#[test]
fn limits_prints_the_table_in_force() {
    let (status, stdout, _) = squall(&["limits"], Path::new("."));
    assert!(status.success());
    for row in ["first_byte", "in_flight", "cpu", "outbound_connect", "log_line"] {
        assert!(stdout.lines().any(|line| line.starts_with(row)), "{row} in {stdout}");
    }
    let site = Site::handler(&guest("hello03"), "limits = { cpu = \"2s\" }");
    let (_, stdout, _) = squall(&["limits", "."], site.folder.path());
    let cpu = stdout.lines().find(|line| line.starts_with("cpu ")).unwrap();
    assert!(cpu.contains("2s (default 250ms)"), "{cpu}");
}

#[test]
fn limits_prints_what_nought_stands_for() {
    let site =
        Site::toml("[server.limits]\nconnections = 2\n[[routes]]\nmount = \"/\"\nstatus = 200\n");
    let table = |arguments: &[&str]| {
        let mut command = std::process::Command::new("prlimit");
        command.args(["--nofile=500:1000", "--", env!("CARGO_BIN_EXE_squall"), "limits"]);
        let output = command.args(arguments).current_dir(site.folder.path()).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let row = |table: &str, name: &str| {
        let found = table.lines().find(|line| line.starts_with(&format!("{name} ")));
        found.unwrap_or_else(|| panic!("{name} in {table}")).to_owned()
    };
    let stands_for = |table: &str, name: &str, value: &str| {
        let row = row(table, name);
        assert!(row.contains(&format!(" {value}  ")) && row.contains("0 stands for"), "{row}");
    };
    let defaults = table(&[]);
    stands_for(&defaults, "connections", "900");
    stands_for(&defaults, "files_open", "16");
    stands_for(&defaults, "outbound_open", "50");
    let set = table(&["."]);
    assert!(row(&set, "connections").contains(" 2 (default 900)  "), "{set}");
    stands_for(&set, "files_open", "16");
}

/// The log on stderr is there before the config, so no config sets its room.
#[test]
fn limits_tells_how_many_lines_of_either_log_may_wait() {
    let (_, stdout, _) = squall(&["limits"], Path::new("."));
    let row = stdout.lines().find(|line| line.starts_with("log_queue ")).unwrap();
    let (access, stderr) = row.split_once("The log on stderr").unwrap();
    assert!(access.contains("access log"), "{row}");
    assert!(stderr.contains(&format!("room for {}", squall::logging::QUEUE)), "{row}");
}

#[test]
fn every_limit_of_the_table_can_be_set() {
    let (_, stdout, _) = squall(&["limits"], Path::new("."));
    let (server, handler) = stdout.split_once("[handler]").unwrap();
    let settings = |table: &str| -> String {
        let rows = table.lines().filter(|line| line.contains("  ") && !line.starts_with('['));
        rows.map(|row| {
            let name = row.split_whitespace().next().unwrap();
            let value = row[name.len()..].trim_start().split("  ").next().unwrap();
            let number = value.chars().all(|c| c.is_ascii_digit());
            if number { format!("{name} = {value}\n") } else { format!("{name} = \"{value}\"\n") }
        })
        .collect()
    };
    let config = format!(
        "[server.limits]\n{}\n[limits]\n{}\n[[routes]]\nmount = \"/\"\nstatus = 200\n",
        settings(server),
        settings(handler)
    );
    let site = Site::toml(&config);
    let (status, stdout, stderr) = squall(&["limits", "."], site.folder.path());
    assert!(status.success(), "{stderr}\n{config}");
    assert!(!stdout.contains("(default"), "printed as it is read: {stdout}");
}

#[test]
fn a_config_is_refused_with_file_and_line() {
    let cases = [
        (
            "[[routes]]\nmount = \"/\"\nhandler = \"x\"\n",
            "squall.toml:3:1: there is no handler `x`",
        ),
        ("[[routes]]\nmount = \"/\"\n", "squall.toml:1:1: a route leads to exactly one of"),
        ("[[routes]]\npath = \"/{\"\nstatus = 200\n", "squall.toml:2:1: path `/{`"),
        (
            "[server]\nlisten = \"nowhere\"\n[[routes]]\nmount = \"/\"\nstatus = 200\n",
            "squall.toml:2:1: `nowhere` is not an address",
        ),
        ("[limits]\nhead_time = \"1s\"\n", "`head_time` is a limit of the server"),
        ("[server.limits]\ncpu = \"1s\"\n", "`cpu` is a limit of handlers"),
        ("[limits]\ncpu = \"fast\"\n", "expected a time such as"),
        ("[limits]\nmemory = \"9 GiB\"\n", "above the server's `memory_ceiling`"),
        (
            "[handlers.a]\ncomponent = \"a.wasm\"\noutbound = [\"api.example.com\"]\n",
            "squall.toml:3:13: `api.example.com` has no scheme",
        ),
        ("[handlers.\"a b\"]\ncomponent = \"a.wasm\"\n", "`a b` is not a name for a handler"),
        ("", "there is no route"),
    ];
    for (config, words) in cases {
        let site = Site::toml(config);
        for command in ["check", "serve"] {
            let mut args = vec![command, "squall.toml"];
            if command == "serve" {
                args.extend(["--listen", "127.0.0.1:0"]);
            }
            let (status, _, stderr) = squall(&args, site.folder.path());
            assert_eq!(status.code(), Some(64), "{config}: {stderr}");
            assert!(stderr.contains(words), "wanted {words:?} for {config:?}, got {stderr}");
            assert!(stderr.starts_with("error: "), "{stderr}");
        }
    }
}

/// Whoever copies an address from the config to the command line, or from what `serve`
/// prints, is understood.
#[test]
fn the_command_line_takes_the_addresses_that_a_config_takes() {
    let site = Site::toml("[[routes]]\nmount = \"/\"\nstatus = 204\n");
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_squall"));
    command.args(["serve", ".", "--listen", "localhost:0", "--admin", "http://localhost:0"]);
    command.current_dir(site.folder.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let server = Server::spawn(site, command);
    assert_eq!(server.get("/").status, 204);
    assert_eq!(client::get(server.admin, "/healthz").status, 200);
    for flag in ["--listen", "--admin"] {
        let (status, _, stderr) = squall(&["serve", ".", flag, "nowhere"], Path::new("."));
        assert_eq!(status.code(), Some(64), "{stderr}");
        assert!(stderr.contains("`nowhere` is not an address; write for example"), "{stderr}");
    }
}

#[test]
fn paths_that_are_no_site_are_refused_in_plain_words() {
    let site = Site::empty();
    site.write("note.txt", "x");
    let cases = [
        ("none", "cannot open `none`"),
        (".", "holds neither a `squall.toml` nor a `.wasm` file"),
        ("note.txt", "is none of"),
    ];
    for (path, words) in cases {
        let (status, _, stderr) = squall(&["serve", path], site.folder.path());
        assert_eq!(status.code(), Some(64));
        assert!(stderr.contains(words), "{stderr}");
    }
    let (status, _, _) = squall(&["no-such-command"], site.folder.path());
    assert_eq!(status.code(), Some(64));
    let (status, stdout, _) = squall(&["--help"], site.folder.path());
    assert!(status.success() && stdout.contains("serve"));
}
