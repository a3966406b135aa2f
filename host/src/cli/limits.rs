//! `squall limits [PATH]`

use super::{BAD_INPUT, fail, print};
use clap::Args;
use squall::config::Source;
use squall::limits::{HandlerLimits, LimitRow, ServerLimits};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// The site, or the plugin's crate, whose limits to print; the defaults without it
    path: Option<PathBuf>,
}

pub(crate) fn run(limits: &Limits) -> ExitCode {
    let Some(path) = &limits.path else {
        print_table("server", &ServerLimits::default().rows());
        print_table("handler", &HandlerLimits::default().rows());
        return ExitCode::SUCCESS;
    };
    let source = squall::build::site_of(path).and_then(|path| Source::find(&path));
    let config = match source.and_then(|source| source.load(&[])) {
        Ok(config) => config,
        Err(error) => return fail(&error, BAD_INPUT),
    };
    print_table("server", &config.limits.rows());
    for (name, handler) in &config.handlers {
        print_table(&format!("handler {name}"), &handler.limits.rows());
    }
    ExitCode::SUCCESS
}

fn print_table(title: &str, rows: &[LimitRow]) {
    print(format_args!("[{title}]"));
    for row in rows {
        let changed = if row.value == row.default {
            String::new()
        } else {
            format!(" (default {})", row.default)
        };
        print(format_args!("{:<26} {:>12}{changed}  {}", row.name, row.value, row.reason));
    }
    print("");
}
