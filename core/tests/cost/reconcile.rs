//! One reconciliation: the calls of the core, in the order in which `src/controller` makes them.

use std::sync::Arc;
use tempcred_core::credentials::Credentials;
use tempcred_core::desired::{Desired, SignedRequest};
use tempcred_core::observed::{KnownSecret, PendingWrite};
use tempcred_core::plan::{Decision, Issue, Plan, Rewrite, WithdrawnSecrets, plan};
use tempcred_core::queue::{BudgetKey, Calls, Demand, Reply};
use tempcred_core::secret::{IssueRecord, Manifest, WriteTarget};
use tempcred_core::status::{self, Outcome};

use crate::meter::Meter;
use crate::scene::Scene;

/// Reconciles the resource of a scene, and returns the names of the plans.
pub fn reconcile(scene: &mut Scene, meter: &mut Meter) -> Vec<&'static str> {
    let desired = meter.step("Desired::compile", || scene.desired());
    let mut view = meter
        .step("Memory::watched", || scene.memory.watched(&desired, scene.watched.as_ref(), false));
    let mut plans = Vec::with_capacity(2);
    let (known, outcome) = loop {
        let Decision { plan, known, pending } = meter.step("plan", || {
            let observed = scene.memory.observed(view);
            plan(&desired, observed, WithdrawnSecrets::default(), scene.now)
        });
        scene.memory.keep(pending);
        plans.push(plan.as_str());
        match plan {
            Plan::Read => {
                let secret = scene.secret.clone();
                view =
                    meter.step("Memory::read", || scene.memory.read(&desired, secret, scene.now));
            }
            Plan::UpToDate => {
                meter.step("Queue::remove", || scene.queue.remove(&scene.key));
                break (known, Outcome::Succeeded);
            }
            Plan::Issue(issue) => {
                break (call_and_write(scene, meter, &desired, issue), Outcome::Succeeded);
            }
            Plan::Rewrite(rewrite) => {
                let Rewrite { record, credentials, version } = *rewrite;
                let record = meter.step("IssueRecord", || record.reshaped(&desired));
                let target = WriteTarget::Existing(version);
                let known = write(scene, meter, &desired, record, &credentials, &target);
                break (known, Outcome::BackingOff);
            }
            other => panic!("no reconciliation of these kinds plans {}", other.as_str()),
        }
    };
    report(scene, meter, &desired, &known, &outcome);
    meter.step("drop", || drop((desired, known, outcome)));
    plans
}

/// Waits for the turn, and writes what STS replies.
fn call_and_write(
    scene: &mut Scene,
    meter: &mut Meter,
    desired: &Desired,
    Issue { request, due, target, .. }: Issue<'_>,
) -> KnownSecret {
    let now = scene.uptime();
    let turn = meter.step("Queue::begin", || {
        let demand = demand(scene, desired, request, due);
        scene.queue.begin(&scene.key, demand, now)
    });
    scene.memory.attempt(desired);
    // The grants are decided before the call, while it is made, and before the write.
    meter.step("Desired::compile", || scene.desired());
    meter.step("Desired::compile", || scene.desired());
    scene.memory.called(scene.now);
    let reply = scene.reply();
    let credentials = meter.step("Credentials::check", || {
        Credentials::check(reply, scene.now, scene.now).expect("a valid reply")
    });
    let pending = PendingWrite {
        request_hash: desired.request_hash.clone(),
        renew_request: desired.renew_request.clone(),
        credentials,
    };
    let record = meter.step("IssueRecord", || pending.record(desired));
    let known = write(scene, meter, desired, record, &pending.credentials, &target);
    let turn = turn.expect("no other resource waits");
    let calls = Calls { made: 1, reply: Reply::Answered };
    meter.step("Queue::end", || scene.queue.end(turn, calls, now));
    known
}

fn demand(
    scene: &Scene,
    desired: &Desired,
    request: &SignedRequest,
    due: jiff::Timestamp,
) -> Demand {
    Demand {
        due,
        budget: BudgetKey::of(desired, request, scene.regions.own()),
        calls: request.calls(),
        refused: false,
    }
}

fn write(
    scene: &mut Scene,
    meter: &mut Meter,
    desired: &Desired,
    record: IssueRecord,
    credentials: &Credentials,
    target: &WriteTarget,
) -> KnownSecret {
    meter.step("Desired::compile", || scene.desired());
    let manifest = meter.step("Manifest::render", || {
        let manifest = Manifest::render(desired, &record, credentials).expect("no template");
        let manifest = manifest.only_if(target);
        serde_json::to_vec(&manifest).expect("a manifest is JSON")
    });
    let resource_version = scene.store(&manifest);
    meter.step("Memory::written", || {
        scene.memory.written(record.clone());
        KnownSecret::Holds { record: Box::new(record), resource_version: Some(resource_version) }
    })
}

fn report(
    scene: &mut Scene,
    meter: &mut Meter,
    desired: &Desired,
    known: &KnownSecret,
    outcome: &Outcome,
) {
    let next = meter.step("status::next", || {
        Arc::new(status::next(desired, scene.memory.status(), known, outcome, scene.now))
    });
    meter.step("status::next_reconciliation", || {
        status::next_reconciliation(&next, desired, scene.now)
    });
    meter.step("Memory::set_status", || scene.memory.set_status(Arc::clone(&next)));
    if meter.step("compare", || next != scene.saved) {
        meter.step("status::events", || status::events(&scene.saved, &next));
        scene.saved = next;
    }
}
