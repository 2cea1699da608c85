//! The features that need additional permissions, and the resources that use them.

use futures::future::join_all;
use kube::api::{ApiResource, ListParams, Object};
use kube::{Api, Client, ResourceExt};
use serde::Deserialize;
use serde::de::IgnoredAny;
use tempcred_core::api::TemporaryCredential;

use super::request::{Failed, bounded};
use super::rights::{Answer, is_enabled};
use crate::cluster::Feature;
use crate::commands::doctor::args::Doctor;
use crate::commands::doctor::check::{Check, Finding};

/// Resources in a page.
const PAGE: u32 = 500;

/// Largest number of pages that are read. Their memory is that of one page.
const MOST_PAGES: usize = 20;

/// Features that are off unless the role of the operator allows them, with the field that needs them.
const OPTIONAL: [(Feature, &str); 2] =
    [(Feature::ServiceAccountTokens, "serviceAccountName"), (Feature::WorkloadRestarts, "restart")];

/// Which optional features are allowed, and what uses the others.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The allowed ones.
    pub enabled: Vec<Feature>,
    /// The resources that use others, or why they are not known.
    pub uses: Uses,
}

/// Resources that use features.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Uses {
    counts: Vec<Use>,
    /// Why not all resources were read.
    incomplete: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Use {
    feature: Feature,
    resources: usize,
    example: String,
}

/// Finds out which features are allowed, and what uses those that are not.
pub async fn gather(client: &Client, args: &Doctor, answers: &[Answer]) -> Facts {
    let features = OPTIONAL.map(|(feature, _)| feature);
    let (enabled, off): (Vec<_>, Vec<_>) =
        features.into_iter().partition(|feature| is_enabled(answers, *feature));
    let mut uses = Uses::default();
    if !off.is_empty() {
        let lists = scopes(args).into_iter().map(|namespace| list(client, namespace, &off));
        for list in join_all(lists).await {
            uses.add(list);
        }
    }
    Facts { enabled, uses }
}

fn scopes(args: &Doctor) -> Vec<Option<String>> {
    if args.namespaces.is_empty() {
        vec![None]
    } else {
        args.namespaces.iter().cloned().map(Some).collect()
    }
}

/// The part of a spec that needs a feature.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    assume_role_with_web_identity: Option<WithToken>,
    identity: Option<Identity>,
    restart: Option<Vec<IgnoredAny>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Identity {
    web_identity: Option<WithToken>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WithToken {
    service_account_name: Option<String>,
}

impl Spec {
    fn uses(&self, feature: Feature) -> bool {
        let own = self.identity.as_ref().and_then(|identity| identity.web_identity.as_ref());
        let mut tokens = self.assume_role_with_web_identity.iter().chain(own);
        match feature {
            Feature::ServiceAccountTokens => {
                tokens.any(|token| token.service_account_name.is_some())
            }
            Feature::WorkloadRestarts => self.restart.as_ref().is_some_and(|all| !all.is_empty()),
            Feature::Base | Feature::LeaderElection | Feature::MetricsAuth => false,
        }
    }
}

type Resource = Object<Spec, IgnoredStatus>;

/// Any status.
#[derive(Clone, Debug, Default, Deserialize)]
struct IgnoredStatus {}

/// The resources of a namespace, or of all, that use one of these features.
async fn list(client: &Client, namespace: Option<String>, features: &[Feature]) -> Uses {
    let resource = ApiResource::erase::<TemporaryCredential>(&());
    let api: Api<Resource> = match &namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    };
    let mut uses = Uses::default();
    let mut params = ListParams::default().limit(PAGE);
    for _ in 0..MOST_PAGES {
        let page = match bounded(api.list(&params)).await {
            Ok(page) => page,
            Err(Failed { why, .. }) => {
                uses.incomplete = Some(format!("the resources cannot be listed: {why}"));
                return uses;
            }
        };
        for resource in &page.items {
            uses.count(resource, features);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return uses,
        }
    }
    uses.incomplete = Some("there are more resources than were read".to_owned());
    uses
}

impl Uses {
    fn count(&mut self, resource: &Resource, features: &[Feature]) {
        let namespace = resource.namespace().unwrap_or_default();
        for feature in features.iter().filter(|feature| resource.spec.uses(**feature)) {
            let example = format!("{namespace}/{}", resource.name_any());
            self.add_use(Use { feature: *feature, resources: 1, example });
        }
    }

    fn add_use(&mut self, more: Use) {
        match self.counts.iter_mut().find(|known| known.feature == more.feature) {
            Some(known) => known.resources += more.resources,
            None => self.counts.push(more),
        }
    }

    fn add(&mut self, more: Self) {
        more.counts.into_iter().for_each(|one| self.add_use(one));
        self.incomplete = self.incomplete.take().or(more.incomplete);
    }
}

/// Judges the features.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let check = Check::Features;
    let state = |(feature, field): &(Feature, &str)| {
        let value = feature.chart_value();
        match facts.enabled.contains(feature) {
            true => format!("{field} is allowed"),
            false => format!("{field} is not allowed (chart value {value})"),
        }
    };
    let states: Vec<_> = OPTIONAL.iter().map(state).collect();
    let mut findings = vec![Finding::ok(check, format!("{}.", states.join(", ")))];
    for Use { feature, resources, example } in &facts.uses.counts {
        let field =
            OPTIONAL.iter().find(|(other, _)| other == feature).map_or("", |(_, field)| field);
        let subject = match resources {
            1 => format!("1 resource uses {field}: {example}"),
            many => format!("{many} resources use {field}, for example {example}"),
        };
        findings.push(Finding::problem(
            check,
            format!("{subject}. The role of the operator does not allow it."),
            format!(
                "Upgrade the release with {}: true, or remove the field from the resources.",
                feature.chart_value()
            ),
        ));
    }
    if let Some(why) = &facts.uses.incomplete {
        findings.push(Finding::warning(
            check,
            format!(
                "It is not known whether other resources need a feature that is not allowed: {why}."
            ),
            "tempcred status -A shows resources that are not ready.",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;
    use serde_json::{Value, json};

    fn uses(specs: &[Value]) -> Uses {
        let features = OPTIONAL.map(|(feature, _)| feature);
        let mut uses = Uses::default();
        for spec in specs {
            let object = json!({
                "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
                "metadata": {"namespace": "a", "name": "b"}, "spec": spec, "status": {"conditions": []},
            });
            uses.count(&serde_json::from_value(object).unwrap(), &features);
        }
        uses
    }

    #[test]
    fn a_used_feature_that_is_not_allowed_is_a_problem() {
        let plain = json!({"assumeRole": {"roleArn": "arn"}, "restart": [], "identity": null});
        let web = json!({"assumeRoleWithWebIdentity": {"serviceAccountName": "reporter"}});
        let secret =
            json!({"assumeRoleWithWebIdentity": {"tokenSecretRef": {"name": "a", "key": "b"}}});
        let own = json!({"identity": {"webIdentity": {"serviceAccountName": "reporter"}}});
        let restart = json!({"assumeRole": {}, "restart": [{"kind": "Deployment", "name": "web"}]});
        let none = Facts { enabled: vec![], uses: uses(&[plain, secret]) };
        assert_eq!(judge(&none).len(), 1);
        assert!(judge(&none)[0].message.contains("features.workloadRestarts"));
        let some = Facts { enabled: vec![], uses: uses(&[web, own, restart]) };
        let found = judge(&some);
        assert_eq!(found.len(), 3);
        assert!(
            found[1].message.starts_with("2 resources use serviceAccountName, for example a/b.")
        );
        assert!(found[2].message.starts_with("1 resource uses restart: a/b."));
        assert!(found[1..].iter().all(|finding| finding.level == Level::Problem));
        let unknown = Uses { incomplete: Some("why".to_owned()), ..Uses::default() };
        let found = judge(&Facts { enabled: vec![Feature::WorkloadRestarts], uses: unknown });
        assert_eq!(found[1].level, Level::Warning);
    }
}
