//! What happens before the server listens.

use crate::support::server::Site;
use squall_test_guests::guest;

#[test]
fn a_number_of_workers_that_is_none_is_refused_in_plain_words() {
    let site = Site::component(&guest("hello03"));
    for value in ["0", "two", "", "-1", "1000000000"] {
        for command in ["serve", "check"] {
            let output = std::process::Command::new(env!("CARGO_BIN_EXE_squall"))
                .arg(command)
                .arg(site.file("app.wasm"))
                .env("TOKIO_WORKER_THREADS", value)
                .output()
                .unwrap();
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(64), "{command} with `{value}`: {stderr}");
            let words = format!("error: `TOKIO_WORKER_THREADS={value}` is not a number of threads");
            assert!(stderr.starts_with(&words), "{stderr}");
        }
    }
    for value in ["1", "2"] {
        let site = Site::component(&guest("hello03")).env("TOKIO_WORKER_THREADS", value);
        assert_eq!(site.start().get("/").status, 200);
    }
}
