//! `squall limits [PATH]`

use super::{BAD_INPUT, fail, print};
use anyhow::Result;
use clap::Args;
use squall::config::Source;
use squall::limits::{HandlerLimits, LimitRow, ServerLimits, raise_descriptors};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Limits {
    /// The site, or the plugin's crate, whose limits to print; the defaults without it
    path: Option<PathBuf>,
}

pub(crate) fn run(limits: &Limits) -> ExitCode {
    match print_tables(limits.path.as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, BAD_INPUT),
    }
}

fn print_tables(path: Option<&Path>) -> Result<()> {
    let descriptors = raise_descriptors();
    let server = ServerLimits::default().within(descriptors)?;
    let handler = HandlerLimits::default();
    let Some(path) = path else {
        print_table("server", &server.rows(&server));
        print_table("handler", &handler.rows(&handler));
        return Ok(());
    };
    let source = squall::build::site_of(path)?;
    let config = Source::find(&source)?.load()?;
    print_table("server", &config.limits.within(descriptors)?.rows(&server));
    for (name, found) in &config.handlers {
        print_table(&format!("handler {name}"), &found.limits.rows(&handler));
    }
    Ok(())
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
