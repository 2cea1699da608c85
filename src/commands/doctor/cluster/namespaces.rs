//! The served namespaces: the chart does not create them.

use futures::future::join_all;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::ListParams;
use kube::{Api, Client};

use super::request::{Failed, bounded};
use crate::commands::doctor::check::{Check, Finding};
use crate::commands::doctor::list::some_of;

/// The state of a namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It exists.
    Exists,
    /// It is being deleted.
    Terminating,
    /// It does not exist.
    Missing,
}

/// A served namespace, and its state.
pub type Served = (String, Result<State, Failed>);

/// Reads the metadata of namespaces, in the way that the operator's role allows.
pub async fn gather(client: &Client, names: &[String]) -> Vec<Served> {
    let read = |name: &String| {
        let (api, name) = (Api::<Namespace>::all(client.clone()), name.clone());
        async move {
            let params = ListParams::default().fields(&format!("metadata.name={name}"));
            let found = bounded(api.list_metadata(&params)).await;
            let state = found.map(|list| match list.items.first() {
                None => State::Missing,
                Some(one) if one.metadata.deletion_timestamp.is_some() => State::Terminating,
                Some(_) => State::Exists,
            });
            (name, state)
        }
    };
    join_all(names.iter().map(read)).await
}

/// Judges the served namespaces. All are served if there are none.
pub fn judge(served: &[Served]) -> Vec<Finding> {
    let check = Check::Namespaces;
    if served.is_empty() {
        return vec![Finding::ok(check, "The operator serves all namespaces.")];
    }
    let of = |wanted: State| {
        let names = served.iter().filter(|(_, state)| *state == Ok(wanted)).map(|(name, _)| name);
        names.map(String::as_str).collect::<Vec<_>>()
    };
    let mut findings = Vec::new();
    let (exist, missing, ending) = (of(State::Exists), of(State::Missing), of(State::Terminating));
    if !exist.is_empty() {
        findings.push(Finding::ok(check, format!("The operator serves {}.", some_of(&exist))));
    }
    if !missing.is_empty() {
        findings.push(Finding::problem(
            check,
            format!("These served namespaces do not exist: {}.", some_of(&missing)),
            "Create them, and repeat helm upgrade so that the operator gets its Roles in them, or correct --namespaces (chart value settings.namespaces).",
        ));
    }
    if !ending.is_empty() {
        findings.push(Finding::warning(
            check,
            format!("These served namespaces are being deleted: {}.", some_of(&ending)),
            "Remove them from --namespaces (chart value settings.namespaces).",
        ));
    }
    if let Some((name, Err(Failed { why, .. }))) = served.iter().find(|(_, state)| state.is_err()) {
        findings.push(Finding::warning(
            check,
            format!("It is not known whether namespace {name} exists: {why}."),
            "Allow the operator to list its Namespaces: see the check RBAC.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    #[test]
    fn namespaces_that_do_not_exist_are_named() {
        let of = |name: &str, state| (name.to_owned(), state);
        let failed = Err(Failed { code: Some(403), why: "HTTP 403: no".to_owned() });
        let found = judge(&[
            of("a", Ok(State::Exists)),
            of("b", Ok(State::Missing)),
            of("c", Ok(State::Terminating)),
            of("d", failed),
        ]);
        let levels: Vec<_> = found.iter().map(|finding| finding.level).collect();
        assert_eq!(levels, [Level::Ok, Level::Problem, Level::Warning, Level::Warning]);
        for (finding, part) in found.iter().zip(["serves a.", ": b.", ": c.", "namespace d"]) {
            assert!(finding.message.contains(part), "{finding:?}");
        }
        assert_eq!(judge(&[])[0].level, Level::Ok);
    }
}
