//! The options of the benchmark.

use std::fmt;
use std::path::PathBuf;

use clap::builder::RangedU64ValueParser;
use clap::{Parser, ValueEnum};
use serde_json::{Map, Value};

/// Measures how the operator scales. Each run has a control plane of its own.
#[derive(Parser, Debug)]
#[command(name = "scale")]
pub struct Args {
    /// Comma-separated list of the numbers of resources.
    #[arg(
        long,
        value_name = "COUNTS",
        value_delimiter = ',',
        default_value = "1000,3000,10000",
        value_parser = RangedU64ValueParser::<u32>::new().range(10..=100_000)
    )]
    pub sizes: Vec<u32>,

    /// Number of repetitions. Each repetition measures every part once; the results are the medians.
    #[arg(long, value_name = "COUNT", default_value = "5", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
    pub rounds: u32,

    /// Comma-separated list of what to measure. Default: everything.
    #[arg(long, value_name = "PARTS", value_delimiter = ',')]
    pub only: Vec<Selection>,

    /// Folder for scale/results.json, scale/scale.svg and the table in scale.md.
    #[arg(long, value_name = "FOLDER", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/docs"))]
    pub output: PathBuf,

    /// Fields that are added to the spec of each resource, as JSON: for example '{"secret": {"template": {"key": "…"}}}'.
    #[arg(long, value_name = "JSON", default_value = "{}", value_parser = fields)]
    pub spec: Map<String, Value>,

    /// Passed by cargo, without an effect.
    #[arg(long = "bench", hide = true)]
    _cargo: bool,
}

fn fields(text: &str) -> serde_json::Result<Map<String, Value>> {
    serde_json::from_str(text)
}

/// A choice of parts.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// The same requests without an operator.
    Floors,
    /// The operator.
    Operator,
    /// The operator after an outage of STS.
    Herd,
}

/// What one run measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The calls for a resource without a schema.
    BareFloor,
    /// The calls for a `TemporaryCredential`, while the watches of an operator are open.
    ApiFloor,
    /// The operator.
    Operator,
    /// The operator after an outage of STS.
    Herd,
}

impl Args {
    /// The parts of a repetition, in their order.
    pub fn parts(&self) -> Vec<Part> {
        let all = [Part::BareFloor, Part::ApiFloor, Part::Operator, Part::Herd];
        let selected = |part: &Part| self.only.is_empty() || self.only.contains(&part.selection());
        all.into_iter().filter(selected).collect()
    }
}

impl Part {
    fn selection(self) -> Selection {
        match self {
            Self::BareFloor | Self::ApiFloor => Selection::Floors,
            Self::Operator => Selection::Operator,
            Self::Herd => Selection::Herd,
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BareFloor => "bare floor",
            Self::ApiFloor => "API floor",
            Self::Operator => "operator",
            Self::Herd => "operator after an outage of STS",
        })
    }
}
