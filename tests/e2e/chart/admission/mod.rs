//! The chart's admission policies: what they deny although RBAC allows it, and that the operator works
//! under them.

mod annotations;
mod operator;
mod own_secrets;
mod rendered;
mod signing;
mod tokens;

use std::path::PathBuf;

use k8s_openapi::api::admissionregistration::v1::ValidatingAdmissionPolicy;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use rig::User;
use serde_json::{Value, json};

use super::rights::{apply, installed_for, may};
use super::{of_kind, template, try_template};
use crate::world::{SOON, World, client, plain, wait_until};

/// A world with the policies of a release in force, until it is dropped.
struct Guard {
    world: World,
    /// The ServiceAccount of the release.
    operator: User,
    /// A client with its token.
    client: Client,
    /// The names of the policies.
    policies: Vec<String>,
}

impl Guard {
    /// Installs a release, without its Deployment, that serves the namespace of a new world, and waits until
    /// its policies are in force.
    async fn new(args: &[&str]) -> Self {
        let mut guard = Self::without_policies().await;
        guard.install(args);
        guard.in_force().await;
        guard
    }

    /// A release without its policies.
    async fn without_policies() -> Self {
        let world = World::new().await;
        let (operator, _) = installed_for(&world, &[&world.namespace]).await;
        world.kubectl(&["create", "serviceaccount", tokens::TENANT]);
        let kubeconfig = world.rig.kubeconfig_for(&operator, None).unwrap();
        let client = client(&kubeconfig, |_| ()).await;
        Self { world, operator, client, policies: vec![] }
    }

    /// Creates the policies of the release.
    fn install(&mut self, args: &[&str]) {
        let own = &self.world.namespace;
        let served = format!("--set=settings.namespaces={{{own}}}");
        let objects = template(&[&["--namespace", own, &served], args].concat());
        let policies = of_kind(&objects, "ValidatingAdmissionPolicy");
        let bindings = of_kind(&objects, "ValidatingAdmissionPolicyBinding");
        let name = |policy: &&Value| policy["metadata"]["name"].as_str().unwrap().to_owned();
        self.policies = policies.iter().map(name).collect();
        assert_eq!(self.policies, bindings.iter().map(name).collect::<Vec<_>>());
        let objects: Vec<_> = [policies, bindings].concat().into_iter().cloned().collect();
        apply(&self.world, &objects);
    }

    /// Waits until the API server enforces each of the policies.
    async fn in_force(&self) {
        for policy in &self.policies {
            wait_until(&format!("{policy} is in force"), SOON, || async {
                self.probe(policy).await.then_some(())
            })
            .await;
        }
    }

    /// A kubeconfig of the operator.
    fn kubeconfig(&self) -> PathBuf {
        self.world.rig.kubeconfig_for(&self.operator, None).unwrap()
    }

    /// The name of a policy.
    fn policy(&self, what: &str) -> String {
        format!("tempcred-{what}.{}", self.world.namespace)
    }

    /// Whether a policy denies what it must, by a dry run.
    async fn probe(&self, policy: &str) -> bool {
        let what = policy.strip_prefix("tempcred-").unwrap().split('.').next().unwrap();
        let params = PostParams { dry_run: true, ..PostParams::default() };
        let tried = match what {
            "token-audience" => tokens::request(self, &["probe"], 600).await,
            "own-secrets" => {
                self.secrets().create(&params, &secret("probe", json!({}))).await.map(drop)
            }
            "secret-notes" => {
                let forged = json!({"annotations": {"tempcred.dev/probe": ""}});
                self.world.secrets().create(&params, &secret("probe", forged)).await.map(drop)
            }
            "signed-by-operator" => {
                let probe = serde_json::from_value(signing::credential("probe", plain())).unwrap();
                self.world.credentials().create(&params, &probe).await.map(drop)
            }
            other => panic!("no probe for {other}"),
        };
        tried.is_err_and(|error| refusal(&error).contains(&format!("'{policy}'")))
    }

    /// Fails unless this policy denied a request; returns the message of the API server.
    #[track_caller]
    fn refused<T>(&self, what: &str, row: &str, tried: kube::Result<T>) -> String {
        let error = tried.err().unwrap_or_else(|| panic!("{row}: allowed"));
        let said = refusal(&error);
        let by = format!("ValidatingAdmissionPolicy '{}'", self.policy(what));
        assert!(said.contains(&by) && said.contains("denied request: "), "{row}: {said}");
        said
    }

    /// The Secrets of the namespace, as the operator.
    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.world.namespace)
    }

    /// Binds a ClusterRole to a user in a namespace, and waits until it takes effect.
    async fn bind(&self, role: &str, user: &User, namespace: &str) {
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": format!("{role}-here"), "namespace": namespace},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user.name()}],
        });
        apply(&self.world, &[binding]);
        wait_until("the role is in force", SOON, || async {
            may(&self.world, user, namespace, "delete", "secrets").then_some(())
        })
        .await;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        for kind in ["validatingadmissionpolicybinding", "validatingadmissionpolicy"] {
            let mut kubectl = self.world.rig.kubectl();
            kubectl.args(["delete", kind, "--ignore-not-found", "--wait=false"]);
            let _ = kubectl.args(&self.policies).output();
        }
    }
}

/// The message of the API server.
fn refusal(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => {
            assert_eq!(status.code, 403, "{status:?}");
            status.message.clone()
        }
        other => panic!("{other}"),
    }
}

/// A Secret with this metadata besides its name.
fn secret(name: &str, metadata: Value) -> Secret {
    let mut object = json!({"metadata": metadata, "stringData": {"password": "theirs"}});
    object["metadata"]["name"] = name.into();
    serde_json::from_value(object).unwrap()
}

/// How an object is changed.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Method {
    Put,
    Merge,
    Apply,
}

const METHODS: [Method; 3] = [Method::Put, Method::Merge, Method::Apply];

/// Changes labels and annotations of a Secret; those that are null are removed.
async fn change(
    secrets: &Api<Secret>,
    name: &str,
    method: Method,
    metadata: Value,
) -> kube::Result<Secret> {
    let merge = PatchParams::default();
    match method {
        Method::Merge => {
            secrets.patch(name, &merge, &Patch::Merge(json!({"metadata": metadata}))).await
        }
        Method::Apply => {
            let mut object = json!({"apiVersion": "v1", "kind": "Secret", "metadata": metadata});
            object["metadata"]["name"] = name.into();
            let forced = PatchParams::apply("somebody").force();
            secrets.patch(name, &forced, &Patch::Apply(object)).await
        }
        Method::Put => {
            let mut object = serde_json::to_value(secrets.get(name).await?).unwrap();
            for (place, changes) in metadata.as_object().unwrap() {
                for (key, value) in changes.as_object().unwrap() {
                    match value {
                        Value::Null => {
                            object["metadata"][place].as_object_mut().unwrap().remove(key);
                        }
                        value => object["metadata"][place][key] = value.clone(),
                    }
                }
            }
            let object = serde_json::from_value(object).unwrap();
            secrets.replace(name, &PostParams::default(), &object).await
        }
    }
}

#[tokio::test]
async fn the_policies_type_check_and_hold_in_the_served_namespaces() {
    let guard = Guard::new(&["--set=admissionPolicies.signedByOperator.groups={platform}"]).await;
    assert_eq!(guard.policies.len(), 4);
    // A wrong expression shows that the API server checks types at all.
    let wrong = format!("wrong.{}", guard.world.namespace);
    let object = json!({
        "metadata": {"name": wrong},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["secrets"],
            }]},
            "validations": [{"expression": "object.nothing == 1"}],
        },
    });
    let api = Api::<ValidatingAdmissionPolicy>::all(guard.world.client.clone());
    api.create(&PostParams::default(), &serde_json::from_value(object).unwrap()).await.unwrap();
    let warnings = async |name: &str| {
        wait_until("the expressions are checked", SOON, || async {
            let policy = api.get(name).await.unwrap();
            let status = policy.status?;
            (status.observed_generation == policy.metadata.generation)
                .then(|| status.type_checking.and_then(|checked| checked.expression_warnings))
        })
        .await
        .unwrap_or_default()
    };
    let found = warnings(&wrong).await;
    api.delete(&wrong, &Default::default()).await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    for policy in &guard.policies {
        let found = warnings(policy).await;
        assert!(found.is_empty(), "{policy}: {found:?}");
    }

    let elsewhere = World::new().await;
    let marked = json!({"labels": {"tempcred.dev/credential-uid": "x"}});
    let here =
        guard.world.secrets().create(&Default::default(), &secret("s", marked.clone())).await;
    guard.refused("secret-notes", "here", here);
    elsewhere.secrets().create(&Default::default(), &secret("s", marked)).await.unwrap();
    let here = guard.world.try_create("reports", plain()).await;
    guard.refused("signed-by-operator", "here", here);
    elsewhere.create("reports", plain()).await;
}

#[tokio::test]
async fn a_stolen_operator_token_is_limited_where_it_has_rights_by_mistake() {
    let guard = Guard::new(&[]).await;
    let elsewhere = World::new().await;
    guard.bind("cluster-admin", &guard.operator, &elsewhere.namespace).await;
    apply(
        &elsewhere,
        &[json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "tempcred", "namespace": elsewhere.namespace},
        })],
    );
    let secrets = Api::<Secret>::namespaced(guard.client.clone(), &elsewhere.namespace);
    let created = secrets.create(&Default::default(), &secret("s", json!({}))).await;
    guard.refused("own-secrets", "a Secret", created);
    let client = guard.client.clone();
    let account = (elsewhere.namespace.as_str(), "tempcred");
    let token = tokens::request_as(client, account, &["vault"], 600).await;
    guard.refused("token-audience", "a token", token);
}

#[tokio::test]
async fn a_violation_in_warn_mode_passes_with_a_warning() {
    let mut guard = Guard::without_policies().await;
    guard.install(&["--set=admissionPolicies.actions={Warn,Audit}"]);
    guard.world.secrets().create(&Default::default(), &secret("s", json!({}))).await.unwrap();
    let said = wait_until("the warning", SOON, || async {
        let mut kubectl = guard.world.rig.kubectl();
        kubectl.args(["--namespace", &guard.world.namespace, "annotate", "secret", "s"]);
        let output = kubectl.args(["tempcred.dev/expiration=x", "--overwrite"]).output().unwrap();
        assert!(output.status.success());
        let said = String::from_utf8(output.stderr).unwrap();
        // Policies do not see a request that changes nothing.
        change(&guard.world.secrets(), "s", Method::Merge, json!({"annotations": null}))
            .await
            .unwrap();
        said.contains("Warning: ").then_some(said)
    })
    .await;
    assert!(said.contains("tempcred.dev/expiration"), "{said}");
}
