//! What the operator does, one scenario for each kind of write.

use std::time::Duration;

use kube::ResourceExt;
use rig::intercept::Choose;
use rig::sts::{Fault, Matching};
use serde_json::json;
use tempcred::planted::Bug;
use tempcred_core::api::{CredentialStatus, RestartState};

use super::backlog;
use super::end_state::EndState;
use super::stage::{SETTLED, Stage};
use crate::delivery::controllers::{Kubelet, all_in};
use crate::world::{World, assume, condition, failure_reason, is_ready, plain};

/// The resource of all scenarios.
const NAME: &str = "reports";

/// Lifetime of the first credentials where they are to expire or to be renewed.
const SHORT: Duration = Duration::from_secs(40);

/// A scenario.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scenario {
    FirstIssue,
    Rotation,
    Chain,
    RepairOfAnEdit,
    RestoreAfterDeletion,
    ChangeOfFormats,
    RenewalRequest,
    RevocationExpire,
    RevocationRemove,
    Adoption,
    Restart,
    Deletion,
    FailureAndRecovery,
    ChangeOfLeader,
    ForeignSecretDuringTheCall,
    UnseenDeletion,
    StartOnTheStale,
    /// With faults that keep the order of calls, and not among all scenarios.
    Backlog,
}

/// What a run ended with.
pub struct Outcome {
    pub stage: Stage,
    pub end: EndState,
}

impl Scenario {
    pub const ALL: [Self; 17] = [
        Self::FirstIssue,
        Self::Rotation,
        Self::Chain,
        Self::RepairOfAnEdit,
        Self::RestoreAfterDeletion,
        Self::ChangeOfFormats,
        Self::RenewalRequest,
        Self::RevocationExpire,
        Self::RevocationRemove,
        Self::Adoption,
        Self::Restart,
        Self::Deletion,
        Self::FailureAndRecovery,
        Self::ChangeOfLeader,
        Self::ForeignSecretDuringTheCall,
        Self::UnseenDeletion,
        Self::StartOnTheStale,
    ];

    async fn stage(self, bug: Option<Bug>) -> Stage {
        match self {
            Self::ChangeOfLeader => Stage::with_standby(bug).await,
            Self::RevocationRemove => Stage::start(&["--withdrawn-secrets", "remove"], bug).await,
            Self::Backlog => Stage::start(&backlog::FLAGS, bug).await,
            _ => Stage::start(&[], bug).await,
        }
    }

    /// Plays the scenario with an operator that has this bug. `choose` decides about the effects of its action, not about
    /// those of its preparation.
    pub async fn run(self, choose: Choose, bug: Option<Bug>) -> Outcome {
        let mut stage = self.stage(bug).await;
        let kubelet = (self == Self::Restart).then(|| Kubelet::start(&stage.world));
        self.prepare(&stage.world).await;
        stage.begin(choose);
        self.act(&mut stage).await;
        stage.settle().await;
        stage.observer.check().await;
        let end = EndState::with_calls(&stage.world).await;
        drop(kubelet);
        Outcome { stage, end }
    }

    async fn prepare(self, world: &World) {
        match self {
            Self::FirstIssue
            | Self::Chain
            | Self::ChangeOfLeader
            | Self::ForeignSecretDuringTheCall => {}
            Self::Rotation | Self::RevocationExpire | Self::StartOnTheStale => {
                world.sts.inject(Fault::lifetime(SHORT).times(1));
                let mut spec = plain();
                // Credentials to be revoked are not renewed before.
                let before = if self == Self::RevocationExpire { "5s" } else { "33s" };
                spec["renewal"] = json!({"before": before});
                world.issue(NAME, spec).await;
            }
            Self::RepairOfAnEdit
            | Self::RestoreAfterDeletion
            | Self::ChangeOfFormats
            | Self::RenewalRequest
            | Self::RevocationRemove
            | Self::UnseenDeletion
            | Self::Deletion => {
                world.issue(NAME, plain()).await;
            }
            Self::Adoption => {
                world.create_secret(NAME, json!({"password": "theirs"})).await;
                let agreed = json!({"metadata": {"annotations": {"tempcred.dev/adopt-by": NAME}}});
                world.edit_secret(NAME, agreed).await;
            }
            Self::Restart => {
                world.deploy("web", 600).await;
                world.wait_for_rollout("web").await;
                let mut spec = plain();
                spec["restart"] = json!([{"kind": "Deployment", "name": "web"}]);
                world.issue(NAME, spec).await;
            }
            Self::Backlog => backlog::prepare(world).await,
            Self::FailureAndRecovery => {
                world.sts.inject(Fault::access_denied().for_role("role/refused"));
            }
        }
    }

    async fn act(self, stage: &mut Stage) {
        match self {
            // With a fault that kills the leader, the standby takes over.
            Self::FirstIssue | Self::ChangeOfLeader => {
                stage.world.create(NAME, plain()).await;
                until_status(stage, "ready", is_ready).await;
            }
            Self::Chain => {
                let mut spec = plain();
                spec["assumeRole"]["via"] =
                    json!([{"roleArn": "arn:aws:iam::123456789012:role/hub"}]);
                stage.world.create(NAME, spec).await;
                until_status(stage, "ready", is_ready).await;
            }
            Self::Adoption => {
                let mut spec = plain();
                spec["secret"] = json!({"adopt": true});
                stage.world.create(NAME, spec).await;
                until_status(stage, "ready", is_ready).await;
            }
            Self::Rotation => {
                let first = key(&stage.world).await;
                stage.until("rotated", async |world| key(world).await != first).await;
                until_status(stage, "shown", |s| s.access_key_id != first && is_ready(s)).await;
            }
            Self::StartOnTheStale => {
                let first = key(&stage.world).await;
                stage.interceptor.freeze(false).await.unwrap();
                assert_eq!(key(&stage.world).await, first, "it was rotated too early");
                stage.until("rotated", async |world| key(world).await != first).await;
                stage.silence(SETTLED).await;
                // It finds a status and a Secret of before the rotation, which is due since.
                stage.restart().await;
                let reconciled = "tempcred_reconcile_duration_seconds_count";
                stage
                    .until("reconciled", async |world| {
                        world.metric(reconciled).await.is_some_and(|count| count > 0.0)
                    })
                    .await;
                stage.silence(SETTLED).await;
                stage.interceptor.thaw();
                until_status(stage, "shown", |s| s.access_key_id != first && is_ready(s)).await;
            }
            Self::RepairOfAnEdit => {
                let edit = json!({"stringData": {"AWS_SECRET_ACCESS_KEY": "edited"}});
                stage.world.edit_secret(NAME, edit).await;
                stage.until("repaired", async |world| is_complete(world).await).await;
                until_current(stage).await;
            }
            Self::RestoreAfterDeletion => {
                stage.world.secrets().delete(NAME, &Default::default()).await.unwrap();
                stage.until("restored", async |world| is_complete(world).await).await;
                until_current(stage).await;
            }
            Self::ChangeOfFormats => {
                let spec = json!({"spec": {"secret": {"formats": ["env"]}}});
                stage.world.patch(NAME, spec).await;
                until_status(stage, "reconciled", |s| s.observed_generation == Some(2)).await;
                until_current(stage).await;
            }
            Self::RenewalRequest | Self::Restart => {
                stage.world.request_renewal(NAME, "1").await;
                until_status(stage, "renewed", |s| s.last_renew_request.as_deref() == Some("1"))
                    .await;
                if self == Self::Restart {
                    until_status(stage, "restarted", all_in(RestartState::Complete)).await;
                }
            }
            Self::RevocationExpire | Self::RevocationRemove => {
                stage.world.withdraw(&stage.world.namespace).await;
                until_status(stage, "not granted", |s| {
                    condition(s, "Ready") == Some((false, "NotGranted"))
                })
                .await;
                until_gone(stage).await;
                until_status(stage, "shown without a Secret", |s| s.secret.is_none()).await;
            }
            Self::Deletion => {
                stage.world.credentials().delete(NAME, &Default::default()).await.unwrap();
                until_gone(stage).await;
            }
            Self::ForeignSecretDuringTheCall => {
                let hold = stage.world.sts.hold(Matching::any());
                stage.world.create(NAME, plain()).await;
                stage.until("STS is called", async |_| hold.arrivals() > 0).await;
                stage.world.create_secret(NAME, json!({"password": "theirs"})).await;
                hold.release();
                until_status(stage, "blocked", |s| failure_reason(s) == Some("SecretConflict"))
                    .await;
                stage.world.secrets().delete(NAME, &Default::default()).await.unwrap();
                until_status(stage, "ready", is_ready).await;
            }
            Self::UnseenDeletion => {
                // The watch does not show it: only a list that lacks the Secret.
                stage.interceptor.stall_watches(true);
                stage.world.secrets().delete(NAME, &Default::default()).await.unwrap();
                stage.interceptor.expire_watches();
                stage.interceptor.stall_watches(false);
                stage.until("restored", async |world| is_complete(world).await).await;
                until_current(stage).await;
            }
            Self::Backlog => backlog::act(stage).await,
            Self::FailureAndRecovery => {
                stage.world.create(NAME, assume("refused")).await;
                until_status(stage, "refused", |s| failure_reason(s) == Some("AccessDenied")).await;
                // It backs off for longer than this.
                stage.silence(SETTLED).await;
                stage.world.patch(NAME, json!({"spec": plain()})).await;
                until_status(stage, "ready", is_ready).await;
            }
        }
    }
}

async fn status(world: &World) -> Option<CredentialStatus> {
    world.credentials().get_opt(NAME).await.unwrap()?.status
}

async fn key(world: &World) -> Option<String> {
    let data = world.secrets().get_opt(NAME).await.unwrap()?.data?;
    String::from_utf8(data.get("AWS_ACCESS_KEY_ID")?.0.clone()).ok()
}

/// Whether the Secret holds the values that STS issued together.
async fn is_complete(world: &World) -> bool {
    let Some(secret) = world.secrets().get_opt(NAME).await.unwrap() else { return false };
    let data = crate::world::data(&secret);
    let value = |name: &str| data.get(name).map(String::as_str).unwrap_or_default();
    let key = value("AWS_ACCESS_KEY_ID");
    !key.is_empty()
        && value("AWS_SECRET_ACCESS_KEY") == rig::sts::secret_for(key)
        && value("AWS_SESSION_TOKEN") == rig::sts::token_for(key)
}

async fn until_status(stage: &mut Stage, what: &str, wanted: impl Fn(&CredentialStatus) -> bool) {
    stage.until(what, async |world| status(world).await.is_some_and(|s| wanted(&s))).await;
}

/// Waits until the status describes the Secret as it is, and nothing fails.
async fn until_current(stage: &mut Stage) {
    stage
        .until("the status is current", async |world| {
            let secret = world.secrets().get_opt(NAME).await.unwrap();
            let version = secret.and_then(|secret| secret.resource_version());
            status(world).await.is_some_and(|s| {
                let described = s.secret.as_ref().map(|one| one.resource_version.clone());
                is_ready(&s) && s.failure.is_none() && version.is_some() && described == version
            })
        })
        .await;
}

async fn until_gone(stage: &mut Stage) {
    stage
        .until("the Secret is gone", async |world| {
            world.secrets().get_opt(NAME).await.unwrap().is_none()
        })
        .await;
}
