//! The permissions of the operator: the table in the code, the roles of the chart, and what doctor says without them.

use std::collections::BTreeSet;

use rig::User;
use serde_json::{Value, json};
use tempcred::cluster::{Feature, RIGHTS, Scope};

use super::Pod;
use crate::chart::rights::{apply, audit, may};
use crate::chart::{of_kind, template};
use crate::world::{SOON, World, wait_until};

/// A permission in a role: where it applies, its group, resource and object, and the verb.
type Granted = (String, String, String, String, String);

/// The permissions that the chart gives to the operator with these values.
fn of_chart(values: &[&str]) -> BTreeSet<Granted> {
    let objects = template(values);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut granted = BTreeSet::new();
    for (binding, role) in [("ClusterRoleBinding", "ClusterRole"), ("RoleBinding", "Role")] {
        for binding in of_kind(&objects, binding) {
            let subjects = binding["subjects"].as_array().unwrap();
            if !subjects.iter().any(|subject| subject["name"] == "tempcred") {
                continue;
            }
            let namespace = &binding["metadata"]["namespace"];
            let roles = of_kind(&objects, role);
            let role = roles.iter().find(|role| {
                role["metadata"]["name"] == binding["roleRef"]["name"]
                    && role["metadata"]["namespace"] == *namespace
            });
            for rule in role.unwrap()["rules"].as_array().unwrap() {
                let list = |field: &str| match &rule[field] {
                    Value::Array(all) => all.iter().map(text).collect(),
                    _ => vec![String::new()],
                };
                for group in list("apiGroups") {
                    for resource in list("resources") {
                        for name in list("resourceNames") {
                            for verb in list("verbs") {
                                let place = namespace.as_str().unwrap_or_default().to_owned();
                                let group = group.clone();
                                granted.insert((
                                    place,
                                    group,
                                    resource.clone(),
                                    name.clone(),
                                    verb,
                                ));
                            }
                        }
                    }
                }
            }
        }
    }
    granted
}

/// The permissions in the table, for an operator in the namespace `release` that serves these namespaces.
fn of_table(served: &[&str]) -> BTreeSet<Granted> {
    let of_served = |names: bool| match (served, names) {
        ([], _) => vec![(String::new(), String::new())],
        (served, true) => served.iter().map(|name| (String::new(), (*name).to_owned())).collect(),
        (served, false) => served.iter().map(|name| ((*name).to_owned(), String::new())).collect(),
    };
    let own = |name: &str| vec![("release".to_owned(), name.to_owned())];
    let mut granted = BTreeSet::new();
    for right in RIGHTS {
        let places = match right.scope {
            Scope::Served => of_served(false),
            Scope::ServedNamespaces => of_served(true),
            Scope::Cluster => vec![(String::new(), String::new())],
            Scope::Named(name) => vec![(String::new(), name.to_owned())],
            Scope::Own => own(""),
            Scope::Lease => own("tempcred"),
        };
        for (namespace, name) in places {
            for verb in right.verbs {
                let (group, resource) = (right.group.to_owned(), right.resource.to_owned());
                granted.insert((
                    namespace.clone(),
                    group,
                    resource,
                    name.clone(),
                    (*verb).to_owned(),
                ));
            }
        }
    }
    granted
}

#[test]
fn the_table_of_permissions_is_that_of_the_chart() {
    let all =
        "--set=features.workloadRestarts=true,metrics.auth.enabled=true,metrics.tls.secretName=tls";
    assert_eq!(of_chart(&[all]), of_table(&[]));
    let some = format!("{all},settings.namespaces={{team-a,team-b}}");
    assert_eq!(of_chart(&[&some]), of_table(&["team-a", "team-b"]));
    for (feature, off) in [
        (Feature::ServiceAccountTokens, "features.serviceAccountTokens=false"),
        (Feature::WorkloadRestarts, "features.workloadRestarts=false"),
        (Feature::MetricsAuth, "metrics.auth.enabled=false"),
        (Feature::LeaderElection, "settings.leaderElect=false,replicas=1"),
    ] {
        let rest = of_chart(&[all, &format!("--set={off}")]);
        let table = of_table(&[]);
        let gone: Vec<_> = table.difference(&rest).collect();
        let of_feature = |granted: &&Granted| {
            RIGHTS.iter().any(|right| right.feature == feature && right.resource == granted.2)
        };
        assert!(!gone.is_empty() && gone.iter().all(of_feature), "{off}: {gone:?}");
        assert!(off.contains(feature.chart_value()), "{off}");
    }
}

/// A ServiceAccount in the namespace of a world. Without rules, it has no role.
async fn account(world: &World, name: &str, rules: Vec<Value>) -> User {
    let namespace = &world.namespace;
    let user = User::service_account(namespace, name);
    let role = format!("{namespace}-{name}");
    let rbac = "rbac.authorization.k8s.io";
    let metadata = json!({"name": role});
    let mut objects = vec![json!({
        "apiVersion": "v1", "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace},
    })];
    let has_role = !rules.is_empty();
    if has_role {
        objects.extend([
            json!({"apiVersion": format!("{rbac}/v1"), "kind": "ClusterRole", "metadata": metadata, "rules": rules}),
            json!({
                "apiVersion": format!("{rbac}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
                "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }),
        ]);
    }
    apply(world, &objects);
    if has_role {
        wait_until("the role is in force", SOON, || async {
            may(world, &user, namespace, "list", "rolegrants.tempcred.dev").then_some(())
        })
        .await;
    }
    user
}

/// The rules of the table without one verb of a resource.
fn rules_without(resource: &str, verb: &str) -> Vec<Value> {
    let verbs = |right: &tempcred::cluster::Right| {
        let verbs = right.verbs.iter();
        let verbs = verbs.filter(|other| !(right.resource == resource && **other == verb));
        verbs.copied().collect::<Vec<_>>()
    };
    let rule = |right| {
        let verbs = verbs(right);
        (!verbs.is_empty()).then(
            || json!({"apiGroups": [right.group], "resources": [right.resource], "verbs": verbs}),
        )
    };
    RIGHTS.iter().filter_map(rule).collect()
}

#[tokio::test]
async fn without_a_role_every_permission_is_named_and_nothing_is_written() {
    let world = World::new().await;
    let user = account(&world, "nobody", vec![]).await;
    let audit = audit(&world);
    let flags = ["--leader-elect", "--metrics-auth"];
    let report = Pod::with_user(&world, &user).report(&world, &flags).await;
    let denied: Vec<_> = report.findings("rbac").iter().map(|(_, message)| *message).collect();
    let denied = denied.join(" ");
    // Whether tokens and restarts are needed depends on the resources.
    let needed = RIGHTS.iter().filter(|right| {
        !matches!(right.feature, Feature::ServiceAccountTokens | Feature::WorkloadRestarts)
    });
    for right in needed {
        let named = format!("{} {} in ", right.verbs.join(", "), right.resource);
        assert!(denied.contains(&named), "{named}: {denied}");
    }
    assert!(denied.starts_with(user.name()), "{denied}");
    report.assert_has("features", "ok", "serviceAccountName is not allowed");
    report.assert_has("features", "warning", "cannot be listed");
    report.assert("grants", "problem", "cannot be listed");
    report.assert_has("namespaces", "warning", &world.namespace);
    // What every user may read suffices for these.
    assert!(report.findings("crds").iter().all(|(result, _)| *result == "ok"), "{:#}", report.json);
    report.assert("api-server", "ok", world.rig.server());
    report.assert("user", "ok", user.name());

    let requests = audit.requests(user.name(), None).unwrap();
    assert!(requests.len() > 30, "{requests:?}");
    let reviews = ["selfsubjectaccessreviews", "selfsubjectreviews"];
    let is_harmless = |r: &&rig::Request| {
        ["get", "list"].contains(&r.verb.as_str()) || reviews.contains(&r.resource.as_str())
    };
    let harmful: Vec<_> = requests.iter().filter(|r| !is_harmless(r)).collect();
    assert!(harmful.is_empty(), "{harmful:?}");
}

#[tokio::test]
async fn a_missing_verb_is_named_alone() {
    let world = World::new().await;
    for (resource, verb, says, value) in [
        (
            "secrets",
            "delete",
            format!("may not delete secrets in namespace {}.", world.namespace),
            "rbac.create",
        ),
        (
            "rolegrants/status",
            "patch",
            "may not patch rolegrants/status in the cluster.".to_owned(),
            "rbac.create",
        ),
        (
            "daemonsets",
            "patch",
            format!("may not patch daemonsets in namespace {}.", world.namespace),
            "features.workloadRestarts",
        ),
        (
            "leases",
            "patch",
            format!("may not patch leases in namespace {} (object tempcred).", world.namespace),
            "settings.leaderElect",
        ),
    ] {
        let name = format!("{verb}-{}", resource.replace('/', "-"));
        let user = account(&world, &name, rules_without(resource, verb)).await;
        let report = Pod::with_user(&world, &user).report(&world, &["--leader-elect"]).await;
        report.assert("rbac", "problem", &says);
        assert!(report.advice("rbac").contains(value), "{:#}", report.json);
    }
}

#[tokio::test]
async fn a_feature_that_resources_use_must_be_allowed() {
    let world = World::new().await;
    let web =
        json!({"roleArn": "arn:aws:iam::123456789012:role/web", "serviceAccountName": "reporter"});
    world.create("web", json!({"assumeRoleWithWebIdentity": web})).await;
    let user = account(&world, "tokenless", rules_without("serviceaccounts/token", "create")).await;
    let report = Pod::with_user(&world, &user).report(&world, &[]).await;
    let used = format!("1 resource uses serviceAccountName: {}/web.", world.namespace);
    report.assert_has("features", "problem", &used);
    report.assert("rbac", "ok", "all");
    assert!(report.advice("features").contains("features.serviceAccountTokens: true"));
    Pod::of(&world).report(&world, &[]).await.assert("features", "ok", "restart is allowed");
}

#[tokio::test]
async fn an_administrator_checks_the_permissions_of_the_operator() {
    let world = World::new().await;
    let admin = Pod::with_kubeconfig(&world, world.rig.kubeconfig());
    let own = admin.report(&world, &[]).await;
    own.assert("user", "warning", "is not a ServiceAccount");
    own.assert("rbac", "ok", "rig-admin has all");
    let user = account(&world, "nobody", vec![]).await;
    let report = admin.report(&world, &["--as", user.name()]).await;
    report.assert("user", "ok", user.name());
    report.assert_has("rbac", "problem", user.name());
    let refused = Pod::with_user(&world, &user).report(&world, &["--as", "alice"]).await;
    refused.assert("api-server", "problem", "rejects the request");
    assert!(refused.advice("api-server").contains("impersonate"), "{:#}", refused.json);
}
