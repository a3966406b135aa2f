//! Servers of the guests that fail on request.

use crate::support::aftermath::site_with_canary;
use crate::support::server::{Server, Site};
use squall_test_guests::guest;

/// The fault guest of each world.
pub(crate) const FAULTS: [&str; 3] = ["faults02", "faults03", "faults_web"];

/// Those of the worlds whose instances serve several requests at once.
pub(crate) const SHARING: [&str; 2] = ["faults03", "faults_web"];

/// Runs a body against the fault guests of all worlds.
pub(crate) fn in_all_worlds(limits: &str, test: impl Fn(&mut Server)) {
    for world in FAULTS {
        println!("world {world}");
        let app = format!("[handlers.app.limits]\n{limits}");
        let mut server = site_with_canary(&guest(world), &app).start();
        test(&mut server);
    }
}

/// A site whose runtime has one thread only.
pub(crate) fn one_thread(world: &str, limits: &str) -> Server {
    let app = format!("[handlers.app.limits]\n{limits}");
    site_with_canary(&guest(world), &app).env("TOKIO_WORKER_THREADS", "1").start()
}

/// A site of one handler with these lines below `[server.limits]` and
/// `[handlers.app.limits]`.
pub(crate) fn serve(server: &str, handler: &str) -> Server {
    let site = Site::toml(&format!(
        "[server.limits]\n{server}\n\
         [[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\n\
         [handlers.app.limits]\n{handler}\n"
    ));
    site.write("app.wasm", guest("faults03"));
    site.start()
}

/// A guest that may ask anything on loopback, with these limits of server and handler.
pub(crate) fn limited(world: &str, server: &str, handler: &str) -> Server {
    let site = Site::toml(&format!(
        "[server.limits]\n{server}\n[[routes]]\nmount = \"/\"\nhandler = \"app\"\n\
         [handlers.app]\ncomponent = \"app.wasm\"\noutbound = [\"http://127.0.0.1:*\"]\n\
         [handlers.app.limits]\n{handler}\n"
    ));
    site.write("app.wasm", guest(world));
    site.start()
}
