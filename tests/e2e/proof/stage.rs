//! An operator behind an interceptor, which is started again whenever it was killed.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::SignedDuration;
use rig::User;
use rig::intercept::{Choose, Effect, Interceptor};
use rig::sts::Received;
use tempcred::planted::Bug;

use super::observer::Observer;
use crate::chart::rights::installed_for;
use crate::check::{POLL, role_arn};
use crate::world::{Operator, World};

/// The deadline of a step. Backoff after a fault is part of it.
const STEP: Duration = Duration::from_secs(90);

/// Longer than the time between two calls that a user causes, after which a wrong call would be made.
pub const SETTLED: Duration = Duration::from_secs(7);

/// How long an operator makes no request with an effect before it counts as having nothing left to do.
const SILENCE: Duration = Duration::from_secs(1);

/// The first backoff of a refused call, shortened by a tenth as for some resources, and by another second because the time
/// in the status has no fractions.
const BACKOFF: SignedDuration = SignedDuration::from_secs(8);

/// An operator behind an interceptor.
pub struct Stage {
    pub world: World,
    pub interceptor: Interceptor,
    pub observer: Observer,
    kubeconfig: PathBuf,
    flags: Vec<&'static str>,
    /// The replica that takes over when the operator is killed.
    standby: Option<Operator>,
    /// How often the operator has ended.
    deaths: usize,
    /// Number of effects and of calls to STS before the scenario acts.
    begin: (usize, usize),
}

impl Stage {
    /// Starts an operator with these flags, and perhaps a bug, in a namespace of its own.
    pub async fn start(flags: &[&'static str], bug: Option<Bug>) -> Self {
        let world = World::new().await;
        let user = world.rig.operator().clone();
        Self::of(world, &user, flags, bug).await
    }

    /// Starts a leader, and a standby that takes over when the leader is killed.
    pub async fn with_standby(bug: Option<Bug>) -> Self {
        let world = World::new().await;
        // With a Lease of its own.
        let (user, _) = installed_for(&world, &[&world.namespace]).await;
        let flags = ["--leader-elect"];
        let mut stage = Self::of(world, &user, &flags, bug).await;
        let leads = async |world: &World| world.metric("tempcred_leader").await == Some(1.0);
        stage.until("the first leads", leads).await;
        let standby = stage.world.replica(stage.kubeconfig.clone(), &stage.flags).await;
        standby.wait_until_ready().await;
        stage.standby = Some(standby);
        stage
    }

    async fn of(mut world: World, user: &User, flags: &[&'static str], bug: Option<Bug>) -> Self {
        let bug = bug.map(|bug| format!("{bug:?}"));
        world.environment.insert(Bug::VARIABLE, bug);
        world.attribute().await;
        let interceptor = Interceptor::start(world.rig, &world.sts.url()).unwrap();
        let url = interceptor.api_url();
        let kubeconfig = world.rig.kubeconfig_for(user, Some(&url)).unwrap();
        world.sts_endpoint = Some(interceptor.sts_url());
        let observer = Observer::start(&world);
        let mut stage = Self {
            world,
            interceptor,
            observer,
            kubeconfig,
            // Attribution needs the name of the cluster.
            flags: [&["--cluster-name", "proof"], flags].concat(),
            standby: None,
            deaths: 0,
            begin: (0, 0),
        };
        stage.launch().await;
        stage.world.wait_for_readiness().await;
        stage
    }

    async fn launch(&mut self) {
        self.interceptor.before_start();
        self.world.launch(self.kubeconfig.clone(), &self.flags).await;
        self.interceptor.process(self.world.pid());
    }

    /// From now on, effects are counted, and `choose` decides about faults. Its numbers begin with 0 here.
    pub fn begin(&mut self, mut choose: Choose) {
        let effects = self.interceptor.effects().len();
        self.begin = (effects, self.world.sts.calls_total());
        self.interceptor
            .choose(Box::new(move |number, call| choose(number.checked_sub(effects)?, call)));
    }

    /// The effects since then.
    pub fn effects(&self) -> Vec<Effect> {
        self.interceptor.effects().split_off(self.begin.0)
    }

    /// The calls to STS since then, without those that repeat a refused call after its backoff: how many there are depends
    /// on the speed of the machine.
    pub fn calls(&self) -> usize {
        let calls = self.world.sts.requests().split_off(self.begin.1);
        let (refused, mut last) = (role_arn("refused"), None);
        let is_counted = |call: &Received| {
            if call.role_arn() != Some(&refused) {
                return true;
            }
            let last = last.replace(call.at);
            last.is_none_or(|last| call.at.duration_since(last) < BACKOFF)
        };
        calls.into_iter().filter(is_counted).count()
    }

    /// Waits until `check` holds. Starts the operator again if it was killed.
    pub async fn until(&mut self, what: &str, check: impl AsyncFn(&World) -> bool) {
        let begin = Instant::now();
        while !check(&self.world).await {
            assert!(begin.elapsed() < STEP, "not after {STEP:?}: {what}; {:#?}", self.effects());
            self.revive().await;
            tokio::time::sleep(POLL).await;
        }
    }

    /// Starts the operator again if it was killed. It never ends by itself.
    pub async fn revive(&mut self) {
        if !self.world.operator_runs() {
            let kills = self.interceptor.kills();
            self.assert_no_values_in_logs();
            self.world.kill_operator();
            self.deaths += 1;
            assert_eq!(self.deaths, kills, "the operator ended by itself");
            self.launch().await;
        }
    }

    /// Kills the operator, and starts it again.
    pub async fn restart(&mut self) {
        self.assert_no_values_in_logs();
        self.world.kill_operator();
        self.launch().await;
    }

    /// Waits until the operator has nothing left to do. A fault at the last effect may come after the last condition of a
    /// scenario.
    pub async fn settle(&mut self) {
        self.silence(SILENCE).await;
        self.revive().await;
        self.world.wait_for_readiness().await;
        self.silence(SILENCE).await;
        self.assert_no_values_in_logs();
        if let Some(standby) = &self.standby {
            assert!(standby.process.is_running(), "the standby ended by itself: {}", standby.log());
        }
    }

    /// Asserts that no log contains a value that STS issued.
    fn assert_no_values_in_logs(&self) {
        let logs = [Some(self.world.log()), self.standby.as_ref().map(Operator::log)];
        for one in self.world.sts.issued() {
            for value in [&one.secret, &one.token].into_iter().filter(|value| !value.is_empty()) {
                let logged = logs.iter().flatten().any(|log| log.contains(value));
                assert!(!logged, "a value of {} was logged", one.access_key_id);
            }
        }
    }

    /// Waits until the operator has made no request with an effect for this time.
    pub async fn silence(&self, time: Duration) {
        let begin = Instant::now();
        let mut last = (self.interceptor.effects().len(), begin);
        while last.1.elapsed() < time {
            assert!(begin.elapsed() < STEP, "it is never silent: {:#?}", self.effects());
            tokio::time::sleep(POLL).await;
            let now = self.interceptor.effects().len();
            if now != last.0 {
                last = (now, Instant::now());
            }
        }
    }
}

impl World {
    /// Grants all roles, for sessions with the tags of the resource.
    pub async fn attribute(&self) {
        let mut grant = self.any_role();
        grant["session"]["attribution"] = true.into();
        self.grant(&self.namespace, grant).await;
    }
}
