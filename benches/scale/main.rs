//! How the operator scales, next to what the same requests cost without an operator: `cargo bench --bench scale`.
//!
//! | module | contains |
//! |---|---|
//! | [`args`] | the options |
//! | [`scene`], [`fleet`] | a control plane, STS and resources; what a watch sees of them |
//! | [`floor`] | the requests without an operator |
//! | [`operator`], [`process`], [`counts`] | a running operator; what it uses and which requests it makes |
//! | [`life`], [`herd`] | the measurements of an operator |
//! | [`figures`], [`report`], [`machine`] | the results |

mod args;
mod counts;
mod figures;
mod fleet;
mod floor;
mod herd;
mod life;
mod machine;
mod operator;
mod process;
mod report;
mod scene;
mod workers;

use std::time::Instant;

use anyhow::{Context, Result};
use clap::Parser;
use serde_json::{Map, Value};

use crate::args::{Args, Part};
use crate::figures::{Figure, Figures, Size};
use crate::machine::Machine;
use crate::operator::Binary;
use crate::scene::{Contents, Scene};

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let binary = Binary::find()?;
    let machine = Machine::describe()?;
    let parts = args.parts();
    let total = args.sizes.len() * args.rounds as usize * parts.len();
    let mut sizes = Vec::new();
    let mut number = 0;
    for &size in &args.sizes {
        let mut rounds = Vec::new();
        for round in 1..=args.rounds {
            let mut figures = Figures::default();
            for &part in &parts {
                number += 1;
                let what =
                    format!("[{number}/{total}] {size} resources, repetition {round}: {part}");
                let measured = measure(part, size as usize, &args.spec, &binary, &what).await;
                figures.extend(measured.with_context(|| what.clone())?);
            }
            figures.compare(Figure::StartRate, Figure::BareFloorRate, Figure::OfBareFloor);
            figures.compare(Figure::StartRate, Figure::ApiFloorRate, Figure::OfApiFloor);
            rounds.push(figures);
        }
        sizes.push(Size::new(size, rounds));
        // After each size: a failure of the next one does not lose it.
        report::write(&args.output, &machine, &args, &sizes)?;
    }
    println!("{}", report::table(&machine, args.rounds, &sizes));
    Ok(())
}

/// One run, with a control plane of its own.
async fn measure(
    part: Part,
    size: usize,
    spec: &Map<String, Value>,
    binary: &Binary,
    what: &str,
) -> Result<Figures> {
    let begin = Instant::now();
    let progress = rig::Progress::start(what);
    let figures = match part {
        Part::BareFloor => {
            floor::bare(&Scene::start(Contents::BareResources, size, spec).await?).await
        }
        Part::ApiFloor => floor::api(&Scene::start(Contents::Chart, size, spec).await?).await,
        Part::Operator => {
            life::measure(Scene::start(Contents::Chart, size, spec).await?, binary).await
        }
        Part::Herd => herd::measure(size, spec, binary).await,
    }?;
    drop(progress);
    eprintln!("{what}: {} ({:.0} s)", figures.summary(), begin.elapsed().as_secs_f64());
    Ok(figures)
}
