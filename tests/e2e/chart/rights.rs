//! The chart's roles allow what the operator does, and nothing else: without any one of the verbs, a
//! request is denied.

use std::time::Duration;

use futures::{StreamExt, stream};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use rig::sts::Fault;
use rig::{Audit, Request, User};
use serde_json::{Value, json};
use tempcred::cluster::GRANT_CRD;

use super::{of_kind, template, variables};
use crate::world::{SOON, World, is_ready, plain, wait_until};

/// A lifetime that is renewed soon.
const SHORT: Duration = Duration::from_secs(15);

/// The ServiceAccount of a variant, in the namespace of its world.
const ACCOUNT: &str = "variant";

/// How many variants are tried at the same time: other tests run beside them.
const AT_ONCE: usize = 2;

/// The verb of a resource that the role lacks.
type Missing = Option<(String, String)>;

/// The rules of the chart's ClusterRole with all features, and of the Role for leader election.
fn rules() -> Vec<Value> {
    let objects = template(&["--set=features.workloadRestarts=true"]);
    let rules = |kind: &str| of_kind(&objects, kind)[0]["rules"].as_array().unwrap().clone();
    [rules("ClusterRole"), rules("Role")].concat()
}

/// Each verb of each rule, which names one resource.
fn verbs(rules: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let pairs = rules.iter().flat_map(|rule| {
        assert_eq!(rule["resources"].as_array().unwrap().len(), 1, "{rule}");
        let verbs = rule["verbs"].as_array().unwrap().iter();
        verbs.map(move |verb| (text(&rule["resources"][0]), text(verb)))
    });
    pairs.collect()
}

/// The rules without one verb.
fn without(rules: &[Value], missing: &Missing) -> Vec<Value> {
    let mut rules = rules.to_vec();
    for rule in &mut rules {
        if let Some((resource, gone)) = missing
            && rule["resources"][0] == *resource
        {
            rule["verbs"].as_array_mut().unwrap().retain(|verb| verb != gone);
        }
    }
    rules.retain(|rule| !rule["verbs"].as_array().unwrap().is_empty());
    rules
}

/// Applies objects as an administrator.
pub fn apply(world: &World, objects: &[Value]) {
    let path = world.rig.dir().join(format!("{}-objects.json", world.namespace));
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
    std::fs::write(&path, list.to_string()).unwrap();
    let path = path.display().to_string();
    world.rig.kubectl_output(&["apply", "--server-side", "--filename", &path]).unwrap();
}

/// Whether a user may do something in a namespace, as the API server says.
pub fn may(world: &World, user: &User, namespace: &str, verb: &str, resource: &str) -> bool {
    let who = format!("--as={}", user.name());
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    let sub = format!("--subresource={sub}");
    let mut ask = world.rig.kubectl();
    ask.args(["auth", "can-i", verb, resource, &sub, "--namespace", namespace, &who]);
    ask.output().unwrap().stdout.starts_with(b"yes")
}

/// The audit log from now on: reading all of it every time would take long.
pub fn audit(world: &World) -> Audit {
    world.rig.audit().expect("needs the rig's own API server").from_now().unwrap()
}

/// The requests of a user for a resource that the API server has answered.
fn requests_for(audit: &Audit, user: &User, resource: &str) -> Vec<Request> {
    let mut requests = audit.requests(user.name(), None).unwrap();
    let (resource, sub) = resource.split_once('/').unwrap_or((resource, ""));
    requests.retain(|r| r.resource == resource && r.subresource == sub);
    requests
}

/// A world with a role of its own, an operator with this role and many tasks, and its audit log.
async fn variant(rules: &[Value], missing: &Missing) -> (World, User, Audit) {
    let mut world = World::new().await;
    let name = world.namespace.clone();
    let user = User::service_account(&name, ACCOUNT);
    let group = "rbac.authorization.k8s.io";
    let within = |object: &str| json!({"name": object, "namespace": name});
    let account = |name: &str| json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": within(name)});
    apply(
        &world,
        &[
            account(ACCOUNT),
            account("reporter"),
            json!({
                "apiVersion": format!("{group}/v1"), "kind": "ClusterRole",
                "metadata": {"name": name}, "rules": without(rules, missing),
            }),
            json!({
                "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
                "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": name}],
            }),
            json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": within("user"),
                "stringData": {
                    "AWS_ACCESS_KEY_ID": "AKIAUSER000000000009", "AWS_SECRET_ACCESS_KEY": "x".repeat(40),
                },
            }),
        ],
    );
    // A role takes effect a moment after it is written, with all rules at once.
    let (resource, verb) =
        verbs(rules).into_iter().find(|pair| Some(pair) != missing.as_ref()).unwrap();
    let resource =
        resource.replacen("temporarycredentials", "temporarycredentials.tempcred.dev", 1);
    wait_until("the role is in force", SOON, || async {
        may(&world, &user, &name, &verb, &resource).then_some(())
    })
    .await;

    world.sts.inject(Fault::lifetime(SHORT).for_role("rotating"));
    let kinds = ["Deployment", "StatefulSet", "DaemonSet"];
    apply(&world, &kinds.map(|kind| workload(&name, kind)));
    // The control plane of the rig has a controller for Deployments only.
    let status = json!({"status": {"observedGeneration": 1}}).to_string();
    for kind in &kinds[1..] {
        let patch = ["patch", kind, "idle", "--subresource=status", "--type=merge", "--patch"];
        world.kubectl(&[&patch[..], &[&status]].concat());
    }
    let rotating = json!({
        "assumeRole": {"roleArn": "arn:aws:iam::123456789012:role/rotating"},
        "restart": kinds.map(|kind| json!({"kind": kind, "name": "idle"})),
    });
    world.create("rotating", rotating).await;
    world.create("plain", plain()).await;
    // A grant of its own, to be withdrawn.
    let one = json!({"namespaces": {"names": [name]}, "roleArns": ["arn:aws:iam::999999999999:role/one"]});
    world.grant(&withdrawn(&world), one).await;
    let one = json!({"assumeRole": {"roleArn": "arn:aws:iam::999999999999:role/one"}});
    world.create("withdrawn", one).await;
    let web = json!({
        "roleArn": "arn:aws:iam::123456789012:role/web", "serviceAccountName": "reporter",
        // The operator asks the API server whether it accepts this audience.
        "audience": "example",
    });
    world.create("web", json!({"assumeRoleWithWebIdentity": web})).await;
    let keys = json!({"accessKeySecretRef": {"name": "user"}});
    world.create("session", json!({"identity": keys, "getSessionToken": {}})).await;
    let saml = json!({
        "roleArn": "arn:aws:iam::123456789012:role/saml",
        "principalArn": "arn:aws:iam::123456789012:saml-provider/none",
        "assertionSecretRef": {"name": "none", "key": "assertion"},
    });
    world.create("failing", json!({"assumeRoleWithSAML": saml})).await;
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    let audit = audit(&world);
    world.launch(kubeconfig, &["--leader-elect", "--withdrawn-secrets", "remove"]).await;
    (world, user, audit)
}

/// A workload without Pods.
fn workload(namespace: &str, kind: &str) -> Value {
    let labels = json!({"app": "idle"});
    let mut workload = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "idle", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "main", "image": "example.com/none"}]},
            },
        },
    });
    if kind != "DaemonSet" {
        workload["spec"]["replicas"] = 0.into();
    }
    workload
}

/// Name of the grant that is withdrawn.
fn withdrawn(world: &World) -> String {
    format!("{}-withdrawn", world.namespace)
}

/// Withdraws the grant once its resource is ready, and changes the failing resource once it has failed, so
/// that it fails again: a repeated event.
async fn continue_the_scenario(world: &World) {
    let served = world.credentials().get("withdrawn").await.unwrap();
    if served.status.as_ref().is_some_and(is_ready) {
        // An earlier call may have deleted it.
        let _ = world.grants().delete(&withdrawn(world), &Default::default()).await;
    }
    let failing = world.credentials().get("failing").await.unwrap();
    if failing.metadata.generation == Some(1)
        && failing.status.is_some_and(|status| status.failure.is_some())
    {
        world.patch("failing", json!({"spec": {"assumeRoleWithSAML": {"duration": "30m"}}})).await;
    }
}

async fn assert_needed(rules: &[Value], (resource, verb): (String, String)) {
    let (mut world, user, audit) = variant(rules, &Some((resource.clone(), verb.clone()))).await;
    wait_until(&format!("an operator that may not {verb} {resource} notices"), SOON, || async {
        continue_the_scenario(&world).await;
        requests_for(&audit, &user, &resource).iter().any(|r| r.code == 403).then_some(())
    })
    .await;
    assert!(world.stop_operator().success());
}

async fn assert_sufficient(rules: &[Value]) {
    let (mut world, user, audit) = variant(rules, &None).await;
    for name in ["plain", "web", "session"] {
        world.wait(name, "ready", is_ready).await;
    }
    wait_until("a rotation", SOON, || async {
        (world.call_times("rotating").len() > 1).then_some(())
    })
    .await;
    world.kubectl(&["delete", "secret", "plain"]);
    wait_until("the repair", SOON, || async { world.secrets().get_opt("plain").await.unwrap() })
        .await;
    wait_until("an event that is repeated", SOON, || async {
        continue_the_scenario(&world).await;
        requests_for(&audit, &user, "events").iter().any(|r| r.verb == "patch").then_some(())
    })
    .await;
    wait_until("the Secret of a withdrawn grant is removed", SOON, || async {
        continue_the_scenario(&world).await;
        requests_for(&audit, &user, "secrets").iter().any(|r| r.verb == "delete").then_some(())
    })
    .await;
    for kind in ["deployments", "statefulsets", "daemonsets"] {
        wait_until("a restart of each kind", SOON, || async {
            let patched = requests_for(&audit, &user, kind);
            patched.iter().any(|r| r.verb == "patch").then_some(())
        })
        .await;
    }
    wait_until("the grants' status", SOON, || async {
        let patched = requests_for(&audit, &user, "rolegrants/status");
        patched.iter().any(|r| r.verb == "patch").then_some(())
    })
    .await;
    assert!(world.stop_operator().success());
    let refused = audit.requests(user.name(), None).unwrap();
    let refused: Vec<_> = refused.iter().filter(|r| [401, 403].contains(&r.code)).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[tokio::test]
async fn the_role_suffices_and_every_verb_of_it_is_needed() {
    let rules = rules();
    let verbs = verbs(&rules);
    assert!(verbs.len() >= 24, "{verbs:?}");
    let variants = verbs.into_iter().map(|verb| assert_needed(&rules, verb));
    stream::iter(variants).buffer_unordered(AT_ONCE).collect::<()>().await;
    assert_sufficient(&rules).await;
}

/// Installs a release, without its Deployment, in the namespace of a world. It serves these namespaces only.
/// Returns the operator's ServiceAccount, and all objects of the release.
pub async fn installed_for(world: &World, namespaces: &[&str]) -> (User, Vec<Value>) {
    let own = &world.namespace;
    let served = namespaces.join(",");
    let names = format!("--set=crds.install=false,settings.namespaces={{{served}}}");
    let objects = template(&["--namespace", own, &names]);
    // Cluster-wide, it may read the grants with their CRD, and of the namespaces those that it serves, and review tokens.
    let [beyond] = of_kind(&objects, "ClusterRole")[..] else { panic!("{objects:?}") };
    for rule in beyond["rules"].as_array().unwrap() {
        let of_its_own = rule["resources"] == json!(["namespaces"])
            && rule["resourceNames"] == json!(namespaces);
        let reviews = rule["resources"] == json!(["tokenreviews"]);
        let crd = rule["resourceNames"] == json!([GRANT_CRD]) && rule["verbs"] == json!(["get"]);
        let of_grants = rule["apiGroups"] == json!(["tempcred.dev"]);
        assert!(of_grants || of_its_own || reviews || crd, "{rule}");
    }
    let kinds = ["ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"];
    let rights: Vec<_> =
        kinds.iter().flat_map(|kind| of_kind(&objects, kind).into_iter().cloned()).collect();
    apply(world, &rights);
    let user = User::service_account(own, "tempcred");
    for namespace in namespaces {
        wait_until("the role is in force", SOON, || async {
            let grants = may(world, &user, namespace, "list", "rolegrants.tempcred.dev");
            (grants && may(world, &user, namespace, "list", "secrets")).then_some(())
        })
        .await;
    }
    (user, objects)
}

#[tokio::test]
async fn roles_in_the_served_namespaces_suffice() {
    let mut world = World::new().await;
    let (own, second) = (world.namespace.clone(), format!("{}-second", world.namespace));
    let object = serde_json::from_value(json!({"metadata": {"name": second}})).unwrap();
    let api = Api::<Namespace>::all(world.client.clone());
    api.create(&PostParams::default(), &object).await.unwrap();
    let (user, objects) = installed_for(&world, &[&own, &second]).await;
    assert!(!may(&world, &user, "default", "list", "secrets"));

    let env = variables(of_kind(&objects, "Deployment")[0]);
    assert!(env.contains(&("TEMPCRED_NAMESPACES".to_owned(), format!("{own},{second}"))));
    let kubeconfig = world.rig.kubeconfig_for(&user, None).unwrap();
    let audit = audit(&world);
    // The world adds its own namespace.
    world.start_operator_with(kubeconfig, &["--namespaces", &second]).await;
    world.issue("reports", plain()).await;
    let manifest = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": "reports", "namespace": second}, "spec": plain(),
    });
    let path = world.rig.dir().join(format!("{second}.json"));
    std::fs::write(&path, manifest.to_string()).unwrap();
    let path = path.display().to_string();
    world.rig.kubectl_output(&["create", "--filename", &path]).unwrap();
    let ready =
        ["wait", "--for=condition=Ready", "tempcred/reports", "--timeout=30s", "--namespace"];
    world.rig.kubectl_output(&[&ready[..], &[&second]].concat()).unwrap();
    assert!(world.stop_operator().success());
    let requests = audit.requests(user.name(), None).unwrap();
    assert!(!requests.iter().any(|request| request.code == 403), "{requests:?}");
}

#[tokio::test]
async fn aggregated_roles_let_viewers_read_and_editors_write_credentials() {
    let world = World::new().await;
    let name = &world.namespace;
    let objects = template(&[&format!("--set=rbac.aggregate=true,fullnameOverride={name}")]);
    let roles = of_kind(&objects, "ClusterRole").into_iter();
    let roles: Vec<_> = roles.filter(|role| role["metadata"]["name"] != **name).cloned().collect();
    assert_eq!(roles.len(), 2);
    apply(&world, &roles);
    let account = |role: &str| {
        world.kubectl(&["create", "serviceaccount", role]);
        let to = format!("--serviceaccount={name}:{role}");
        world.kubectl(&["create", "rolebinding", role, &format!("--clusterrole={role}"), &to]);
        User::service_account(name, role)
    };
    let (viewer, editor) = (account("view"), account("edit"));
    let resource = "temporarycredentials.tempcred.dev";
    for (user, verb) in [(&viewer, "get"), (&editor, "get"), (&editor, "create")] {
        wait_until("the role is aggregated", SOON, || async {
            may(&world, user, name, verb, resource).then_some(())
        })
        .await;
    }
    for (user, verb, resource) in [
        (&viewer, "create", resource),
        (&viewer, "patch", resource),
        (&editor, "patch", "temporarycredentials.tempcred.dev/status"),
    ] {
        assert!(!may(&world, user, name, verb, resource), "{} {verb}", user.name());
    }
}
