//! Starting and stopping: signals, drains, exit codes, descriptors, broken pipes.

use crate::support::client::{self, Wire};
use crate::support::server::{Server, Site};
use crate::support::{SOON, eventually};
use rustix::process::Signal;
use squall_test_guests::{guest, version};
use std::net::TcpStream;
use std::time::{Duration, Instant};

fn serve(limits: &str) -> Server {
    let site = Site::toml(&format!(
        "[server.limits]\n{limits}\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n[handlers.app.limits]\ncpu = \"1h\"\nhead_deadline = \"1h\"\nbody_size = \"1 MiB\"\n"
    ));
    site.write("app.wasm", guest("faults03"));
    site.start()
}

#[test]
fn o25_a_drain_finishes_what_has_begun() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = serve("");
        let address = server.address;
        // Answering, sending, and idle.
        let answering = std::thread::spawn(move || client::get(address, "/sleep-ms?1000"));
        let mut sending = Wire::open(address);
        sending.request("POST /count HTTP/1.1\nHost: test\nContent-Length: 10\n\n");
        sending.send("half ");
        let mut idle = Wire::open(address);
        idle.request("GET / HTTP/1.1\nHost: test\n\n");
        assert_eq!(idle.reply().status, 200);
        server.await_in_flight(2);
        server.signal(signal);
        eventually(SOON, "refusing new connections", || TcpStream::connect(address).is_err());
        assert!(idle.closes_within(Duration::from_secs(5)), "idle connections close at once");
        sending.send("whole");
        assert_eq!(sending.reply().text(), "10 whole");
        let reply = answering.join().unwrap();
        assert_eq!((reply.text().as_str(), reply.complete), ("slept", true));
        assert_eq!(server.wait().code(), Some(0));
        server.await_log("draining");
    }
}

#[test]
fn o25_the_drain_has_a_deadline() {
    let mut server = serve("drain = \"700ms\"");
    let address = server.address;
    let mut stuck: Vec<Wire> = ["/ticks", "/forever", "/spin"]
        .iter()
        .map(|path| {
            let mut wire = Wire::open(address);
            wire.request(&format!("GET {path} HTTP/1.1\nHost: test\n\n"));
            wire
        })
        .collect();
    server.await_in_flight(3);
    assert_eq!(client::get(server.admin, "/readyz").status, 200);
    let began = Instant::now();
    server.signal(Signal::TERM);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(client::get(server.admin, "/readyz").status, 503, "not ready, and still there");
    assert_eq!(server.wait().code(), Some(1), "{:?}", server.stderr());
    assert!(began.elapsed() >= Duration::from_millis(700));
    assert!(began.elapsed() < Duration::from_secs(10));
    assert!(server.await_log("cutting connections").contains("\"connections\":3"));
    assert!(!stuck[0].reply().complete, "the stream is visibly broken");
}

#[test]
fn o26_a_second_signal_stops_now() {
    let mut server = serve("drain = \"1h\"");
    let mut wire = Wire::open(server.address);
    wire.request("GET /forever HTTP/1.1\nHost: test\n\n");
    server.await_in_flight(1);
    server.signal(Signal::TERM);
    server.await_log("draining");
    assert!(server.try_wait().is_none(), "it drains");
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(1));
}

#[test]
fn o26_no_signal_kills_by_surprise() {
    let mut server = serve("");
    for signal in [Signal::HUP, Signal::USR1, Signal::USR2, Signal::PIPE] {
        server.signal(signal);
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(server.get("/").status, 200, "after {signal:?}");
    }
    assert!(server.try_wait().is_none());
}

#[test]
fn o25_a_drain_during_a_reload_ends() {
    let mut server = Site::component(&version("version03", 1)).start();
    for v in 2..6 {
        server.site.replace("app.wasm", version("version03", v));
    }
    server.signal(Signal::TERM);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn o13_a_bad_start_binds_nothing() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let site = Site::toml(&format!(
        "colour = 1\n[server]\nlisten = \"127.0.0.1:{port}\"\n[[routes]]\nmount = \"/\"\nstatus = 200\n"
    ));
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64), "{stderr}");
    assert!(stderr.contains("squall.toml:1:1: unknown key `colour`"), "{stderr}");
    assert!(!stderr.contains("listening"), "{stderr}");
    // A component that cannot serve is found before a port is open, with all others.
    let site = Site::toml(
        "[[routes]]\nmount = \"/\"\nhandler = \"a\"\n[[routes]]\nmount = \"/b\"\nhandler = \"b\"\n\
         [handlers.a]\ncomponent = \"none.wasm\"\n[handlers.b]\ncomponent = \"text.wasm\"\n",
    );
    site.write("text.wasm", "text");
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(64));
    assert!(stderr.contains("handler `a`") && stderr.contains("there is no such file"), "{stderr}");
    assert!(
        stderr.contains("handler `b`") && stderr.contains("this is not WebAssembly"),
        "{stderr}"
    );
}

#[test]
fn o28_a_port_in_use_is_one_clear_line() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let site = Site::component(&guest("hello03"));
    let output = site.command().args(["--listen", &address.to_string()]).output().unwrap();
    // The last `--listen` would win, were clap to allow two.
    assert_eq!(output.status.code(), Some(64));
    let site = Site::toml(&format!(
        "[server]\nadmin = \"{address}\"\n[[routes]]\nmount = \"/\"\nstatus = 200\n"
    ));
    let (status, stderr) = site.run();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains(&format!("cannot listen on `{address}`")), "{stderr}");
}

#[test]
fn o27_a_restart_can_use_the_port_at_once() {
    let server = serve("");
    let address = server.address;
    let mut wire = Wire::open(address);
    wire.request("GET / HTTP/1.1\nHost: test\n\n");
    assert_eq!(wire.reply().status, 200);
    server.signal(Signal::KILL);
    drop(server);
    let site = Site::toml(&format!(
        "[server]\nadmin = \"{address}\"\n[[routes]]\nmount = \"/\"\nstatus = 200\n"
    ));
    // `--admin` is given by the harness, so listen there through the config.
    let mut command = site.command();
    command.args(["--log", "json", "--access-log", "json"]);
    let server = Server::spawn(site, command);
    assert_eq!(server.admin, address);
}

#[test]
fn o21_without_descriptors_it_pauses_and_recovers() {
    let site = Site::component(&guest("hello03"));
    let server = site.start_under(&["prlimit", "--nofile=64:64", "--"]);
    let mut held: Vec<Wire> = Vec::new();
    for _ in 0..80 {
        let mut wire = Wire::open(server.address);
        wire.request("GET / HTTP/1.1\nHost: test\n\n");
        held.push(wire);
    }
    // As many as there is room for are served; the others wait.
    assert_eq!(held[0].reply().status, 200);
    std::thread::sleep(Duration::from_millis(300));
    let cpu = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = cpu();
    std::thread::sleep(Duration::from_secs(1));
    assert!(cpu() - before < 30, "it spins while it is full");
    // There is room left to look at it, and to reload.
    assert_eq!(client::get(server.admin, "/healthz").status, 200);
    server.site.replace("app.wasm", guest("hello02"));
    eventually(SOON, "reloading", || server.generation("app") == 2);
    drop(held.remove(0));
    for mut wire in held {
        // Each is served once the ones before it are gone.
        assert_eq!(wire.reply().status, 200);
    }
    assert_eq!(server.get("/").status, 200);
}

#[test]
fn o19_a_log_that_nobody_reads_holds_nobody_up() {
    let site = Site::toml(
        "[server.limits]\nlog_queue = 100\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n",
    );
    site.write("app.wasm", guest("faults03"));
    let mut command = site.command();
    command.args(["--admin", "127.0.0.1:0", "--log", "json", "--access-log", "json"]);
    // Both pipes are full soon: nobody reads them after the first lines.
    let mut child = command.spawn().unwrap();
    let mut stderr = std::io::BufReader::new(child.stderr.take().unwrap());
    let address = |prefix: &str, stderr: &mut std::io::BufReader<_>| {
        let mut line = String::new();
        std::io::BufRead::read_line(stderr, &mut line).unwrap();
        let line = line.trim().strip_prefix(prefix).unwrap_or_else(|| panic!("{line}")).to_owned();
        line.parse::<std::net::SocketAddr>().unwrap()
    };
    let listen = address("squall listening on http://", &mut stderr);
    let admin = address("squall admin on http://", &mut stderr);
    let mut wire = Wire::open(listen);
    for i in 0..4000 {
        let path = if i % 40 == 0 { "/log?200" } else { "/" };
        wire.request(&format!("GET {path} HTTP/1.1\nHost: test\n\n"));
        assert_eq!(wire.reply().status, 200);
    }
    let metrics = client::get(admin, "/metrics").text();
    let value = |name: &str| -> f64 {
        let line = metrics.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(value("squall_access_log_dropped_total") > 0.0);
    assert!(value("squall_log_dropped_total") > 0.0);
    // A reader that is gone is no better.
    drop(stderr);
    drop(child.stdout.take());
    for _ in 0..200 {
        wire.request("GET /log?5 HTTP/1.1\nHost: test\n\n");
        assert_eq!(wire.reply().status, 200);
    }
    assert!(child.try_wait().unwrap().is_none(), "no death by SIGPIPE");
    child.kill().unwrap();
    child.wait().unwrap();
}
