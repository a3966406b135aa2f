//! A server of a component whose version shows in every answer, and requests that go on
//! while it is swapped.

use super::client::Wire;
use super::server::{Server, Site};
use super::{SOON, eventually};
use squall_test_guests::{marker, version};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Requests that go on during a row. Each answer must be wholly of one version.
pub(crate) struct Load {
    stop: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Result<(), String>>>,
}

impl Load {
    pub(crate) fn on(server: &Server) -> Self {
        Self::with(server, 2)
    }

    pub(crate) fn with(server: &Server, threads: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let threads = (0..threads)
            .map(|_| {
                let (stop, answered, address) = (stop.clone(), answered.clone(), server.address);
                std::thread::spawn(move || {
                    let mut wire = Wire::open(address);
                    while !stop.load(Ordering::Relaxed) {
                        wire.request("GET / HTTP/1.1\nHost: test\n\n");
                        let reply = wire.reply_to("GET").ok_or("the connection was closed")?;
                        if reply.status != 200 || !reply.complete {
                            return Err(format!("{reply:?}"));
                        }
                        let text = reply.text();
                        if text.len() != 3020 || text[..10] != text[3010..] {
                            return Err(format!("two versions in one answer: {text}"));
                        }
                        answered.fetch_add(1, Ordering::Relaxed);
                        std::thread::sleep(Duration::from_millis(5));
                    }
                    Ok(())
                })
            })
            .collect();
        Load { stop, answered, threads }
    }

    /// Ends the load; fails the test if any request failed.
    pub(crate) fn end(self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap().unwrap_or_else(|error| panic!("a request failed: {error}"));
        }
        assert!(self.answered.load(Ordering::Relaxed) > 0);
    }
}

pub(crate) fn serve() -> Server {
    Site::component(&version("version03", 1)).start()
}

pub(crate) fn version_now(server: &Server) -> String {
    server.get("/").text()[..10].to_owned()
}

pub(crate) fn await_version(server: &Server, wanted: u32) {
    eventually(SOON, &format!("version {wanted}"), || version_now(server) == marker(wanted));
}

pub(crate) fn reloads(server: &Server, result: &str) -> f64 {
    server.metric(&format!("squall_reloads_total{{handler=\"app\",result=\"{result}\"}}"))
}

/// Lets events settle, so that what must not happen had its chance.
pub(crate) fn let_settle() {
    std::thread::sleep(Duration::from_millis(400));
}

pub(crate) fn trouble(server: &Server) -> Option<String> {
    server.status()["handlers"][0]["trouble"].as_str().map(str::to_owned)
}
