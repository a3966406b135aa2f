//! What a host with 20 handlers takes when nobody asks for anything.

use crate::bars::Bar;
use crate::client::ask_once;
use crate::note;
use crate::process::{Cores, Memory, Server, free_port};
use crate::subject::{squall, squall_command};
use crate::table::Table;
use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::Request;
use hyper::header::HOST;
use squall_test_guests::{guest_path, sdk_guest_path};
use std::fs;
use std::path::Path;
use std::time::Duration;

const HANDLERS: usize = 20;
/// Enough for what a start leaves behind to be given back, if it ever is.
const REST: Duration = Duration::from_secs(15);

pub(crate) fn measure() -> Result<Vec<Bar>> {
    let mut table = Table::new(&["components", "compile cache", "resident", "proportional"]);
    let mut bars = Vec::new();
    let native = ("20 native by the SDK", sdk_guest_path("hello"));
    let standard = ("20 of WASI 0.3", guest_path("hello03"));
    for (world, component) in [&native, &standard] {
        let component = fs::read(component)?;
        let site = tempfile::tempdir()?;
        write_site(site.path(), &component)?;
        let cache = site.path().join("cache");
        let cache = cache.to_str().context("a path that is text")?;
        let warm = ["--cache", cache];
        note(format_args!("idle: {world}"));
        // Fills it.
        drop(start(site.path(), &warm)?);
        for (state, options) in [("warm", &warm[..]), ("off", &["--no-cache"])] {
            let Memory { resident, proportional } = rested(site.path(), options)?;
            let megabytes = |kib: u64| kib as f64 / 1024.0;
            table.row(vec![
                format!("{world}, {} KB each", component.len() / 1000),
                state.into(),
                format!("{:.1} MB", megabytes(resident)),
                format!("{:.1} MB", megabytes(proportional)),
            ]);
            if *world == native.0 {
                let what = match state {
                    "warm" => "idle, 20 native handlers: resident memory",
                    _ => "idle, 20 native handlers, all compiled at the start: resident memory",
                };
                bars.push(Bar::megabytes(what, megabytes(resident), 60.0, 40.0));
            }
        }
    }
    table.print("Idle, 20 handlers, each asked once");
    Ok(bars)
}

fn write_site(folder: &Path, component: &[u8]) -> Result<()> {
    let mut config = String::new();
    for n in 0..HANDLERS {
        fs::write(folder.join(format!("app{n}.wasm")), numbered(component, n))?;
        config += &format!(
            "[handlers.app{n}]\ncomponent = \"app{n}.wasm\"\n\
             [[routes]]\nmount = \"/{n}\"\nhandler = \"app{n}\"\n"
        );
    }
    // The first is also what says that the server is there.
    config += "[[routes]]\nmount = \"/\"\nhandler = \"app0\"\n";
    Ok(fs::write(folder.join("squall.toml"), config)?)
}

/// Another component that does the same, by a custom section at the end.
fn numbered(component: &[u8], n: usize) -> Vec<u8> {
    let contents = format!("{n:03}");
    let mut section = vec![0, 5 + contents.len() as u8, 4];
    section.extend_from_slice(b"copy");
    section.extend_from_slice(contents.as_bytes());
    [component, &section].concat()
}

fn start(site: &Path, options: &[&str]) -> Result<Server> {
    let port = free_port()?;
    let site = site.to_str().context("a path that is text")?;
    let mut words = squall_command(&squall()?, site, port, "off");
    words.extend(options.iter().map(|word| (*word).to_owned()));
    Server::start(Cores::Both.command(&words), port)
}

fn rested(site: &Path, options: &[&str]) -> Result<Memory> {
    let server = start(site, options)?;
    for n in 0..HANDLERS {
        let request = Request::get(format!("/{n}/")).header(HOST, "bench").body(Full::default())?;
        ask_once(server.address, request).with_context(|| format!("handler {n}"))?;
    }
    std::thread::sleep(REST);
    server.memory()
}

#[cfg(test)]
mod tests {
    use super::numbered;

    #[test]
    fn copies_differ_and_are_well_formed() {
        // An empty component: magic, version and layer.
        let empty = *b"\0asm\x0d\0\x01\0";
        let copies = [numbered(&empty, 0), numbered(&empty, 19)];
        assert_ne!(copies[0], copies[1]);
        for copy in copies {
            let (section, name) = (&copy[8..10], &copy[10..15]);
            assert_eq!((section[0], usize::from(section[1])), (0, copy.len() - 10));
            assert_eq!(name, b"\x04copy");
        }
    }
}
