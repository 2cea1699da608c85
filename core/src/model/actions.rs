//! What can happen next.

use super::Model;
use super::process::{Script, reconcile};
use super::properties::{self};
use super::secret::StoredSecret;
use super::snapshot::Snapshot;
use super::world::World;
use crate::plan::WithdrawnSecrets;

/// One thing that happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Action {
    /// The process reconciles the resource.
    Reconcile,
    /// It does, and something goes wrong.
    Fail(Fault),
    /// The process stops and starts again.
    Crash,
    /// Another process leads.
    FailOver,
    /// The watch catches up.
    Deliver,
    /// A user acts.
    User(User),
    /// Time passes.
    Tick(Tick),
}

/// What goes wrong in a reconciliation.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Fault {
    /// The API server does not answer the read.
    ReadUnavailable,
    /// STS denies the request.
    StsRefuses,
    /// STS asks for fewer requests.
    StsThrottles,
    /// The process stops before it writes what STS issued.
    CrashAfterIssue,
    /// A user acts just before the Secret is written or deleted.
    BeforeWrite(User),
    /// The write of the Secret does not reach the API server.
    WriteUnavailable,
    /// The API server rejects the write of the Secret.
    WriteRejected,
    /// The Secret is written, and the process does not learn of it.
    ReplyLost,
    /// The process stops after it wrote the Secret.
    CrashAfterWrite,
    /// The write of the status does not reach the API server.
    StatusUnavailable,
}

/// What a user does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum User {
    DeleteSecret,
    /// Edits the environment variables; the files still hold the credentials.
    EditSomeValues,
    EditAllValues,
    RemoveAnnotations,
    /// Makes the credentials look as if they were issued now.
    ForgeTimes,
    RemoveLabel,
    /// Creates a Secret of the same name.
    CreateForeign,
    ChangeRequest,
    ChangeShape,
    /// Suspends the resource, or resumes it.
    Suspend,
    RequestRenewal,
    /// Withdraws the grant, so that the Secret expires, or grants again.
    Withdraw,
    /// Withdraws the grant, so that the Secret is removed at once.
    WithdrawAtOnce,
    /// Changes an input of the request.
    ChangeInput,
}

/// How much time passes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Tick {
    Second,
    /// Until the process wants to reconcile.
    Timer,
    /// Enough for any credentials to expire.
    Hour,
}

const USERS: [User; 14] = [
    User::DeleteSecret,
    User::EditSomeValues,
    User::EditAllValues,
    User::RemoveAnnotations,
    User::ForgeTimes,
    User::RemoveLabel,
    User::CreateForeign,
    User::ChangeRequest,
    User::ChangeShape,
    User::Suspend,
    User::RequestRenewal,
    User::Withdraw,
    User::WithdrawAtOnce,
    User::ChangeInput,
];

impl User {
    /// Acts; returns whether that changed anything.
    pub(super) fn act(self, world: &mut World) -> bool {
        match self {
            Self::DeleteSecret => world.secret.take().is_some(),
            Self::EditSomeValues => edit(world, |_, secret| {
                let first = !secret.some_values_edited && !secret.all_values_edited;
                secret.edit_values(|key| key.starts_with("AWS_"));
                secret.some_values_edited = true;
                first
            }),
            Self::EditAllValues => edit(world, |_, secret| {
                let first = !secret.all_values_edited;
                secret.edit_values(|_| true);
                secret.all_values_edited = true;
                first
            }),
            Self::RemoveAnnotations => edit(world, |_, secret| {
                let first = secret.secret.metadata.annotations.is_some();
                secret.remove_annotations();
                first
            }),
            // Only where a status knows better: without one, annotations are all there is to trust.
            Self::ForgeTimes => edit(world, |world, secret| {
                let id = secret.number.map(|number| format!("ASIA{number}"));
                secret.forge_times(world.now);
                let statuses =
                    [&*world.status, &*world.watched_status, world.process.memory.status()];
                id.is_some() && statuses.iter().all(|status| status.access_key_id == id)
            }),
            Self::RemoveLabel => edit(world, |_, secret| {
                let first = secret.is_in_watch();
                secret.remove_label();
                first
            }),
            Self::CreateForeign => {
                let absent = world.secret.is_none();
                if absent {
                    let version = world.next_version();
                    world.secret = Some(Snapshot::secret(StoredSecret::foreign(&version)));
                }
                absent
            }
            Self::ChangeRequest => change_spec(world, |w| w.spec.other_request ^= true),
            Self::ChangeShape => change_spec(world, |w| w.spec.other_shape ^= true),
            Self::Suspend => change_spec(world, |w| w.spec.suspended ^= true),
            Self::RequestRenewal => change(world, |w| w.spec.renew_requests += 1),
            Self::Withdraw => change(world, |w| w.spec.withdraw(WithdrawnSecrets::Expire)),
            Self::WithdrawAtOnce => {
                let granted = world.spec.granted;
                granted && change(world, |w| w.spec.withdraw(WithdrawnSecrets::Remove))
            }
            Self::ChangeInput => change(world, |w| {
                let mut memory = (*w.process.memory).clone();
                memory.inputs_changed();
                w.process.memory = Snapshot::memory(memory);
            }),
        }
    }
}

fn edit(world: &mut World, change: impl FnOnce(&World, &mut StoredSecret) -> bool) -> bool {
    let Some(mut secret) = world.secret.as_deref().filter(|s| !s.is_foreign()).cloned() else {
        return false;
    };
    let changed = change(world, &mut secret);
    if changed {
        secret.secret.metadata.resource_version = Some(world.next_version());
        world.secret = Some(Snapshot::secret(secret));
    }
    changed
}

fn change_spec(world: &mut World, change: impl FnOnce(&mut World)) -> bool {
    world.spec.generation += 1;
    self::change(world, change)
}

/// Whatever changes in the spec, the grants or the inputs ends the backoff.
fn change(world: &mut World, change: impl FnOnce(&mut World)) -> bool {
    change(world);
    world.desired = world.spec.desired();
    world.ghost.backoff_until = None;
    true
}

impl stateright::Model for Model {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World::new(self.sole, self.budget)]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        actions.push(Action::Reconcile);
        if !world.is_delivered() {
            actions.push(Action::Deliver);
        }
        if world.budget.faults > 0 {
            let faultless = reconcile(world, Script::faultless(self.bug));
            let faults = faultless.into_iter().flat_map(|world| world.could_fail);
            actions.extend(faults.map(Action::Fail));
            actions.push(Action::Crash);
            if !world.process.sole {
                actions.push(Action::FailOver);
            }
        }
        if world.budget.users > 0 {
            actions.extend(USERS.map(Action::User));
        }
        if world.budget.ticks > 0 {
            actions.extend([Tick::Second, Tick::Timer, Tick::Hour].map(Action::Tick));
        }
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let fault = match action {
            Action::Reconcile => return reconcile(world, Script::faultless(self.bug)),
            Action::Fail(fault) => Some(fault),
            _ => None,
        };
        if fault.is_some() {
            let mut next = reconcile(world, Script { fault, bug: self.bug })?;
            next.budget.faults -= 1;
            return Some(next);
        }
        let mut next = world.clone();
        match action {
            Action::Crash | Action::FailOver => {
                if action == Action::Crash {
                    next.restart()
                } else {
                    next.fail_over()
                }
                next.budget.faults -= 1;
            }
            Action::Deliver => next.deliver(),
            Action::User(user) => {
                next.budget.users -= 1;
                if !user.act(&mut next) {
                    return None;
                }
            }
            Action::Tick(tick) => {
                next.budget.ticks -= 1;
                next.now = match tick {
                    Tick::Second => world.now + 1,
                    Tick::Timer => world.process.timer.filter(|timer| *timer > world.now)?,
                    Tick::Hour => world.now + 3600,
                };
            }
            Action::Reconcile | Action::Fail(_) => unreachable!(),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<stateright::Property<Self>> {
        properties::properties()
    }
}
