//! `squall check PATH`

use super::runtime::runtime;
use super::{BAD_INPUT, fail, print, say};
use clap::Args;
use squall::app::{HandlerReport, check};
use squall::config::Source;
use squall::wasm::ImportStatus;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Check {
    /// What `serve` would be given
    path: PathBuf,
}

pub(crate) fn run(line: &Check) -> ExitCode {
    let runtime = match runtime() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&error, BAD_INPUT),
    };
    let source = squall::build::site_of(&line.path).and_then(|path| Source::find(&path));
    let report = match source.and_then(|source| runtime.block_on(check(source))) {
        Ok(report) => report,
        Err(error) => return fail(&error, BAD_INPUT),
    };
    for handler in &report.handlers {
        print_handler(handler);
    }
    for problem in &report.problems {
        say(format_args!("error: {problem}"));
    }
    if report.problems.is_empty() {
        print("ok");
        ExitCode::SUCCESS
    } else {
        ExitCode::from(BAD_INPUT)
    }
}

fn print_handler(handler: &HandlerReport) {
    print(format_args!("handler {}  {}", handler.name, handler.component.display()));
    let Some(shape) = &handler.shape else {
        print("  not loaded");
        return;
    };
    print(format_args!("  world {}, isolation {}", shape.world.label(), handler.isolation));
    for import in &handler.imports {
        let status = match import.status {
            ImportStatus::Free => "always".to_owned(),
            ImportStatus::Granted => "granted".to_owned(),
            ImportStatus::NotGranted(line) => format!("denied; to grant it: {line}"),
            ImportStatus::NeverGranted => "denied; never granted".to_owned(),
            ImportStatus::Missing => "missing: this Squall does not offer it".to_owned(),
        };
        print(format_args!("  {:<44} {status}", import.name));
    }
}
