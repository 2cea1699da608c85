//! What one reconciliation costs in the core: machine instructions, allocations and bytes. Unlike times, these do not
//! depend on the load of the machine, so they have bounds.
//!
//! | module | holds |
//! |---|---|
//! | [`bounds`] | the bounds, and what is wrong with a cost |
//! | [`meter`] | counts what each step costs |
//! | [`reconcile`] | the steps of a reconciliation |
//! | [`scene`] | the resource that is reconciled |
//! | [`trace`] | counts the instructions of a process |
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod bounds;
mod meter;
mod reconcile;
mod scene;
mod trace;

use std::env;
use std::fmt::Write;
use std::process::Command;

use bounds::{Cost, Kind, violations};
use meter::{Counted, Meter};
use reconcile::reconcile;
use scene::{Scene, after};

/// Runs of each reconciliation. The lowest cost counts: the seeds of hash maps vary.
const RUNS: usize = 3;

/// The environment variable that contains the kind of reconciliation whose instructions are counted.
const KIND: &str = "TEMPCRED_COST_OF";

/// An empty step, whose instructions every count includes.
const NOTHING: &str = "nothing";

/// The step whose instructions are counted for the first kind only. It does the same for all, and to count it takes long.
const SAME: &str = "Desired::compile";

/// The names of the plans of a reconciliation of this kind.
fn plans(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Idle => &["UpToDate"],
        Kind::FirstIssue | Kind::Renewal => &["Issue"],
        Kind::Repair => &["Read", "Rewrite"],
    }
}

/// A scene in which the next reconciliation is of this kind.
fn prepared(kind: Kind) -> Scene {
    let mut scene = Scene::new();
    if kind != Kind::FirstIssue {
        reconcile(&mut scene, &mut Meter::new(Counted::Nothing));
    }
    match kind {
        Kind::FirstIssue => {}
        Kind::Idle => scene.now = after(600),
        Kind::Renewal => scene.now = after(2400),
        Kind::Repair => {
            scene.now = after(600);
            scene.edit_secret();
        }
    }
    scene
}

/// A reconciliation of this kind.
fn run(kind: Kind, counted: Counted) -> Meter {
    let known = if kind == Kind::ALL[0] { vec![] } else { vec![SAME] };
    // What is initialised at its first use does not count.
    reconcile(&mut prepared(kind), &mut Meter::new(Counted::Nothing));
    let mut scene = prepared(kind);
    let mut meter = Meter::new(counted).without(known);
    meter.step(NOTHING, || ());
    let planned = reconcile(&mut scene, &mut meter);
    assert_eq!(planned, plans(kind), "{}", kind.as_str());
    meter
}

/// The instructions of one call of each step. This test program runs itself, and counts the instructions of that process.
fn instructions(kind: Kind) -> Vec<u64> {
    let program = env::current_exe().expect("the path of this program");
    let mut command = Command::new(program);
    command.env(KIND, kind.as_str()).args(["--exact", TEST, "--test-threads", "1", "--nocapture"]);
    let mut counts = trace::instructions(&mut command);
    // Each count includes the same instructions before and after the step.
    let nothing = counts[0];
    counts.iter_mut().for_each(|count| *count = count.saturating_sub(nothing));
    counts
}

/// The cost of each step, and how often it is called. `same` is the number of instructions of the step [`SAME`].
fn costs(kind: Kind, same: &mut Option<u64>) -> Vec<(&'static str, u64, Cost)> {
    let runs = (0..RUNS).map(|_| run(kind, Counted::Allocations));
    let cheapest = runs.min_by_key(|meter| meter.steps.iter().map(|(_, a)| a.bytes).sum::<u64>());
    let mut rows: Vec<(&'static str, u64, Cost)> = Vec::new();
    for (name, allocations) in cheapest.expect("a run").steps {
        let index = rows.iter().position(|(other, ..)| *other == name).unwrap_or(rows.len());
        if index == rows.len() {
            rows.push((name, 0, Cost::default()));
        }
        let (_, calls, cost) = &mut rows[index];
        *calls += 1;
        cost.allocations += allocations.count;
        cost.bytes += allocations.bytes;
    }
    let mut instructions = instructions(kind).into_iter();
    for (name, calls, cost) in &mut rows {
        let known = same.filter(|_| *name == SAME);
        let one = known.or_else(|| instructions.next()).expect("one count for each step");
        if *name == SAME {
            *same = Some(one);
        }
        cost.instructions = *calls * one;
    }
    assert_eq!(instructions.next(), None, "one count for each step");
    rows.remove(0);
    rows
}

/// Whether the bounds of instructions hold here: they were measured with the profile of tests, and on a processor with
/// instructions for SHA-256. Without these, hashes take more.
fn has_bounded_instructions() -> bool {
    cfg!(debug_assertions) && std::arch::is_x86_feature_detected!("sha")
}

/// The name of the test below.
const TEST: &str = "a_reconciliation_of_each_kind_stays_within_its_bounds";

#[test]
fn a_reconciliation_of_each_kind_stays_within_its_bounds() {
    if let Ok(name) = env::var(KIND) {
        let kind = Kind::ALL.into_iter().find(|kind| kind.as_str() == name).expect("a kind");
        trace::allow();
        run(kind, Counted::Instructions);
        return;
    }
    trace::stay_on_one_processor();
    let (mut table, mut wrong, mut same) = (String::new(), Vec::new(), None);
    for kind in Kind::ALL {
        let mut all = Cost::default();
        let mut row = |step, calls, Cost { instructions, allocations, bytes }| {
            let row = format!("{:<10} {step:<27} {calls:>5}", kind.as_str());
            writeln!(table, "{row} {instructions:>12} {allocations:>11} {bytes:>7}").expect("text");
        };
        for (step, calls, cost) in costs(kind, &mut same) {
            row(step, calls, cost);
            all += cost;
        }
        row("all steps", 1, all);
        if !has_bounded_instructions() {
            all.instructions = kind.bound().instructions;
        }
        wrong.extend(violations(kind, all, kind.bound()).iter().map(ToString::to_string));
    }
    println!(
        "kind       step                        calls instructions allocations   bytes\n{table}"
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
