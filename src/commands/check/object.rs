//! An object of the input, and what it is for `tempcred check`.

use std::sync::Arc;

use serde_json::Value;
use tempcred_core::api::{GROUP, WorkloadKind};
use tempcred_core::key::Key;
use tempcred_core::text::one_line;

use super::finding::{Finding, Place, child};
use super::node::Node;
use super::rule::Rule;
use super::structural::Flaw;

/// Version of the API that the CRDs define.
const VERSION: &str = "v1alpha1";

/// Longest title of an object, in characters.
const LONGEST_TITLE: usize = 400;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A `TemporaryCredential`.
    Credential,
    /// A `RoleGrant`.
    Grant,
    /// Another kind or version in the group of tempcred.
    UnknownOfGroup,
    /// A namespace.
    Namespace,
    /// A Secret.
    Secret,
    /// An object with a template for Pods, or a Pod.
    Workload,
    /// Any other object, or a document that is no object.
    Other,
}

/// An object of the input.
#[derive(Debug)]
pub struct Object {
    /// The file that contains it.
    pub file: Arc<str>,
    /// Its fields, with their lines.
    pub node: Node,
    /// What it is.
    pub kind: Kind,
    /// Its namespace and name. The namespace is the default one if the object sets none and is not cluster-scoped.
    pub key: Key,
}

impl Object {
    /// Classifies a document. `namespace` is the default namespace.
    pub fn new(file: &Arc<str>, node: Node, namespace: &str) -> Self {
        let kind = kind(&node);
        let metadata = node.get("metadata");
        let text = |key| metadata.and_then(|metadata| metadata.text(key)).unwrap_or_default();
        let is_cluster_scoped = matches!(kind, Kind::Grant | Kind::Namespace);
        let own = match text("namespace") {
            _ if is_cluster_scoped => "",
            "" => namespace,
            own => own,
        };
        let key = Key { namespace: own.to_owned(), name: text("name").to_owned() };
        Self { file: Arc::clone(file), node, kind, key }
    }

    /// Kind, namespace and name, for messages.
    pub fn title(&self) -> String {
        let kind = self.node.text("kind").unwrap_or("object");
        let prefix = match self.key.name.as_str() {
            "" => self.node.get("metadata").and_then(|metadata| metadata.text("generateName")),
            name => Some(name),
        };
        let name = prefix.unwrap_or("without a name");
        let title = match self.key.namespace.as_str() {
            "" => format!("{kind} {name}"),
            namespace => format!("{kind} {namespace}/{name}"),
        };
        // A name that was not validated may contain what a terminal interprets.
        one_line(&title, LONGEST_TITLE)
    }

    /// The place of a field.
    pub fn place(&self, field: &str) -> Place {
        Place { file: Arc::clone(&self.file), line: self.node.line_of(field) }
    }

    /// A finding in a field.
    pub fn finding(&self, rule: Rule, field: &str, message: &str) -> Finding {
        let finding = Finding::new(rule, self.place(field), message);
        Finding { object: Some(self.title()), field: field.to_owned(), ..finding }
    }

    /// A finding for a flaw.
    pub fn flaw(&self, flaw: &Flaw) -> Finding {
        self.finding(flaw.rule, &flaw.field, &flaw.message)
    }

    /// Whether the manifest sets its namespace.
    pub fn sets_namespace(&self) -> bool {
        self.node.get("metadata").is_some_and(|metadata| metadata.text("namespace").is_some())
    }

    /// The kind, if it is a workload that can be restarted.
    pub fn restartable(&self) -> Option<WorkloadKind> {
        let kind = self.node.text("kind")?;
        let all = [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet];
        all.into_iter().find(|known| known.as_str() == kind)
    }

    /// The specification of the Pods of a workload, and its JSON pointer.
    pub fn pod_spec(&self) -> Option<(String, &Node)> {
        let path: &[&str] = match self.node.text("kind")? {
            "Pod" => &["spec"],
            "CronJob" => &["spec", "jobTemplate", "spec", "template", "spec"],
            _ => &["spec", "template", "spec"],
        };
        let found = path.iter().try_fold(&self.node, |node, key| node.get(key))?;
        Some((path.iter().fold(String::new(), |pointer, key| child(&pointer, key)), found))
    }

    /// The labels of the object.
    pub fn labels(&self) -> std::collections::BTreeMap<String, String> {
        self.texts("labels").collect()
    }

    /// An annotation.
    pub fn annotation(&self, key: &str) -> Option<&str> {
        self.node.get("metadata")?.get("annotations")?.text(key)
    }

    fn texts(&self, field: &str) -> impl Iterator<Item = (String, String)> {
        let value = self.node.get("metadata").and_then(|metadata| metadata.get(field));
        let value = value.map(Node::to_json).unwrap_or_default();
        let entries = if let Value::Object(entries) = value { entries } else { <_>::default() };
        entries.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned())))
    }
}

fn kind(node: &Node) -> Kind {
    let (Some(api), Some(kind)) = (node.text("apiVersion"), node.text("kind")) else {
        return Kind::Other;
    };
    match (api.split_once('/').unwrap_or(("", api)), kind) {
        ((GROUP, VERSION), "TemporaryCredential") => Kind::Credential,
        ((GROUP, VERSION), "RoleGrant") => Kind::Grant,
        ((GROUP, _), _) => Kind::UnknownOfGroup,
        (("", "v1"), "Namespace") => Kind::Namespace,
        (("", "v1"), "Secret") => Kind::Secret,
        (("", "v1"), "Pod" | "ReplicationController") => Kind::Workload,
        (("apps", _), "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => Kind::Workload,
        (("batch", _), "Job" | "CronJob") => Kind::Workload,
        _ => Kind::Other,
    }
}

/// The objects of a document: the items of a list, or else the document itself.
pub fn objects(document: Node) -> Vec<Node> {
    let (mut found, mut left) = (Vec::new(), vec![document]);
    while let Some(node) = left.pop() {
        let is_list = node.text("kind").is_some_and(|kind| kind.ends_with("List"));
        match node.get("items").and_then(Node::items) {
            Some(items) if is_list => left.extend(items.iter().rev().cloned()),
            Some(_) | None => found.push(node),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::check::yaml::parse;

    #[test]
    fn objects_are_classified_and_lists_are_expanded() {
        let text = "
apiVersion: v1
kind: List
items:
- {apiVersion: tempcred.dev/v1alpha1, kind: TemporaryCredential, metadata: {name: a}}
- {apiVersion: tempcred.dev/v1alpha1, kind: TemporaryCredential, metadata: {name: a, namespace: data}}
- {apiVersion: tempcred.dev/v1alpha1, kind: RoleGrant, metadata: {name: g, namespace: n}}
- {apiVersion: tempcred.dev/v2, kind: RoleGrant, metadata: {name: g}}
- apiVersion: tempcred.dev/v1alpha1
  kind: RoleGrantList
  items: [{apiVersion: v1, kind: Namespace, metadata: {name: n}}]
- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d, namespace: n}}
- {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
- just a text
";
        let (documents, _) = parse(text);
        let file = Arc::from("f");
        let nodes = documents.into_iter().flat_map(|document| objects(document.node));
        let all: Vec<_> = nodes.map(|node| Object::new(&file, node, "default")).collect();
        let kinds: Vec<_> = all.iter().map(|object| object.kind).collect();
        use Kind::{Credential, Grant, Namespace, Other, UnknownOfGroup, Workload};
        assert_eq!(
            kinds,
            [Credential, Credential, Grant, UnknownOfGroup, Namespace, Workload, Other, Other]
        );
        let titles: Vec<_> = all.iter().take(3).map(Object::title).collect();
        assert_eq!(
            titles,
            ["TemporaryCredential default/a", "TemporaryCredential data/a", "RoleGrant g"]
        );
        assert_eq!(all[1].place("/metadata/name").line, 6);

        let (documents, _) = parse("{kind: Pod, metadata: {name: \"a\\e[31mb\"}}");
        let odd = Object::new(&file, documents[0].node.clone(), "n");
        assert_eq!(odd.title(), "Pod n/a [31mb");
    }
}
