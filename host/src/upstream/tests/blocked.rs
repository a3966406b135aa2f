//! What others do on the blocking threads of the runtime.

use crate::upstream::{Resolve, SystemResolver, Tls};
use std::net::IpAddr;
use std::sync::mpsc::channel;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn nothing_waits_for_blocking_threads_that_others_keep() {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let (release, released) = channel::<()>();
        let kept = spawn_blocking(move || released.recv());
        let found = timeout(PATIENCE, SystemResolver.resolve("localhost")).await;
        let found = found.expect("addresses in time").unwrap();
        assert!(!found.is_empty() && found.iter().all(IpAddr::is_loopback), "{found:?}");
        let tls = Tls::default();
        // Whether this system has any.
        let _roots = timeout(PATIENCE, tls.config()).await.expect("root certificates in time");
        drop(release);
        kept.await.unwrap().unwrap_err();
    });
}
