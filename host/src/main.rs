//! The `squall` binary: a table of contents.

mod cli;

use clap::Parser;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::Command::parse_line(cli::Line::try_parse()) {
        Ok(cli::Command::Serve(serve)) => cli::serve::run(serve),
        Ok(cli::Command::Check(check)) => cli::check::run(&check),
        Ok(cli::Command::Build(build)) => cli::build::run(&build),
        Ok(cli::Command::Limits(limits)) => cli::limits::run(&limits),
        Err(code) => code,
    }
}
