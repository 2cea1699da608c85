//! The chapters of the demo: what is done on the stage, and what must happen after each step.

mod restart;
mod sdk;

use std::collections::BTreeSet;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempcred_core::api::{RENEW_REQUESTED_AT, RoleGrant, TemporaryCredential};
use tokio::sync::watch::{Receiver, Sender};

use crate::board::{Board, Presence, Row, Tone};
use crate::program::Program;
use crate::stage::{CLOSED_ROLE, NAMESPACE, Operator, RESTARTED, ROTATING, Stage, apply, root};

/// Within this time everything must happen that tempcred does at once.
const SOON: Duration = Duration::from_secs(30);

/// Within this time two rotations must have happened: each comes about 20 s after the one before.
const TWO_ROTATIONS: Duration = Duration::from_secs(75);

/// How often the story checks that everything runs, while it waits.
const PULSE: Duration = Duration::from_millis(500);

/// Resources of `examples/` that the story is about.
const DELETED: &str = "reports";
const RESHAPED: &str = "one-tenant";
const UNGRANTED: &str = "cross-account";

/// The grant in `examples/`.
const GRANT: &str = "examples";

/// The resource whose role denies access.
const LOCKED_OUT: &str = "locked-out";

/// The story, and what it needs.
pub struct Story<'a> {
    pub stage: &'a Stage,
    pub operator: &'a Operator,
    /// Set when the program with an AWS SDK has started.
    pub program: &'a OnceLock<Program>,
    pub client: &'a Client,
    /// Whether the demo reports Pods as ready, because no kubelet runs.
    pub plays_kubelet: bool,
    pub board: &'a Sender<Board>,
    pub seen: Receiver<Board>,
    /// Time to read between two chapters.
    pub pause: Duration,
}

impl Story<'_> {
    /// Runs all chapters.
    pub async fn run(&self) -> Result<()> {
        self.credentials_are_issued().await?;
        self.pause().await;
        self.a_program_starts().await?;
        self.pause().await;
        self.a_role_is_closed().await?;
        self.pause().await;
        self.a_secret_is_deleted().await?;
        self.pause().await;
        self.a_secret_is_reshaped().await?;
        self.pause().await;
        self.the_role_is_opened().await?;
        self.pause().await;
        self.a_grant_is_narrowed().await?;
        self.pause().await;
        self.a_workload_is_restarted().await?;
        self.pause().await;
        self.credentials_rotate().await?;
        self.pause().await;
        self.the_program_goes_on().await
    }

    /// Time to read. Nothing depends on it.
    async fn pause(&self) {
        tokio::time::sleep(self.pause).await;
    }

    async fn credentials_are_issued(&self) -> Result<()> {
        let examples = root().join("examples");
        let kubectl = |args: &[&str]| self.stage.rig.kubectl_output(args);
        let apply = |path: std::path::PathBuf| {
            kubectl(&["apply", "--server-side", "--filename", &path.display().to_string()])
        };
        self.chapter("A grant says which roles the namespace may use. Without it, none.");
        self.deed("kubectl apply --server-side -f examples/role-grant.yaml");
        tokio::task::block_in_place(|| apply(examples.join("role-grant.yaml")))?;
        self.chapter("The examples are applied. Each becomes a Secret.");
        self.deed("kubectl apply --server-side -f examples/");
        let names = tokio::task::block_in_place(|| {
            apply(examples)?;
            kubectl(&["get", "tempcred", "--output=jsonpath={.items[*].metadata.name}"])
        })?;
        let names: Vec<_> = names.split_whitespace().collect();
        self.until("every example is Ready", SOON, |board| {
            names.iter().all(|name| board.is_ready(name)).then_some(())
        })
        .await
    }

    async fn a_role_is_closed(&self) -> Result<()> {
        self.chapter("AWS refuses a role. The resource says so, and what to do about it.");
        self.deed(format!("a TemporaryCredential for {CLOSED_ROLE}"));
        let object = json!({
            "apiVersion": "tempcred.dev/v1alpha1",
            "kind": "TemporaryCredential",
            "metadata": {"name": LOCKED_OUT},
            "spec": {"assumeRole": {"roleArn": CLOSED_ROLE}},
        });
        tokio::task::block_in_place(|| apply(&self.stage.rig, LOCKED_OUT, &object))?;
        self.until("the refusal shows in status", SOON, |board| {
            let row = board.row(LOCKED_OUT)?;
            (row.readiness() == (false, "AccessDenied")).then_some(())
        })
        .await
    }

    async fn a_secret_is_deleted(&self) -> Result<()> {
        self.chapter("A user deletes a Secret. The operator restores it.");
        let before = self.row(DELETED)?;
        let calls = self.calls(&before);
        self.deed(format!("kubectl delete secret {}", before.secret));
        Api::<Secret>::namespaced(self.client.clone(), NAMESPACE)
            .delete(&before.secret, &DeleteParams::default())
            .await?;
        let after = self
            .until("the deleted Secret is back, and the status knows", SOON, |board| {
                let row = board.row(DELETED)?;
                let there = matches!(row.presence, Presence::There(Some(_)));
                (there && row.status.secret != before.status.secret && row.readiness().0)
                    .then(|| row.clone())
            })
            .await?;
        let made = self.calls(&after) - calls;
        ensure!(made <= 1, "{DELETED} took {made} STS calls to come back");
        self.good(format!("{DELETED}: that took {made} {}", plural(made)));
        Ok(())
    }

    async fn a_secret_is_reshaped(&self) -> Result<()> {
        self.chapter(
            "Another format is requested. The Secret is written again without a call to STS.",
        );
        let before = self.row(RESHAPED)?;
        let (calls, keys) = (self.calls(&before), self.keys(&before).await?);
        let spec = json!({"spec": {"secret": {"formats": ["env"]}}});
        self.deed(format!("kubectl patch tempcred {RESHAPED} --type merge -p '{spec}'"));
        self.patch(RESHAPED, spec).await?;
        let after = self
            .until("the Secret has its new shape", SOON, |board| {
                let row = board.row(RESHAPED)?;
                (row.status.secret != before.status.secret && row.readiness().0)
                    .then(|| row.clone())
            })
            .await?;
        let (made, now) = (self.calls(&after) - calls, self.keys(&after).await?);
        ensure!(made == 0, "new formats cost {made} STS calls");
        ensure!(after.key() == before.key(), "new formats changed the key");
        let gone: Vec<_> = keys.difference(&now).cloned().collect();
        ensure!(!gone.is_empty(), "the Secret of {RESHAPED} did not change");
        self.good(format!(
            "{RESHAPED}: {} left the Secret, the key ID is the same, and that took 0 STS calls",
            gone.join(" and ")
        ));
        Ok(())
    }

    async fn the_role_is_opened(&self) -> Result<()> {
        self.chapter("The trust policy is corrected, and a renewal is requested.");
        self.stage.sts.clear();
        let value = Timestamp::now().strftime("%FT%TZ").to_string();
        self.deed(format!("kubectl annotate tempcred {LOCKED_OUT} {RENEW_REQUESTED_AT}={value}"));
        let annotation = json!({"metadata": {"annotations": {RENEW_REQUESTED_AT: value}}});
        self.patch(LOCKED_OUT, annotation).await?;
        self.until("the role that was closed is assumed", SOON, |board| {
            board.is_ready(LOCKED_OUT).then_some(())
        })
        .await
    }

    async fn a_grant_is_narrowed(&self) -> Result<()> {
        self.chapter(
            "A grant is narrowed. Secrets that it no longer allows are removed, and restored with the grant.",
        );
        let before = self.row(UNGRANTED)?;
        let role = before.roles.last().with_context(|| format!("{UNGRANTED} has no role"))?;
        let grants = Api::<RoleGrant>::all(self.client.clone());
        let mut roles = grants.get(GRANT).await?.spec.role_arns;
        let all = roles.clone();
        roles.retain(|granted| granted != role);
        ensure!(roles.len() < all.len(), "{GRANT} does not grant {role}");
        let change = |roles: &[String]| json!({"spec": {"roleArns": roles}});
        let patch = async |roles: &[String]| {
            let patch = Patch::Merge(change(roles));
            grants.patch(GRANT, &PatchParams::default(), &patch).await
        };
        self.deed(format!("{role} is removed from RoleGrant {GRANT}"));
        patch(&roles).await?;
        self.until("the Secret that is no longer granted is gone", SOON, |board| {
            let row = board.row(UNGRANTED)?;
            let gone = matches!(row.presence, Presence::Gone(_));
            (gone && row.readiness() == (false, "NotGranted")).then_some(())
        })
        .await?;
        self.deed("and added again");
        patch(&all).await?;
        self.until("it is granted again", SOON, |board| board.is_ready(UNGRANTED).then_some(()))
            .await
    }

    async fn credentials_rotate(&self) -> Result<()> {
        let so_far = self.row(ROTATING)?.rotations;
        self.chapter(format!(
            "Credentials are replaced long before they expire: {ROTATING} about every 20 s."
        ));
        if so_far < 2 {
            self.deed(format!("waiting for its second rotation ({so_far} so far)"));
        }
        self.until("two rotations", TWO_ROTATIONS, |board| {
            (board.row(ROTATING)?.rotations >= 2).then_some(())
        })
        .await
    }

    /// Waits for something on the board.
    async fn until<T>(
        &self,
        what: &str,
        at_most: Duration,
        look: impl Fn(&Board) -> Option<T>,
    ) -> Result<T> {
        let mut seen = self.seen.clone();
        let wait = async {
            loop {
                if let Some(found) = look(&seen.borrow_and_update()) {
                    return Ok(found);
                }
                ensure!(self.operator.is_running(), "the operator has ended");
                if let Some(program) = self.program.get() {
                    program.must_run()?;
                }
                // No news for a while is fine, but what the demo has started must run.
                let _ = tokio::time::timeout(PULSE, seen.changed()).await;
            }
        };
        match tokio::time::timeout(at_most, wait).await {
            Ok(done) => done.with_context(|| format!("waiting until {what}")),
            Err(_) => bail!("not within {} s: {what}", at_most.as_secs()),
        }
    }

    fn row(&self, name: &str) -> Result<Row> {
        let board = self.seen.borrow();
        let row = board.row(name).cloned();
        row.with_context(|| format!("{name} is not in examples/"))
    }

    /// How many calls were made for the roles of a resource.
    fn calls(&self, row: &Row) -> usize {
        let roles = row.roles.iter();
        roles.map(|role| self.stage.sts.calls_for_role(role)).sum()
    }

    /// The keys of a Secret; never its values.
    async fn keys(&self, row: &Row) -> Result<BTreeSet<String>> {
        let api = Api::<Secret>::namespaced(self.client.clone(), NAMESPACE);
        let secret = api.get(&row.secret).await?;
        Ok(secret.data.into_iter().flatten().map(|(key, _)| key).collect())
    }

    async fn patch(&self, name: &str, patch: Value) -> Result<()> {
        Api::<TemporaryCredential>::namespaced(self.client.clone(), NAMESPACE)
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        Ok(())
    }

    fn chapter(&self, text: impl Into<String>) {
        self.note(Tone::Chapter, text);
    }

    fn deed(&self, text: impl Into<String>) {
        self.note(Tone::Deed, text);
    }

    fn good(&self, text: impl Into<String>) {
        self.note(Tone::Good, text);
    }

    fn note(&self, tone: Tone, text: impl Into<String>) {
        self.board.send_modify(|board| board.note(tone, text, Timestamp::now()));
    }
}

fn plural(calls: usize) -> &'static str {
    if calls == 1 { "STS call" } else { "STS calls" }
}

/// The summary.
pub fn summary(board: &Board, stage: &Stage) -> String {
    let ready = board.rows.iter().filter(|row| row.readiness().0).count();
    let rotations: usize = board.rows.iter().map(|row| row.rotations).sum();
    format!(
        "\n{ready} of {} credentials are Ready; {rotations} rotations; the operator made {} calls to STS.\n\
         Each issue, refusal and rotation takes one call, and each hop of a chain one more.",
        board.rows.len(),
        stage.sts.calls_total(),
    )
}

/// Commands to continue with.
pub fn look_around(stage: &Stage, operator: &Operator, program: Option<&Program>) -> String {
    let kubectl = stage.rig.kubectl();
    let folder = std::path::Path::new(kubectl.get_program()).parent();
    let metrics = operator
        .address()
        .map_or_else(String::new, |address| format!("  curl http://{address}/metrics\n"));
    let calls = program
        .map_or_else(String::new, |program| format!("  tail -f {}\n", program.log().display()));
    format!(
        "
To look around, in another terminal:

  export KUBECONFIG={}
  export PATH={}:$PATH
  kubectl get tempcred --watch
  kubectl describe tempcred {ROTATING}
  kubectl explain tc.spec.assumeRole
  kubectl get events
  kubectl rollout history deployment/{RESTARTED}
{metrics}  tail -f {}
{calls}",
        stage.rig.kubeconfig().display(),
        folder.unwrap_or(std::path::Path::new("")).display(),
        operator.log().display(),
    )
}
