//! Findings about several objects of the input.

use std::collections::{BTreeMap, HashMap, HashSet};

use tempcred_core::api::{Format, RestartTarget, TemporaryCredential, WorkloadKind};
use tempcred_core::key::Key;
use tempcred_core::problem::Reason;
use tempcred_core::secret::ADOPT_BY;

use super::finding::Finding;
use super::node::Node;
use super::object::{Kind, Object};
use super::rule::Rule;
use super::validate::{Credential, Validated};
use crate::controller::References;

/// The resources that write each Secret. A Secret that two of them write belongs to the first.
type Writers<'a> = HashMap<Key, &'a TemporaryCredential>;

/// Findings about objects that depend on each other, or exclude each other.
pub fn check(objects: &[Object], validated: &Validated<'_>) -> Vec<Finding> {
    let mut findings = duplicates(objects);
    let writers = writers(&validated.credentials, &mut findings);
    findings.extend(foreign_secrets(objects, &validated.credentials));
    findings.extend(references(&validated.credentials));
    let workloads = workloads(objects);
    for credential in &validated.credentials {
        findings.extend(session_token(credential, &writers));
        findings.extend(restart_targets(credential, &workloads));
    }
    for object in objects.iter().filter(|object| object.kind == Kind::Workload) {
        findings.extend(environment(object, &writers));
    }
    findings
}

fn duplicates(objects: &[Object]) -> Vec<Finding> {
    let mut seen = HashMap::new();
    let mut findings = Vec::new();
    for object in objects {
        let is_ours = matches!(object.kind, Kind::Credential | Kind::Grant);
        if !is_ours || object.key.name.is_empty() {
            continue;
        }
        let kind = object.kind == Kind::Grant;
        match seen.get(&(kind, &object.key)) {
            None => {
                seen.insert((kind, &object.key), object);
            }
            Some(first) => {
                let place = first.place("");
                let message = format!(
                    "line {} of {} has the same object: remove one of them",
                    place.line, place.file
                );
                let field = "/metadata/name";
                findings.push(object.finding(Rule::DuplicateResource, field, &message));
            }
        }
    }
    findings
}

fn secret_of(resource: &TemporaryCredential) -> Option<Key> {
    let Key { namespace, name } = Key::of(&resource.metadata);
    // The name of the Secret is not known before the name of the resource.
    let is_known = !name.is_empty() || resource.spec.secret.name.is_some();
    is_known.then(|| Key { namespace, name: resource.secret_name() })
}

fn writers<'a>(all: &'a [Credential<'_>], findings: &mut Vec<Finding>) -> Writers<'a> {
    let mut writers = Writers::new();
    for Credential { object, resource } in all {
        let Some(secret) = secret_of(resource) else { continue };
        match writers.get(&secret) {
            None => {
                writers.insert(secret, resource);
            }
            // The same object twice has its own finding.
            Some(first) if Key::of(&first.metadata) == object.key => {}
            Some(first) => {
                let other = Key::of(&first.metadata).name;
                let message = format!(
                    "TemporaryCredential {other} writes the Secret {} too, and only one of them can: set another secret.name",
                    secret.name
                );
                let field = "/spec/secret/name";
                findings.push(object.finding(Rule::SecretConflict, field, &message));
            }
        }
    }
    writers
}

fn foreign_secrets(objects: &[Object], all: &[Credential<'_>]) -> Vec<Finding> {
    let secrets = objects.iter().filter(|object| object.kind == Kind::Secret);
    let secrets: HashMap<_, _> = secrets.map(|secret| (&secret.key, secret)).collect();
    let mut findings = Vec::new();
    for Credential { object, resource } in all {
        let Some(key) = secret_of(resource) else { continue };
        let Some(secret) = secrets.get(&key) else { continue };
        let adopter = secret.annotation(ADOPT_BY);
        if !(resource.spec.secret.adopt && adopter == Some(&object.key.name)) {
            let message = format!(
                "the input also contains the Secret {}, which the operator does not change: remove that Secret or set another secret.name; or set secret.adopt, and the annotation {ADOPT_BY} on the Secret",
                key.name
            );
            let field = "/spec/secret/name";
            findings.push(object.finding(Rule::SecretConflict, field, &message));
        }
    }
    findings
}

fn references(all: &[Credential<'_>]) -> Vec<Finding> {
    let references = References::default();
    for credential in all {
        references.set(&credential.resource);
    }
    let mut findings = Vec::new();
    for Credential { object, .. } in all.iter().filter(|one| !one.object.key.name.is_empty()) {
        if let Err(problem) = references.check(&object.key) {
            let is_too_deep = problem.reason == Reason::ReferenceTooDeep;
            let rule = if is_too_deep { Rule::ReferenceTooDeep } else { Rule::ReferenceLoop };
            findings.push(object.finding(rule, "/spec", &problem.message));
        }
    }
    findings
}

fn session_token(credential: &Credential<'_>, writers: &Writers<'_>) -> Option<Finding> {
    let Credential { object, resource } = credential;
    let keys = resource.spec.identity.as_ref()?.access_key_secret_ref.as_ref()?;
    let secret = Key { namespace: object.key.namespace.clone(), name: keys.name.clone() };
    let writer = writers.get(&secret)?;
    let request = &resource.spec.request;
    let needs_user = request.get_session_token.is_some() || request.get_federation_token.is_some();
    let change = if needs_user {
        "use a Secret with the long-lived key of an IAM user"
    } else {
        "set sessionTokenKey: AWS_SESSION_TOKEN"
    };
    keys.session_token_key.is_none().then(|| {
        let message = format!(
            "TemporaryCredential {} writes the Secret {} with the key of a session, which AWS accepts only with its session token: {change}",
            Key::of(&writer.metadata).name,
            keys.name
        );
        object.finding(Rule::SessionTokenMissing, "/spec/identity/accessKeySecretRef", &message)
    })
}

/// The workloads that can be restarted, by namespace, kind and name.
type Workloads<'a> = HashSet<(&'a str, WorkloadKind, &'a str)>;

fn workloads(objects: &[Object]) -> Workloads<'_> {
    let workloads = objects.iter().filter(|object| object.kind == Kind::Workload);
    workloads
        .filter_map(|object| {
            let Key { namespace, name } = &object.key;
            Some((namespace.as_str(), object.restartable()?, name.as_str()))
        })
        .collect()
}

fn restart_targets(credential: &Credential<'_>, known: &Workloads<'_>) -> Vec<Finding> {
    let Credential { object, resource } = credential;
    let namespace = object.key.namespace.as_str();
    let targets = resource.spec.restart.iter().enumerate();
    targets
        .filter(|(_, target)| !known.contains(&(namespace, target.kind, target.name.as_str())))
        .map(|(index, target)| {
            let message = format!(
                "the input contains no {} {} in namespace {namespace}: check the name, if it is not created elsewhere",
                target.kind.as_str(),
                target.name,
            );
            let field = format!("/spec/restart/{index}");
            object.finding(Rule::RestartTargetMissing, &field, &message)
        })
        .collect()
}

/// Findings about the environment of a workload that runs until it is replaced.
fn environment(workload: &Object, writers: &Writers<'_>) -> Vec<Finding> {
    let (Some(kind), Some((at, spec))) = (workload.restartable(), workload.pod_spec()) else {
        return Vec::new();
    };
    let target = RestartTarget { kind, name: workload.key.name.clone() };
    let writer = |name: &str| {
        let key = Key { namespace: workload.key.namespace.clone(), name: name.to_owned() };
        writers.get(&key).copied()
    };
    let mut findings = BTreeMap::new();
    for (field, secret, is_whole) in secrets_in_environment(&at, spec) {
        let Some(resource) = writer(&secret) else { continue };
        let name = Key::of(&resource.metadata).name;
        if !resource.spec.restart.contains(&target) {
            let message = format!(
                "the environment of a process never changes, so it keeps expired credentials of Secret {secret}: mount the Secret as files, or add {} {} to restart of TemporaryCredential {name}",
                kind.as_str(),
                target.name
            );
            let finding = workload.finding(Rule::EnvNotRefreshed, &field, &message);
            findings.entry((Rule::EnvNotRefreshed, secret.clone())).or_insert(finding);
        }
        if is_whole && resource.spec.secret.formats != [Format::Env] {
            let message = format!(
                "envFrom exports every key of Secret {secret}, file formats too: set secret.formats: [env] in TemporaryCredential {name}, or use secretKeyRef"
            );
            let finding = workload.finding(Rule::EnvFromFiles, &field, &message);
            findings.entry((Rule::EnvFromFiles, secret)).or_insert(finding);
        }
    }
    findings.into_values().collect()
}

/// The Secrets in the environment of containers: the field, the name of the Secret, and whether it is `envFrom`.
fn secrets_in_environment(at: &str, spec: &Node) -> Vec<(String, String, bool)> {
    let mut found = Vec::new();
    for list in ["initContainers", "containers"] {
        let containers = spec.get(list).and_then(Node::items).unwrap_or_default();
        for (index, container) in containers.iter().enumerate() {
            let at = format!("{at}/{list}/{index}");
            let items = |key| container.get(key).and_then(Node::items).unwrap_or_default();
            for (index, from) in items("envFrom").iter().enumerate() {
                let secret = from.get("secretRef").and_then(|secret| secret.text("name"));
                found.extend(
                    secret.map(|name| (format!("{at}/envFrom/{index}"), name.to_owned(), true)),
                );
            }
            for (index, variable) in items("env").iter().enumerate() {
                let from = variable.get("valueFrom").and_then(|from| from.get("secretKeyRef"));
                let secret = from.and_then(|secret| secret.text("name"));
                found.extend(
                    secret.map(|name| (format!("{at}/env/{index}"), name.to_owned(), false)),
                );
            }
        }
    }
    found
}
