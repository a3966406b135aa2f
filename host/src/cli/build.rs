//! `squall build PATH`

use super::{BAD_INPUT, fail, say};
use clap::Args;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// A site whose handlers have a `source`, or a plugin's crate
    path: PathBuf,
}

pub(crate) fn run(line: &Build) -> ExitCode {
    match squall::build::build(&line.path, &mut |text| say(text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, BAD_INPUT),
    }
}
