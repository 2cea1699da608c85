//! The CustomResourceDefinitions in the cluster.
//!
//! The role of the chart allows to read only that of the grants. What every user may read, the discovery and the
//! published OpenAPI schema, shows what is served.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::Request;
use futures::future::{join_all, join3};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResourceList;
use kube::{Api, Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tempcred_core::api::{GROUP, crds};

use super::request::{Failed, bounded};
use super::schema::compare;
use crate::commands::doctor::check::{Check, Finding};
use crate::commands::doctor::list::some_of;

/// The version that this binary serves.
const VERSION: &str = "v1alpha1";

/// How to install or to upgrade the definitions.
const APPLY: &str =
    "tempcred crds | kubectl apply --server-side -f -, or helm upgrade with crds.install: true.";

/// What was found out about the definitions.
pub struct Facts {
    /// The plural names of the types that the API server serves. Empty if it does not know the version.
    served: Result<BTreeSet<String>, Failed>,
    /// The published schemas.
    published: Result<Value, Failed>,
    /// The definitions, by name. `None` if it does not exist.
    definitions: BTreeMap<String, Result<Option<CustomResourceDefinition>, Failed>>,
}

/// Reads what is served.
pub async fn gather(client: &Client) -> Facts {
    let api = Api::<CustomResourceDefinition>::all(client.clone());
    let definitions = crds().into_iter().map(|crd| {
        let (api, name) = (api.clone(), crd.name_any());
        async move {
            let read = bounded(api.get_opt(&name)).await;
            (name, read)
        }
    });
    let discovery = get::<APIResourceList>(client, format!("/apis/{GROUP}/{VERSION}"));
    let openapi = get::<Value>(client, format!("/openapi/v3/apis/{GROUP}/{VERSION}"));
    let (served, published, definitions) = join3(discovery, openapi, join_all(definitions)).await;
    let names = |list: APIResourceList| list.resources.into_iter().map(|r| r.name).collect();
    let served = match served {
        Err(Failed { code: Some(404), .. }) => Ok(BTreeSet::new()),
        other => other.map(names),
    };
    Facts { served, published, definitions: definitions.into_iter().collect() }
}

async fn get<T: DeserializeOwned>(client: &Client, path: String) -> Result<T, Failed> {
    bounded(async {
        let request = Request::get(path).body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request(request).await
    })
    .await
}

/// Judges each definition.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    crds().iter().map(|crd| of_one(crd, facts)).collect()
}

fn of_one(ours: &CustomResourceDefinition, facts: &Facts) -> Finding {
    let check = Check::Crds;
    let name = ours.name_any();
    let found = facts.definitions.get(&name).and_then(|read| read.as_ref().ok());
    let definition = found.and_then(Option::as_ref);
    if definition.is_some_and(|crd| crd.metadata.deletion_timestamp.is_some()) {
        return Finding::problem(
            check,
            format!("{name} is being deleted, and all its objects with it."),
            format!(
                "Wait until it is gone, and install it again: {APPLY} Objects with finalizers delay it."
            ),
        );
    }
    match &facts.served {
        Err(Failed { why, .. }) => Finding::problem(
            check,
            format!("It is not known whether {name} is served: {why}."),
            "Check that the user may read the discovery of the API server (ClusterRole system:discovery).",
        ),
        Ok(served) if served.contains(&ours.spec.names.plural) => of_schema(ours, &facts.published),
        Ok(_) => match definition {
            Some(crd) => Finding::problem(
                check,
                format!(
                    "{name} exists, but the API server does not serve its version {VERSION}: {}.",
                    why_not_served(crd)
                ),
                format!("Use the definition of this binary: {APPLY}"),
            ),
            None => Finding::problem(
                check,
                format!("{name} is not installed."),
                format!("Install it: {APPLY}"),
            ),
        },
    }
}

/// The conditions that are not met, or the versions that are served.
fn why_not_served(crd: &CustomResourceDefinition) -> String {
    let conditions = crd.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let unmet: Vec<_> = conditions
        .filter(|condition| {
            ["Established", "NamesAccepted"].contains(&condition.type_.as_str())
                && condition.status != "True"
        })
        .map(|condition| condition.message.as_deref().unwrap_or(&condition.type_).to_owned())
        .collect();
    if !unmet.is_empty() {
        return unmet.join("; ");
    }
    let versions = crd.spec.versions.iter().filter(|version| version.served);
    let versions: Vec<_> = versions.map(|version| version.name.as_str()).collect();
    format!("its served versions are {}", versions.join(", "))
}

/// Compares the published schema with that of this binary.
fn of_schema(ours: &CustomResourceDefinition, published: &Result<Value, Failed>) -> Finding {
    let check = Check::Crds;
    let name = ours.name_any();
    let theirs = match published {
        Ok(document) => schema_of(document, &ours.spec.names.kind),
        Err(Failed { why, .. }) => {
            return Finding::warning(
                check,
                format!("{name} serves {VERSION}, but its schema cannot be read: {why}."),
                "Check that the user may read /openapi/v3 of the API server (ClusterRole system:discovery).",
            );
        }
    };
    let Some(theirs) = theirs else {
        return Finding::warning(
            check,
            format!("{name} serves {VERSION}, but its schema is not published yet."),
            "Repeat the check in a few seconds.",
        );
    };
    let own = ours.spec.versions.iter().find(|version| version.name == VERSION);
    let own = own.and_then(|version| version.schema.as_ref()?.open_api_v3_schema.as_ref());
    let own = own.and_then(|schema| serde_json::to_value(schema).ok()).unwrap_or_default();
    let difference = compare(&own, theirs);
    if difference.is_none() {
        return Finding::ok(
            check,
            format!("{name} serves {VERSION}, with the schema of this binary."),
        );
    }
    match (&difference.missing[..], &difference.unknown[..]) {
        ([], []) => Finding::warning(
            check,
            format!(
                "{name} has other limits or rules than this binary for {}.",
                some_of(&difference.changed)
            ),
            format!("Apply the definition of the version that you run: {APPLY}"),
        ),
        (missing, []) => Finding::problem(
            check,
            format!("{name} is older than this binary: it lacks {}.", some_of(missing)),
            format!("Upgrade it: {APPLY}"),
        ),
        ([], unknown) => Finding::warning(
            check,
            format!(
                "{name} is newer than this binary: it has the new fields {}.",
                some_of(unknown)
            ),
            "Upgrade the operator to the version of the definition. Until then, it rejects grants with these fields.",
        ),
        (missing, unknown) => Finding::problem(
            check,
            format!(
                "{name} belongs to another version: it lacks {}, and has {}.",
                some_of(missing),
                some_of(unknown)
            ),
            format!("Apply the definition of the version that you run: {APPLY}"),
        ),
    }
}

/// The schema of a kind in the published document.
fn schema_of<'a>(document: &'a Value, kind: &str) -> Option<&'a Value> {
    let schemas = document["components"]["schemas"].as_object()?;
    schemas.values().find(|schema| {
        let mut kinds = schema["x-kubernetes-group-version-kind"].as_array().into_iter().flatten();
        kinds.any(|one| one["group"] == GROUP && one["version"] == VERSION && one["kind"] == kind)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;
    use serde_json::json;

    /// Facts as of a cluster with exactly the definitions of this binary.
    fn facts() -> Facts {
        let schemas = crds().into_iter().map(|crd| {
            let version = crd.spec.versions[0].clone();
            let mut schema = json!(version.schema.unwrap().open_api_v3_schema.unwrap());
            let kind = crd.spec.names.kind;
            schema["x-kubernetes-group-version-kind"] =
                json!([{"group": GROUP, "version": VERSION, "kind": kind}]);
            (kind, schema)
        });
        let schemas: serde_json::Map<_, _> = schemas.collect();
        Facts {
            served: Ok(crds().into_iter().map(|crd| crd.spec.names.plural).collect()),
            published: Ok(json!({"components": {"schemas": schemas}})),
            definitions: crds().into_iter().map(|crd| (crd.name_any(), Ok(Some(crd)))).collect(),
        }
    }

    fn of(change: impl Fn(&mut Facts)) -> Vec<(Level, String)> {
        let mut facts = facts();
        change(&mut facts);
        judge(&facts).into_iter().map(|finding| (finding.level, finding.message)).collect()
    }

    fn forbidden<T>() -> Result<T, Failed> {
        Err(Failed { code: Some(403), why: "HTTP 403: no".to_owned() })
    }

    fn edit(facts: &mut Facts, edit: impl Fn(&mut CustomResourceDefinition)) {
        for read in facts.definitions.values_mut() {
            edit(read.as_mut().unwrap().as_mut().unwrap());
        }
    }

    #[test]
    fn what_every_user_may_read_suffices() {
        let found = of(|facts| facts.definitions.values_mut().for_each(|read| *read = forbidden()));
        assert!(found.iter().all(|(level, _)| *level == Level::Ok), "{found:?}");
        let found = of(|facts| facts.published = forbidden());
        assert!(found.iter().all(|(level, text)| *level == Level::Warning && text.contains("403")));
        let found = of(|facts| facts.served = forbidden());
        assert!(found.iter().all(|(level, _)| *level == Level::Problem), "{found:?}");
    }

    #[test]
    fn what_is_not_served_is_a_problem() {
        let none = |facts: &mut Facts| facts.served = Ok(BTreeSet::new());
        for (row, found, part) in [
            (
                "missing",
                of(|facts| {
                    none(facts);
                    facts.definitions.values_mut().for_each(|read| *read = Ok(None));
                }),
                "is not installed",
            ),
            (
                "not established",
                of(|facts| {
                    none(facts);
                    edit(facts, |crd| {
                        let status = json!({"conditions": [{
                            "type": "NamesAccepted", "status": "False", "reason": "ShortNamesConflict",
                            "message": "\"rg\" is already in use",
                        }]});
                        crd.status = Some(serde_json::from_value(status).unwrap());
                    });
                }),
                "\"rg\" is already in use",
            ),
            (
                "another version",
                of(|facts| {
                    none(facts);
                    edit(facts, |crd| crd.spec.versions[0].name = "v1".to_owned());
                }),
                "its served versions are v1",
            ),
            (
                "being deleted",
                of(|facts| {
                    edit(facts, |crd| {
                        crd.metadata.deletion_timestamp =
                            serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
                    });
                }),
                "is being deleted",
            ),
        ] {
            for (level, text) in found {
                assert!(level == Level::Problem && text.contains(part), "{row}: {text}");
            }
        }
    }

    #[test]
    fn a_schema_of_another_version_is_named() {
        let change = |change: fn(&mut Value)| {
            of(move |facts| {
                let document = facts.published.as_mut().unwrap();
                change(
                    &mut document["components"]["schemas"]["RoleGrant"]["properties"]["spec"]["properties"],
                );
            })
        };
        let older = |fields: &mut Value| {
            fields.as_object_mut().unwrap().remove("maxDuration");
        };
        let newer = |fields: &mut Value| fields["maxSessions"] = json!({"type": "integer"});
        for (found, level, part) in [
            (change(older), Level::Problem, "older than this binary: it lacks spec.maxDuration."),
            (
                change(newer),
                Level::Warning,
                "newer than this binary: it has the new fields spec.maxSessions.",
            ),
            (
                change(|fields| {
                    fields.as_object_mut().unwrap().remove("maxDuration");
                    fields["maxSessions"] = json!({});
                }),
                Level::Problem,
                "another version",
            ),
            (
                change(|fields| fields["roleArns"]["maxItems"] = 3.into()),
                Level::Warning,
                "other limits or rules than this binary for spec.roleArns.",
            ),
        ] {
            assert_eq!(found[0].0, Level::Ok, "{found:?}");
            assert!(found[1].0 == level && found[1].1.contains(part), "{found:?}");
        }
    }
}
