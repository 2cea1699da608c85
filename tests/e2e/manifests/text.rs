//! Files as kubectl and `tempcred check` read them.

use serde_json::Value;

use super::{check, folder, write};
use crate::world::World;

const HEAD: &str =
    "apiVersion: tempcred.dev/v1alpha1\nkind: TemporaryCredential\nmetadata: {name: a}\n";

/// Files, each with something that readers of YAML read differently, and whether the cluster accepts it.
fn files() -> Vec<(&'static str, String, bool)> {
    let role = "roleArn: arn:aws:iam::123456789012:role/r";
    let spec = |more: &str| format!("{HEAD}spec:\n  assumeRole: {{{role}}}\n  {more}\n");
    let request = |more: &str| format!("{HEAD}spec:\n  assumeRole:\n    {role}\n    {more}\n");
    let root = |account: &str| {
        format!(
            "{HEAD}spec:\n  identity: {{accessKeySecretRef: {{name: keys}}}}\n  assumeRoot:\n    targetPrincipal: {account}\n    taskPolicyArn: arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy\n"
        )
    };
    vec![
        ("yes is true", spec("suspend: yes"), true),
        ("on is true", spec("suspend: on"), true),
        ("a quoted yes is text", spec("suspend: 'yes'"), false),
        ("y is no region", spec("region: y"), false),
        ("an octal percentage", spec("renewal: {beforePercentage: 010}"), true),
        ("an octal percentage of 0", spec("renewal: {beforePercentage: 00}"), false),
        ("a percentage with an exponent", spec("renewal: {beforePercentage: 2e1}"), true),
        ("a percentage with an underscore", spec("renewal: {beforePercentage: 2_0}"), true),
        ("a hexadecimal percentage", spec("renewal: {beforePercentage: 0x14}"), true),
        ("an account as number", root("123456789012"), false),
        ("an account that begins with 0", root("012345678901"), false),
        ("a quoted account", root("'012345678901'"), true),
        ("a number as tag", request("tags: {team: 1}"), false),
        ("a date as tag", request("tags: {since: 2026-01-02}"), true),
        ("a null in any spelling", spec("region: ~"), true),
        ("an empty value", spec("region:"), true),
        ("a version as tag", request("tags: {version: 1.2.3}"), true),
        ("a decimal as tag", request("tags: {version: 1.2}"), false),
        ("a boolean key", request("tags: {on: x}"), true),
        ("a key of digits", request("tags: {1: x}"), true),
        ("an anchor and an alias", request("tags: {a: &x b, c: *x}"), true),
        (
            "a merge",
            format!(
                "{HEAD}spec:\n  assumeRole:\n    <<: {{{role}, duration: 2h}}\n    duration: 1h\n"
            ),
            true,
        ),
        ("a tag of YAML", spec("region: !!str eu-west-1"), true),
        ("a folded policy", request("policy: >\n      {\n      }"), true),
        (
            "JSON with tabs",
            "{\n\t\"apiVersion\": \"tempcred.dev/v1alpha1\", \"kind\": \"TemporaryCredential\",\n\t\"metadata\": {\"name\": \"a\"}, \"spec\": {\"assumeRole\": {\"roleArn\": \"arn:aws:iam::123456789012:role/r\"}}\n}".to_owned(),
            true,
        ),
    ]
}

#[tokio::test]
async fn files_mean_what_they_mean_to_kubectl() {
    let world = World::new().await;
    let folder = folder(&world, "text");
    for (index, (row, text, accepted)) in files().into_iter().enumerate() {
        let ending = if text.starts_with('{') { "json" } else { "yaml" };
        let path = write(&folder, &format!("{index}.{ending}"), &text);
        let mut kubectl = world.rig.kubectl();
        kubectl.args(["create", "--dry-run=server", "--validate=strict", "-n", &world.namespace]);
        let output = kubectl.args(["-f", &path]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), accepted, "kubectl, {row}: {said}");
        let checked = check(&["-o", "json", &path], "");
        let rejected = checked.findings().iter().any(|finding| finding["source"] == "api-server");
        assert_eq!(rejected, !accepted, "{row}: {checked:?}");
        assert_eq!(checked.code, Some(i32::from(!accepted)), "{row}: {checked:?}");
    }
}

#[test]
fn lists_and_other_objects_on_standard_input_are_read_and_findings_have_lines() {
    let input = format!(
        "# Source: chart/templates/a.yaml\n---\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c}}\n---\n\
         {HEAD}spec:\n  assumeRole:\n    roleArn: wrong\n---\napiVersion: v1\nkind: List\nitems:\n\
         - apiVersion: tempcred.dev/v1alpha1\n  kind: RoleGrant\n  metadata: {{name: g}}\n  spec:\n    roleArns: []\n"
    );
    let checked = check(&["-o", "json", "-"], &input);
    assert_eq!(checked.code, Some(1), "{checked:?}");
    let line = |field: &str| {
        let findings = checked.findings();
        let found = findings.iter().find(|finding| finding["field"] == field);
        found.unwrap_or_else(|| panic!("{field}: {checked:?}"))["line"].as_u64().unwrap()
    };
    let text: Vec<_> = input.lines().collect();
    for (field, begins) in [
        ("spec.assumeRole.roleArn", "    roleArn: wrong"),
        ("spec.roleArns", "    roleArns: []"),
        // A missing field has the line of its parent.
        ("spec.namespaces", "  spec:"),
    ] {
        let at = usize::try_from(line(field)).unwrap();
        assert_eq!(text[at - 1], begins, "{field}");
    }
    let summary = &checked.json()["summary"];
    assert_eq!((&summary["objects"], &summary["otherDocuments"]), (&2.into(), &1.into()));
}

#[test]
fn what_cannot_be_read_has_its_own_exit_code_and_the_rest_is_checked() {
    let good =
        format!("{HEAD}spec: {{assumeRole: {{roleArn: 'arn:aws:iam::123456789012:role/r'}}}}\n");
    let bomb: String = (1..12)
        .map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(", ")))
        .collect();
    let bomb = format!("a0: &a0 [x]\n{bomb}");
    for (row, input, says) in [
        ("a template", format!("{good}---\na: {{{{ .Values.a }}}}\n"), "helm template CHART"),
        ("not closed", format!("{good}---\na: [\n"), ""),
        ("deep", format!("{good}---\n{}", "[".repeat(100_000)), ""),
        ("an alias bomb", format!("{good}---\n{bomb}"), "aliases included"),
    ] {
        let checked = check(&["-o", "json", "-"], &input);
        assert_eq!(checked.code, Some(2), "{row}: {checked:?}");
        let findings = checked.findings();
        let [finding] = findings.as_slice() else { panic!("{row}: {checked:?}") };
        assert_eq!(finding["rule"], "unreadable", "{row}");
        assert!(finding["message"].as_str().unwrap().contains(says), "{row}: {finding}");
        assert_eq!(checked.json()["summary"]["objects"], 1, "{row}");
    }
    for args in [&["-o", "json", "/does/not/exist"][..], &[], &["--cluster"]] {
        assert_eq!(check(args, "").code, Some(2), "{args:?}");
    }
}

#[test]
fn a_key_that_occurs_twice_is_reported_in_manifests_of_tempcred_only() {
    let twice = |head: &str| format!("{head}spec:\n  region: eu-west-1\n  region: eu-west-2\n");
    let rules = |input: &str| -> Vec<Value> {
        let findings = check(&["-o", "json", "-"], input).findings();
        findings.into_iter().map(|finding| finding["rule"].clone()).collect()
    };
    assert!(rules(&twice(HEAD)).contains(&"duplicate-key".into()));
    assert!(rules(&twice("apiVersion: v1\nkind: ConfigMap\n")).is_empty());
}
