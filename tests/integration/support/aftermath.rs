//! The check that follows every fault: the process lives, its neighbour noticed
//! nothing, exactly the right counters moved, and everything that was taken was
//! given back.

use super::client;
use super::server::{Server, Site};
use super::{SOON, eventually, eventually_eq};
use squall_test_guests::guest;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A site with the handler `app` at `/` and its neighbour `canary`.
pub(crate) fn site_with_canary(component: &[u8], app: &str) -> Site {
    let site = Site::toml(&format!(
        "[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [[routes]]\nmount = \"/canary\"\nhandler = \"canary\"\n\
         [handlers.canary]\ncomponent = \"canary.wasm\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n{app}\n"
    ));
    site.write("app.wasm", component);
    site.write("canary.wasm", guest("hello02"));
    site
}

/// What was true before the fault, and the neighbour's calls during it.
pub(crate) struct Aftermath {
    before: BTreeMap<String, f64>,
    descriptors: usize,
    threads: usize,
    stop: Arc<AtomicBool>,
    canary: JoinHandle<Vec<Result<Duration, String>>>,
}

/// Between two calls of the neighbour.
const CANARY_PAUSE: Duration = Duration::from_millis(20);

/// A neighbour that waits longer than this was not left alone. Far above what a
/// busy machine causes, far below every limit of a fault.
const CANARY_PATIENCE: Duration = Duration::from_secs(5);

/// Gauges that must come back to what they were.
const GIVEN_BACK: [&str; 3] = ["squall_in_flight", "squall_queue", "squall_connections"];

/// Counters that may move although nothing failed.
fn is_ordinary(name: &str) -> bool {
    !name.starts_with("squall_faults_total") && !name.starts_with("squall_host_panics_total")
}

impl Aftermath {
    /// Call before the fault, on a server of [`site_with_canary`].
    pub(crate) fn begin(server: &Server) -> Self {
        // Warm, so that the baseline has what a working server has.
        assert_eq!(server.get("/canary/").status, 200);
        std::thread::sleep(Duration::from_millis(50));
        let before = server.metrics();
        let stop = Arc::new(AtomicBool::new(false));
        let (address, stopped) = (server.address, stop.clone());
        let canary = std::thread::spawn(move || {
            let mut calls = Vec::new();
            while calls.is_empty() || !stopped.load(Ordering::Relaxed) {
                let began = Instant::now();
                let reply = client::get(address, "/canary/");
                let healthy = reply.status == 200 && reply.complete;
                calls.push(if healthy { Ok(began.elapsed()) } else { Err(reply.head) });
                std::thread::sleep(CANARY_PAUSE);
            }
            calls
        });
        Aftermath {
            before,
            descriptors: server.descriptors(),
            threads: server.threads(),
            stop,
            canary,
        }
    }

    /// Checks everything. `kinds` are the faults of `app` that must have been
    /// counted, with how often; all others must not have moved.
    pub(crate) fn check(self, server: &mut Server, kinds: &[(&str, f64)]) {
        self.stop.store(true, Ordering::Relaxed);
        let calls = self.canary.join().unwrap();
        assert!(server.try_wait().is_none(), "the server ended");
        for call in calls {
            let took = call.unwrap_or_else(|head| panic!("the neighbour failed: {head}"));
            assert!(took < CANARY_PATIENCE, "the neighbour waited {took:?}");
        }
        let mut expected = self.before.clone();
        for (kind, n) in kinds {
            let name = format!("squall_faults_total{{handler=\"app\",kind=\"{kind}\"}}");
            *expected.entry(name).or_default() += n;
        }
        let faults = |metrics: &BTreeMap<String, f64>| -> BTreeMap<String, f64> {
            let counted = metrics.iter().filter(|(name, n)| !is_ordinary(name) && **n > 0.0);
            counted.map(|(name, n)| (name.clone(), *n)).collect()
        };
        let expected = faults(&expected);
        eventually_eq(SOON, "faults", &expected, || faults(&server.metrics()));
        eventually(SOON, "giving back", || {
            let now = server.metrics();
            let back = |name: &str| {
                let sum = |metrics: &BTreeMap<String, f64>| -> f64 {
                    let family = |full: &str| full.split('{').next() == Some(name);
                    metrics.iter().filter(|(n, _)| family(n)).map(|(_, v)| v).sum()
                };
                sum(&now) <= sum(&self.before)
            };
            GIVEN_BACK.iter().all(|name| back(name))
        });
        // A few more than before: the compiler's and runtime's threads come when
        // they are first needed.
        eventually(SOON, "giving back descriptors", || {
            server.descriptors() <= self.descriptors + 4
        });
        eventually(SOON, "giving back threads", || server.threads() <= self.threads + 8);
        check_log(server);
    }
}

/// Every line is JSON, holds no control bytes, and a fault's says what an operator
/// needs. Nothing panicked.
fn check_log(server: &Server) {
    for line in server.stderr() {
        let of_the_host = !line.contains("\"target\":\"squall::guest\"");
        assert!(!(of_the_host && line.contains("panicked at")), "{line}");
        assert!(!line.chars().any(|c| c.is_control() && c != '\t'), "{line:?}");
    }
    for line in server.log() {
        if line.get("kind").is_some() && line.get("handler").is_some() {
            for key in ["handler", "generation", "request", "cause"] {
                assert!(line.get(key).is_some(), "a fault without `{key}`: {line}");
            }
        }
    }
}
