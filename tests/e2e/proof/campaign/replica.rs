//! The two operators of a campaign, each behind an interceptor.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rig::intercept::{Fault, Interceptor};
use rustix::process::Signal;
use tokio::sync::Mutex as AsyncMutex;

use super::sequence::Replica;
use crate::operator::{Launch, Operator};
use crate::world::{SOON, World};

/// The fault that happens next, to whichever operator makes a request. Only the last one waits: those of a time without a
/// leader would otherwise all happen to the next leader, and kill each within its first second.
#[derive(Clone, Default)]
pub struct Faults(Arc<Mutex<Next>>);

#[derive(Default)]
struct Next {
    fault: Option<Fault>,
    happened: usize,
}

impl Faults {
    fn next(&self) -> std::sync::MutexGuard<'_, Next> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets this one happen next.
    pub fn add(&self, fault: Fault) {
        self.next().fault = Some(fault);
    }

    /// Number of faults that happened.
    pub fn happened(&self) -> usize {
        self.next().happened
    }

    /// Drops the one that has not happened.
    pub fn stop(&self) {
        self.next().fault = None;
    }

    fn take(&self) -> Option<Fault> {
        let mut next = self.next();
        let fault = next.fault.take();
        next.happened += usize::from(fault.is_some());
        fault
    }
}

/// Both operators.
pub struct Operators {
    pub faults: Faults,
    replicas: [AsyncMutex<Slot>; 2],
    interceptors: [Arc<Interceptor>; 2],
}

struct Slot {
    launch: Launch,
    kubeconfig: PathBuf,
    running: Option<Operator>,
}

/// Whether an operator has ended. It may do so only because it was killed, or with an error that it reports, while the API
/// server is away.
fn has_ended(operator: &Operator) -> bool {
    if operator.process.is_running() {
        return false;
    }
    let status = operator.process.wait(SOON).unwrap();
    let killed = status.signal() == Some(Signal::KILL.as_raw());
    assert!(
        killed || matches!(status.code(), Some(0 | 1)),
        "it ended with {status}: {}",
        operator.log()
    );
    true
}

impl Operators {
    /// Starts both, with these flags.
    pub async fn start(world: &mut World, flags: &[&str], faults: Faults) -> Self {
        let mut started = vec![];
        for number in 0..2 {
            let interceptor = Interceptor::start(world.rig, &world.sts.url()).unwrap();
            let theirs = faults.clone();
            interceptor.choose(Box::new(move |_, _| theirs.take()));
            let (url, user) = (interceptor.api_url(), world.rig.operator());
            let kubeconfig = world.rig.kubeconfig_for(user, Some(&url)).unwrap();
            world.sts_endpoint = Some(interceptor.sts_url());
            let flags = [&["--leader-elect"], flags].concat();
            let launch = world.launch_of(&format!("campaign-{number}"), &flags);
            let slot = Slot { launch, kubeconfig, running: None };
            started.push((AsyncMutex::new(slot), Arc::new(interceptor)));
        }
        let [(one, first), (two, second)] =
            <[_; 2]>::try_from(started).unwrap_or_else(|_| unreachable!("two are started"));
        let this = Self { faults, replicas: [one, two], interceptors: [first, second] };
        this.revive().await;
        this
    }

    /// Calls a function on the interceptor of each.
    pub fn each(&self, call: impl Fn(&Interceptor)) {
        self.interceptors.iter().for_each(|one| call(one));
    }

    /// Starts those again that have ended.
    pub async fn revive(&self) {
        for (slot, interceptor) in self.replicas.iter().zip(&self.interceptors) {
            // A paused one is not touched.
            let Ok(mut slot) = slot.try_lock() else { continue };
            if slot.running.as_ref().is_none_or(has_ended) {
                let operator = slot.launch.spawn(slot.kubeconfig.clone());
                interceptor.process(operator.process.pid());
                slot.running = Some(operator);
            }
        }
    }

    /// Kills one.
    pub async fn kill(&self, replica: Replica) {
        let slot = self.replicas[replica as usize].lock().await;
        if let Some(running) = &slot.running {
            running.process.kill().unwrap();
        }
    }

    /// Lets one stand still for this time.
    pub async fn pause(&self, replica: Replica, time: Duration) {
        let slot = self.replicas[replica as usize].lock().await;
        if let Some(running) = &slot.running {
            running.process.pause().unwrap();
            tokio::time::sleep(time).await;
            running.process.resume().unwrap();
        }
    }
}
