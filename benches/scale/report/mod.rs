//! The results as JSON, as a table and as a plot.

mod peers;
mod plot;
mod table;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::args::Args;
use crate::figures::Size;
use crate::herd::OUTAGE;
use crate::machine::Machine;
use crate::operator::{STS_RATE, concurrency};
use crate::scene::{NAMESPACES, STS_DELAY};
use crate::workers::AT_ONCE;
use peers::{PEERS, Peer};

pub use table::render as table;

#[derive(Serialize)]
struct Results<'a> {
    machine: &'a Machine,
    settings: Settings,
    sizes: &'a [Size],
    peers_from_another_run: &'a [Peer],
}

/// The conditions of the measurement.
#[derive(Serialize)]
struct Settings {
    rounds: u32,
    sts_delay_ms: u128,
    operator_sts_rate: u32,
    operator_concurrency: String,
    floor_requests_at_once: usize,
    namespaces: usize,
    outage_seconds: u64,
}

/// Writes all results to a folder.
pub fn write(folder: &Path, machine: &Machine, args: &Args, sizes: &[Size]) -> Result<()> {
    let settings = Settings {
        rounds: args.rounds,
        sts_delay_ms: STS_DELAY.as_millis(),
        operator_sts_rate: STS_RATE,
        operator_concurrency: concurrency()?,
        floor_requests_at_once: AT_ONCE,
        namespaces: NAMESPACES,
        outage_seconds: OUTAGE.as_secs(),
    };
    let results = Results { machine, settings, sizes, peers_from_another_run: PEERS };
    let inner = folder.join("scale");
    fs::create_dir_all(&inner).with_context(|| inner.display().to_string())?;
    fs::write(inner.join("results.json"), serde_json::to_string_pretty(&results)? + "\n")?;
    plot::draw(&inner.join("scale.svg"), sizes)?;
    let page = folder.join("scale.md");
    let text = fs::read_to_string(&page).unwrap_or_default();
    fs::write(&page, table::replace(&text, &table(machine, args.rounds, sizes)))?;
    eprintln!("written: scale.md and scale/ in {}", folder.display());
    Ok(())
}
