//! The command line: one file per subcommand.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod limits;
mod runtime;
pub(crate) mod serve;

use clap::{Parser, Subcommand};
use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

/// Bad usage, config or component, as in BSD's `sysexits`.
pub(crate) const BAD_INPUT: u8 = 64;

/// A server whose handlers are WebAssembly components.
#[derive(Debug, Parser)]
#[command(name = "squall", version, about)]
pub(crate) struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a site: a `squall.toml`, a folder that holds one, a folder of `.wasm` files, or one `.wasm` file
    Serve(serve::Serve),
    /// Say everything that `serve` would refuse, and what each handler may reach
    Check(check::Check),
    /// Compile the plugins of a site, or one plugin's crate
    Build(build::Build),
    /// Print every limit in force, with its reason
    Limits(limits::Limits),
}

impl Command {
    /// The parsed command; or, after help and usage are printed, the exit code.
    pub(crate) fn parse_line(line: Result<Line, clap::Error>) -> Result<Self, ExitCode> {
        line.map(|line| line.command).map_err(|error| {
            // There is nobody to tell if stderr is closed.
            let _ = error.print();
            if error.use_stderr() { ExitCode::from(BAD_INPUT) } else { ExitCode::SUCCESS }
        })
    }
}

/// One line on stderr.
pub(crate) fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// One line on stdout.
pub(crate) fn print(text: impl Display) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

/// An error as the last words of a command.
pub(crate) fn fail(error: &anyhow::Error, code: u8) -> ExitCode {
    say(format_args!("error: {error:#}"));
    ExitCode::from(code)
}
