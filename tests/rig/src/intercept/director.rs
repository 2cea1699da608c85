//! Decides what happens to each request, and records what happened.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::sync::watch;

use super::call::Call;

/// What happens to a request that has an effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Fault {
    /// The process is killed, and the request is never made.
    KillBefore,
    /// The request is made, and the process is killed before it gets the reply.
    KillReplyLost,
    /// The process is killed when it has the reply.
    KillAfter,
    /// The request is made after this time.
    Delay(Duration),
    /// The request is not made. The reply is an error with this status.
    Reject(u16),
    /// The request is made twice. The process gets the second reply.
    Duplicate,
    /// The request is made, and the connection ends without a reply.
    LoseReply,
    /// The watches do not show the change that the request makes.
    HideEcho,
    /// The watches show the change after this time.
    DelayEcho(Duration),
    /// All watches end before the request is made, as broken connections do.
    CutWatches,
    /// All watches end before the request is made, because they are too old (410).
    ExpireWatches,
}

/// Chooses the fault for an effect, by its number from 0 on.
pub type Choose = Box<dyn FnMut(usize, &Call) -> Option<Fault> + Send>;

/// An effect, and the fault that happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effect {
    /// The request.
    pub call: Call,
    /// The fault.
    pub fault: Option<Fault>,
    /// The status of the reply of the peer. None if the request was not made, or its reply is still awaited.
    pub status: Option<u16>,
}

/// An effect on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    /// Its number.
    number: usize,
    pub(super) fault: Option<Fault>,
}

/// What the watches do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Flow {
    /// Open watches end when this changes.
    pub(super) cuts: u64,
    /// Whether they end with 410 then, so that the process lists again, or without an end.
    pub(super) expired: bool,
    /// Whether events wait.
    pub(super) stalled: bool,
    /// Changes whenever an effect completes.
    pub(super) completed: u64,
}

pub(super) struct Director {
    state: Mutex<State>,
    pub(super) flow: watch::Sender<Flow>,
}

struct State {
    choose: Choose,
    effects: Vec<Effect>,
    pid: Option<Pid>,
    kills: usize,
    /// The objects whose echo is hidden or delayed, while the request is being made.
    in_flight: Vec<Call>,
    /// Changes whose echo is hidden.
    hidden: Vec<Change>,
    /// Changes whose echo is delayed.
    delayed: Vec<(Change, Duration)>,
}

/// A change as watches show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// The object got this resource version.
    Version(String),
    /// The object was deleted. The reply to the request does not contain its last resource version.
    Deletion { resource: String, namespace: String, name: String },
}

/// The echo of an effect waits until this is dropped, also if the process does not wait for the reply.
pub(super) struct Held<'a> {
    director: &'a Director,
    call: &'a Call,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.director.release(self.call);
    }
}

/// What a watch does with an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Echo {
    Pass,
    Hide,
    Delay(Duration),
    /// Until the request that caused it completes.
    Wait,
}

impl Director {
    pub(super) fn new() -> Self {
        let state = State {
            choose: Box::new(|_, _| None),
            effects: vec![],
            pid: None,
            kills: 0,
            in_flight: vec![],
            hidden: vec![],
            delayed: vec![],
        };
        Self { state: Mutex::new(state), flow: watch::Sender::new(Flow::default()) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn choose(&self, choose: Choose) {
        self.state().choose = choose;
    }

    pub(super) fn process(&self, pid: Option<Pid>) {
        self.state().pid = pid;
    }

    pub(super) fn effects(&self) -> Vec<Effect> {
        self.state().effects.clone()
    }

    /// Records an effect, and chooses its fault.
    pub(super) fn arrive(&self, call: &Call) -> Arrived {
        let mut state = self.state();
        let number = state.effects.len();
        let fault = (state.choose)(number, call);
        state.effects.push(Effect { call: call.clone(), fault, status: None });
        Arrived { number, fault }
    }

    /// Holds the echo of an effect back until the guard is dropped, if a fault concerns it.
    pub(super) fn hold_echo<'a>(&'a self, arrived: &Arrived, call: &'a Call) -> Option<Held<'a>> {
        let concerns = matches!(arrived.fault, Some(Fault::HideEcho | Fault::DelayEcho(_)));
        concerns.then(|| {
            self.state().in_flight.push(call.clone());
            Held { director: self, call }
        })
    }

    /// Records the reply to an effect, and the resource version that it made.
    pub(super) fn complete(
        &self,
        Arrived { number, fault }: Arrived,
        call: &Call,
        status: Option<u16>,
        version: Option<String>,
    ) {
        let mut state = self.state();
        if let Some(effect) = state.effects.get_mut(number) {
            effect.status = status;
        }
        let succeeded = matches!(status, Some(200..300));
        let deleted = || {
            let Call { resource, namespace, name, .. } = call.clone();
            (succeeded && call.verb == "delete").then_some(Change::Deletion {
                resource,
                namespace,
                name,
            })
        };
        match (fault, version.map(Change::Version).or_else(deleted)) {
            (Some(Fault::HideEcho), Some(change)) => state.hidden.push(change),
            (Some(Fault::DelayEcho(delay)), Some(change)) => state.delayed.push((change, delay)),
            _ => {}
        }
    }

    fn release(&self, call: &Call) {
        let mut state = self.state();
        if let Some(place) = state.in_flight.iter().position(|one| one == call) {
            state.in_flight.swap_remove(place);
        }
        drop(state);
        self.flow.send_modify(|flow| flow.completed += 1);
    }

    /// What a watch of this resource does with an event about an object.
    pub(super) fn echo(&self, resource: &str, name: &str, change: &Change) -> Echo {
        let state = self.state();
        let in_flight = state
            .in_flight
            .iter()
            .any(|call| call.name == name && call.resource.split('/').next() == Some(resource));
        let delayed = state.delayed.iter().find(|(one, _)| one == change);
        match delayed {
            _ if in_flight => Echo::Wait,
            _ if state.hidden.contains(change) => Echo::Hide,
            Some((_, delay)) => Echo::Delay(*delay),
            None => Echo::Pass,
        }
    }

    pub(super) fn kills(&self) -> usize {
        self.state().kills
    }

    /// Ends all watches.
    pub(super) fn end_watches(&self, expired: bool) {
        self.flow.send_modify(|flow| {
            flow.cuts += 1;
            flow.expired = expired;
        });
    }

    /// Kills the process, as the kernel does when memory is short.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        if let Some(pid) = state.pid.take() {
            state.kills += 1;
            // It may have ended by itself.
            let _ = rustix::process::kill_process_group(pid, Signal::KILL);
        }
    }
}
