//! Every fault at every effect of every scenario.

use std::any::Any;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::stream;
use futures::{FutureExt, StreamExt};
use rig::intercept::{Call, Effect, Fault, Peer};
use tempcred::planted::Bug;

use super::scenarios::{Outcome, Scenario};
use super::turn;

/// Number of runs at the same time. They wait most of the time.
pub const AT_ONCE: usize = 8;

/// One of so many runs with other faults is made if not all are.
const SAMPLE: usize = 4;

/// The same for the backlog. With most other numbers, one of the faults would be in no run.
const SAMPLE_OF_BACKLOG: usize = 7;

/// The scenarios that every test run plays.
const FEW: [Scenario; 4] = [
    Scenario::FirstIssue,
    Scenario::RenewalRequest,
    Scenario::RestoreAfterDeletion,
    Scenario::RevocationRemove,
];

/// A short delay, but longer than what the operator does next.
const DELAY: Duration = Duration::from_millis(300);

/// The process is killed.
pub const KILLS: [Fault; 3] = [Fault::KillBefore, Fault::KillReplyLost, Fault::KillAfter];

/// Something else goes wrong.
pub const OTHERS: [Fault; 11] = [
    Fault::Reject(409),
    Fault::Reject(429),
    Fault::Reject(500),
    Fault::Reject(503),
    Fault::Delay(DELAY),
    Fault::Duplicate,
    Fault::LoseReply,
    Fault::HideEcho,
    Fault::DelayEcho(DELAY),
    Fault::CutWatches,
    Fault::ExpireWatches,
];

/// Faults that cost neither a call nor the process, so that they change no order of calls.
pub const ORDERLY: [Fault; 6] = [
    Fault::Delay(DELAY),
    Fault::Duplicate,
    Fault::HideEcho,
    Fault::DelayEcho(DELAY),
    Fault::CutWatches,
    Fault::ExpireWatches,
];

/// Whether the fault can happen to a request to this peer.
fn applies(fault: Fault, peer: Peer) -> bool {
    match fault {
        // STS has neither conflicts nor watches.
        Fault::Reject(409) | Fault::HideEcho | Fault::DelayEcho(_) => peer == Peer::Api,
        Fault::KillBefore
        | Fault::KillReplyLost
        | Fault::KillAfter
        | Fault::Delay(_)
        | Fault::Reject(_)
        | Fault::Duplicate
        | Fault::LoseReply
        | Fault::CutWatches
        | Fault::ExpireWatches => true,
    }
}

/// A run with one fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    scenario: Scenario,
    effect: usize,
    fault: Fault,
}

/// The run without faults.
pub struct Reference {
    outcome: Outcome,
    effects: Vec<Effect>,
    calls: usize,
}

/// What is wrong with a run whose fault did not happen.
pub const NOT_HAPPENED: &str = "the fault did not happen";

/// A request, whatever the namespace.
fn anywhere(call: &Call) -> Call {
    Call { namespace: String::new(), ..call.clone() }
}

/// Whether an effect wrote an object of this resource.
fn writes(effect: &Effect, resource: &str) -> bool {
    let written = matches!(effect.status, Some(200 | 201));
    effect.call.verb == "patch" && effect.call.resource == resource && written
}

/// The resource that records credentials, and the one that records failures.
const RECORDS: [&str; 2] = ["secrets", "temporarycredentials/status"];

impl Reference {
    /// Runs a scenario without faults, with this bug.
    pub async fn of(scenario: Scenario, bug: Option<Bug>) -> Self {
        let outcome = scenario.run(Box::new(|_, _| None), bug).await;
        let effects = outcome.stage.effects();
        let calls = outcome.stage.calls();
        Self { outcome, effects, calls }
    }

    /// The request of an effect, and how many equal ones come before it.
    fn place(&self, effect: usize) -> (Call, usize) {
        let call = anywhere(&self.effects[effect].call);
        let before = self.effects[..effect].iter().filter(|one| anywhere(&one.call) == call);
        (call.clone(), before.count())
    }

    /// How many calls to STS a fault may cost: those whose credentials are in flight, so that they can be lost with the
    /// process or the reply.
    fn may_cost(&self, effect: usize, fault: Fault) -> usize {
        let (before, this) = (&self.effects[..effect], &self.effects[effect]);
        let since = |resource| before.iter().rev().take_while(move |one| !writes(one, resource));
        let calls = |one: &&Effect| one.call.peer == Peer::Sts;
        let succeeded = |one: &&Effect| one.status == Some(200);
        let [secrets, statuses] = RECORDS;
        let issued = since(secrets).filter(calls).filter(succeeded).count();
        let failed = since(statuses).filter(calls).filter(|one| !succeeded(one)).count();
        // What this effect records is no longer in flight.
        let left = usize::from(!writes(this, secrets)) * issued
            + usize::from(!writes(this, statuses)) * failed;
        // It may have made the next calls of a chain before it is killed.
        let after = self.effects[effect + 1..].iter().take_while(|one| calls(one)).count();
        match (fault, this.call.peer) {
            (Fault::KillReplyLost | Fault::LoseReply, Peer::Sts) => issued + failed + 1,
            (Fault::KillAfter, Peer::Sts) => issued + failed + 1 + after,
            (Fault::KillBefore | Fault::Reject(_), Peer::Sts) => issued + failed,
            (Fault::Duplicate, Peer::Sts) => 1,
            (Fault::KillBefore, Peer::Api) => issued + failed,
            (Fault::KillReplyLost | Fault::KillAfter, Peer::Api) => left,
            _ => 0,
        }
    }
}

/// Runs a scenario with a fault and this bug, and returns what is wrong with the result.
pub async fn judged(run: Run, reference: &Reference, bug: Option<Bug>) -> Result<(), String> {
    let Run { scenario, effect, fault } = run;
    let (call, mut before) = reference.place(effect);
    // The same kind of effect as in the reference, which may come earlier or later in this run.
    let chosen = Box::new(move |_, now: &Call| {
        let is_same = anywhere(now) == call;
        let is_it = is_same && before == 0;
        before = before.wrapping_sub(usize::from(is_same));
        is_it.then_some(fault)
    });
    // A panic is a result too.
    let played = AssertUnwindSafe(scenario.run(chosen, bug)).catch_unwind().await;
    let Outcome { stage, end } = played.map_err(|panic| message(&*panic))?;
    let happened = stage.effects().iter().any(|one| one.fault.is_some());
    let (calls, allowed) = (stage.calls(), reference.calls + reference.may_cost(effect, fault));
    if !happened {
        return Err(format!("{NOT_HAPPENED}: {:?}", stage.effects()));
    }
    let kills = stage.interceptor.kills();
    if kills != usize::from(KILLS.contains(&fault)) {
        return Err(format!("the operator was killed {kills} times"));
    }
    if calls > allowed {
        return Err(format!("{calls} calls to STS, {allowed} are allowed"));
    }
    let differences = end.differences(&reference.outcome.end);
    if !differences.is_empty() {
        return Err(differences.join("; "));
    }
    Ok(())
}

/// The text of a panic.
fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default()
}

/// A run for each effect of a scenario and each fault.
pub fn runs(scenario: Scenario, reference: &Reference, faults: &[Fault]) -> Vec<Run> {
    let effects = reference.effects.iter().enumerate();
    let runs = effects.flat_map(|(effect, Effect { call, .. })| {
        let faults = faults.iter().copied().filter(|fault| applies(*fault, call.peer));
        faults.map(move |fault| Run { scenario, effect, fault })
    });
    runs.collect()
}

/// Runs all of these scenarios with all of these faults, and prints the table.
async fn run_all(scenarios: &[Scenario], faults: &'static [Fault], sample: usize) {
    let references = stream::iter(scenarios.iter().copied())
        .map(|scenario| async move { (scenario, Arc::new(Reference::of(scenario, None).await)) });
    let references: BTreeMap<_, _> = references.buffer_unordered(AT_ONCE).collect().await;
    let of = |(number, (scenario, reference)): (usize, (&Scenario, &Arc<Reference>))| {
        // Some scenarios have the same effects, so each begins with another run.
        let chosen = move |(index, _): &(usize, Run)| runs_all() || (index + number) % sample == 0;
        let all = runs(*scenario, reference, faults).into_iter().enumerate();
        all.filter(chosen).map(|(_, run)| run)
    };
    let runs: Vec<_> = references.iter().enumerate().flat_map(of).collect();
    let missing: Vec<_> =
        faults.iter().filter(|fault| !runs.iter().any(|run| run.fault == **fault)).collect();
    assert!(missing.is_empty(), "no run has these faults: {missing:?}");
    let results = stream::iter(runs).map(|run| {
        let reference = Arc::clone(&references[&run.scenario]);
        async move { (run, judged(run, &reference, None).await) }
    });
    let results: BTreeMap<_, _> = results.buffer_unordered(AT_ONCE).collect().await;
    println!("{}", table(&references, &results, faults));
    let failed: Vec<_> = results.iter().filter(|(_, result)| result.is_err()).collect();
    assert!(failed.is_empty(), "{} of {} runs failed: {failed:#?}", failed.len(), results.len());
    assert!(!results.is_empty());
}

/// One line for each effect, with the number of faults that it survived.
fn table(
    references: &BTreeMap<Scenario, Arc<Reference>>,
    results: &BTreeMap<Run, Result<(), String>>,
    faults: &[Fault],
) -> String {
    let mut table = format!("{} runs, faults: {faults:?}\n", results.len());
    for (scenario, reference) in references {
        for (number, Effect { call, .. }) in reference.effects.iter().enumerate() {
            let of = |(run, _): &(&Run, _)| run.scenario == *scenario && run.effect == number;
            let (all, passed) =
                results.iter().filter(of).fold((0, 0), |(all, passed), (_, result)| {
                    (all + 1, passed + usize::from(result.is_ok()))
                });
            let _ = writeln!(table, "{scenario:?} | {number} {call} | {passed} of {all}");
        }
    }
    table
}

#[tokio::test]
async fn a_kill_at_any_effect_costs_only_the_calls_in_flight() {
    let _turn = turn().await;
    run_all(scenarios(), &KILLS, 1).await;
}

/// The scenarios of this run: all take half an hour.
fn scenarios() -> &'static [Scenario] {
    if runs_all() { &Scenario::ALL } else { &FEW }
}

/// Whether to run every fault at every effect of every scenario.
pub fn runs_all() -> bool {
    std::env::var_os("TEMPCRED_PROOF_ALL").is_some()
}

#[tokio::test]
async fn any_other_fault_at_any_effect_costs_only_the_calls_in_flight() {
    let _turn = turn().await;
    run_all(scenarios(), &OTHERS, SAMPLE).await;
}

#[tokio::test]
async fn the_most_urgent_of_a_backlog_goes_first_whatever_the_watches_show() {
    let _turn = turn().await;
    run_all(&[Scenario::Backlog], &ORDERLY, SAMPLE_OF_BACKLOG).await;
}
