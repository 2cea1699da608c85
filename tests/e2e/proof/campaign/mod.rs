//! A campaign: hundreds of credentials, two operators, and a long random sequence of faults and changes.
//!
//! The sequence follows from a seed. An observer watches the API server and STS all the time. When the sequence has
//! ended, everything that is desired must hold within a deadline.

mod replica;
mod sequence;
mod wanted;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::join_all;
use jiff::SignedDuration;
use rig::sts::Fault as StsFault;
use rig::{Clock, Rig};
use serde_json::json;

use super::observer::Observer;
use super::turn;
use crate::world::{World, prepare};
use replica::{Faults, Operators};
use sequence::{Action, sequence};
use wanted::Wanted;

/// Number of namespaces that share the resources.
const NAMESPACES: usize = 5;

/// How long after the last fault everything must hold.
const CONVERGES: Duration = Duration::from_secs(180);

/// How long nothing may happen because there is no leader. Each kill of a leader costs up to half a minute, and the next
/// leader is often killed at its first request.
const LEADERLESS: SignedDuration = SignedDuration::from_secs(180);

/// How long the clock of the operators is off.
const CLOCK_OFF: Duration = Duration::from_secs(5);

/// A number from the environment.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect(name))
}

#[tokio::test]
#[ignore = "it takes minutes, on a control plane of its own: docs/security/proof.md has the command"]
async fn everything_desired_holds_once_faults_stop_and_no_invariant_is_violated_before() {
    tokio::task::LocalSet::new().run_until(campaign()).await;
}

async fn campaign() {
    let _turn = turn().await;
    let length = Duration::from_secs(setting("TEMPCRED_CAMPAIGN_SECONDS", 30));
    let resources = setting("TEMPCRED_CAMPAIGN_RESOURCES", 30) as usize;
    let seed = setting("TEMPCRED_CAMPAIGN_SEED", u64::from(std::process::id()));
    let withdrawn = if seed.is_multiple_of(2) { "expire" } else { "remove" };
    println!("seed {seed}, {resources} resources, {length:?}, --withdrawn-secrets {withdrawn}");
    let campaign = Arc::new(Campaign::prepare(resources, withdrawn).await);
    let actions = sequence(seed, length, resources, NAMESPACES);
    let (begin, mut done) = (Instant::now(), 0);
    let mut lasting = vec![];
    for timed in &actions {
        while begin.elapsed() < timed.at {
            tokio::time::sleep(Duration::from_millis(20)).await;
            campaign.operators.revive().await;
        }
        println!("{timed:?}");
        let (campaign, action) = (Arc::clone(&campaign), timed.action);
        lasting.push(tokio::task::spawn_local(async move { campaign.act(action).await }));
        done += 1;
    }
    for one in join_all(lasting).await {
        one.unwrap();
    }
    let faults = campaign.operators.faults.happened();
    println!("{done} actions, of which {faults} faults happened to requests");
    campaign.converges().await;
}

/// The surroundings of a campaign.
struct Campaign {
    rig: &'static Rig,
    world: World,
    operators: Operators,
    observers: Vec<Observer>,
    clock: Clock,
    wanted: Wanted,
}

impl Campaign {
    /// `withdrawn` is what becomes of the Secrets of withdrawn grants.
    async fn prepare(resources: usize, withdrawn: &str) -> Self {
        let rig: &'static Rig = tokio::task::spawn_blocking(|| {
            // It ends with the process.
            let rig = Box::leak(Box::new(Rig::start().unwrap()));
            prepare(rig);
            &*rig
        })
        .await
        .unwrap();
        let mut world = World::on(rig).await;
        let clock = Clock::new(rig.dir()).unwrap();
        for (name, value) in clock.environment() {
            world.environment.insert(name, Some(value));
        }
        let wanted = Wanted::create(&world, resources, NAMESPACES).await;
        let observe =
            |namespace: &String| Observer::of(&world.client, namespace, &world.sts, LEADERLESS);
        let observers = wanted.namespaces.iter().map(observe).collect();
        let namespaces = wanted.namespaces.join(",");
        let flags = ["--namespaces", &namespaces, "--withdrawn-secrets", withdrawn];
        let operators = Operators::start(&mut world, &flags, Faults::default()).await;
        let campaign = Self { rig, world, operators, observers, clock, wanted };
        campaign.wanted.until_it_holds(CONVERGES, || campaign.operators.revive()).await;
        campaign
    }

    async fn act(&self, action: Action) {
        let Self { rig, world, operators, wanted, .. } = self;
        let blocking = |what: fn(&Rig) -> anyhow::Result<()>| {
            let rig: &'static Rig = rig;
            async move { tokio::task::spawn_blocking(move || what(rig)).await.unwrap().unwrap() }
        };
        match action {
            Action::Fault(fault) => operators.faults.add(fault),
            Action::Kill(replica) => operators.kill(replica).await,
            Action::Pause(replica, time) => operators.pause(replica, time).await,
            Action::Clock(seconds) => {
                self.clock.set(seconds).unwrap();
                tokio::time::sleep(CLOCK_OFF).await;
                self.clock.set(0).unwrap();
            }
            Action::RestartApiServer => {
                blocking(|rig| {
                    rig.stop_api_server()?;
                    rig.start_api_server()
                })
                .await;
            }
            Action::RestartEtcd => blocking(Rig::restart_etcd).await,
            Action::StsDown(time) => {
                let down = world.sts.inject(StsFault::service_unavailable());
                tokio::time::sleep(time).await;
                world.sts.remove(down);
            }
            Action::StsThrottles => drop(world.sts.inject(StsFault::throttling().times(3))),
            Action::CutWatches => operators.each(rig::intercept::Interceptor::cut_watches),
            Action::ExpireWatches => operators.each(rig::intercept::Interceptor::expire_watches),
            Action::StallWatches(time) => {
                operators.each(|one| one.stall_watches(true));
                tokio::time::sleep(time).await;
                operators.each(|one| one.stall_watches(false));
            }
            Action::EditSecret(number) => {
                let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
                wanted.patch_secret(number, edit).await;
            }
            Action::DeleteSecret(number) => wanted.delete_secret(number).await,
            Action::Renew(number) => wanted.renew(number).await,
            Action::ChangeFormats(number) => {
                wanted.change(number, |wanted| wanted.env_only = !wanted.env_only).await;
            }
            Action::ChangeRole(number) => wanted.change(number, |wanted| wanted.role += 1).await,
            Action::Recreate(number) => wanted.recreate(number).await,
            Action::Withdraw(namespace, time) => {
                wanted.withdraw(namespace).await;
                tokio::time::sleep(time).await;
                wanted.grant(namespace).await;
            }
            Action::RecreateNamespace(number) => wanted.recreate_namespace(number).await,
        }
    }

    /// Faults have stopped: everything that is desired must hold, and then nothing may happen.
    async fn converges(&self) {
        self.operators.faults.stop();
        self.world.sts.clear();
        // A hidden change stays hidden until the next list.
        self.operators.each(rig::intercept::Interceptor::expire_watches);
        for namespace in 0..NAMESPACES {
            self.wanted.grant(namespace).await;
        }
        // The garbage collector of Kubernetes overlooks an owner that is deleted when the API server has just started: the
        // Secret stays, and a resource of the same name is blocked. It finds such objects when it starts.
        let rig = self.rig;
        tokio::task::spawn_blocking(|| rig.restart_controllers()).await.unwrap().unwrap();
        let begin = Instant::now();
        self.wanted.until_it_holds(CONVERGES, || self.operators.revive()).await;
        println!("everything holds {:?} after the last fault", begin.elapsed());
        for observer in &self.observers {
            observer.check().await;
        }
    }
}
