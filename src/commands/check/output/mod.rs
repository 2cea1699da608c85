//! The formats of the report.

mod human;
mod json;
mod junit;
mod sarif;

use std::io::{self, Write};

use anyhow::Context;

use super::args::Format;
use super::report::Report;

/// Prints a report to standard output.
///
/// # Errors
/// If it cannot be written. A reader that closes the pipe early is no error.
pub fn print(format: Format, report: &Report) -> anyhow::Result<()> {
    let text = match format {
        Format::Human => human::text(report),
        Format::Json => pretty(&json::value(report))?,
        Format::Sarif => pretty(&sarif::value(report))?,
        Format::Junit => junit::text(report).context("the report cannot be written as XML")?,
    };
    // Removes the colours unless standard output is a terminal and NO_COLOR is not set.
    let mut out = anstream::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("the report cannot be written to standard output"),
    }
}

fn pretty(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string_pretty(value)?))
}
