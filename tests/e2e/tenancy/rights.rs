//! What RBAC denies a tenant: grants, labels of namespaces, statuses, and other namespaces.

use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use super::scene::{OWN, Scene, VICTIM_ROLE};

/// A kubectl command of the tenant that the API server must deny.
pub struct Row {
    /// A description.
    pub name: &'static str,
    args: Vec<String>,
    input: Option<Value>,
}

pub fn rows(victim: &str, attacker: &str) -> Vec<Row> {
    let row = |name, args: &[&str]| Row {
        name,
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        input: None,
    };
    let with = |row: Row, input: Value| Row { input: Some(input), ..row };
    let wide = json!({"namespaces": {"names": ["*"]}, "roleArns": [VICTIM_ROLE]});
    let patch = format!("--patch={}", json!({"spec": wide}));
    let status = json!({"status": {
        "expiration": "2099-01-01T00:00:00Z", "renewalTime": "2099-01-01T00:00:00Z",
    }});
    let status = format!("--patch={status}");
    let credential = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": "mine", "namespace": victim}, "spec": {"assumeRole": {"roleArn": VICTIM_ROLE}},
    });
    let suspend = format!("--patch={}", json!({"spec": {"suspend": true}}));
    let merge = "--type=merge";
    vec![
        with(
            row("to grant a role", &["create", "--filename=-"]),
            json!({
                "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
                "metadata": {"name": format!("{attacker}-wide")}, "spec": wide,
            }),
        ),
        row("to widen its grant", &["patch", "rolegrant", attacker, merge, &patch]),
        row("to widen the victim's grant", &["patch", "rolegrant", victim, merge, &patch]),
        row("to withdraw the victim's grant", &["delete", "rolegrant", victim]),
        row("to see who is granted what", &["get", "rolegrants"]),
        row("to see the victim's grant", &["get", "rolegrant", victim]),
        row("to label its namespace", &["label", "namespace", attacker, "team=payroll"]),
        row("to annotate its namespace", &["annotate", "namespace", attacker, "a=b"]),
        row("to make a namespace", &["create", "namespace", &format!("{victim}-2")]),
        with(row("to ask in the victim's namespace", &["create", "--filename=-"]), credential),
        row(
            "to suspend the victim's credential",
            &["patch", "tempcred", "payroll", "--namespace", victim, merge, &suspend],
        ),
        row(
            "to delete the victim's credential",
            &["delete", "tempcred", "payroll", "--namespace", victim],
        ),
        row("to see the victim's credentials", &["get", "tempcred", "--namespace", victim]),
        row("to read the victim's Secret", &["get", "secret", "payroll", "--namespace", victim]),
        row(
            "to have a token of the victim",
            &["create", "token", "payroll", "--namespace", victim],
        ),
        row(
            "to have a token of the operator",
            &["create", "token", "tempcred", "--namespace=tempcred-system"],
        ),
        row("to read the operator's Secrets", &["get", "secrets", "--namespace=tempcred-system"]),
        row(
            "to write a status",
            &["patch", "tempcred", "mine", "--subresource=status", merge, &status],
        ),
        row(
            "to speak as the operator",
            &["get", "secrets", "--as=system:serviceaccount:tempcred-system:tempcred"],
        ),
        row("to change what is checked", &["delete", "crd", "rolegrants.tempcred.dev"]),
    ]
}

#[tokio::test]
async fn rbac_denies_a_tenant_grants_labels_statuses_and_other_namespaces() {
    let scene = Scene::new(json!({}), &[]).await;
    let (victim, attacker) = (&scene.victim.namespace, &scene.attacker.namespace);
    scene.attacker.issue("mine", json!({"assumeRole": {"roleArn": OWN}})).await;
    let kubectl = || {
        let mut command = scene.attacker.rig.kubectl();
        command.env("KUBECONFIG", &scene.kubeconfig);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    // A few at a time: each is a process.
    let rows = rows(victim, attacker);
    for some in rows.chunks(4) {
        let run = some.iter().map(|row| {
            let mut child = kubectl().args(&row.args).spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            if let Some(object) = &row.input {
                input.write_all(object.to_string().as_bytes()).unwrap();
            }
            (row, child)
        });
        for (row, child) in run.collect::<Vec<_>>() {
            let output = child.wait_with_output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                !output.status.success() && said.to_lowercase().contains("forbidden"),
                "{}: {said}",
                row.name
            );
        }
    }
    // The tenant may change its own credentials.
    let own = kubectl().args(["annotate", "tempcred", "mine", "a=b"]).output().unwrap();
    assert!(own.status.success(), "{}", String::from_utf8_lossy(&own.stderr));
    scene.assert_untouched().await;
    assert_eq!(scene.attacker.sts.calls_total(), 2);
}
