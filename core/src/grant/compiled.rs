//! One compiled grant: what it matches, and what it demands of a session.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::choices::Choices;
use super::decode::decode;
use super::invalid::InvalidGrant;
use super::matchers::{NamespaceMatcher, RoleMatcher};
use crate::api::{GrantMode, GrantedSession, RoleGrantSpec};
use crate::fields::{Duration, folded, is_reserved};
use crate::template::{Context, Template, Variable};

/// The tags of `session.attribution`, with their values.
const ATTRIBUTION: [(&str, &str); 3] = [
    ("tempcred.dev/cluster", "{{ cluster }}"),
    ("tempcred.dev/namespace", "{{ namespace }}"),
    ("tempcred.dev/name", "{{ name }}"),
];

/// The durations that STS accepts for a role. From the STS API reference.
const ROLE_DURATIONS: std::ops::RangeInclusive<u64> = 900..=43_200;

/// A compiled grant. The matchers of an invalid grant match all that its readable part may match.
#[derive(Debug)]
pub(super) struct CompiledGrant {
    pub(super) namespaces: NamespaceMatcher,
    pub(super) roles: RoleMatcher,
    pub(super) rules: Result<Rules, InvalidGrant>,
}

impl CompiledGrant {
    /// Compiles a grant. `cluster` is the name of the cluster, or empty if it is not set.
    pub(super) fn compile(spec: &Value, cluster: &str) -> Self {
        let decoded = decode::<RoleGrantSpec>(spec);
        let compiled = decoded.and_then(|spec| {
            let namespaces = NamespaceMatcher::compile(&spec.namespaces)?;
            let roles = RoleMatcher::compile(&spec.role_arns, spec.mode)?;
            let rules = Rules::compile(&spec, cluster)?;
            Ok(Self { namespaces, roles, rules: Ok(rules) })
        });
        compiled.unwrap_or_else(|invalid| Self {
            namespaces: NamespaceMatcher::widest(spec.get("namespaces")),
            roles: RoleMatcher::widest(spec.get("roleArns")),
            rules: Err(invalid),
        })
    }

    /// A grant of which only the name can be read. It matches everything.
    pub(super) fn undecodable(cause: &str) -> Self {
        Self {
            namespaces: NamespaceMatcher::widest(None),
            roles: RoleMatcher::widest(None),
            rules: Err(InvalidGrant::undecodable(cause)),
        }
    }
}

/// What a valid grant demands of a session, and what it lets a resource choose.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) mode: GrantMode,
    max_duration: Option<Duration>,
    external_id: Option<Template>,
    source_identity: Option<Template>,
    /// The keys and values, by folded key.
    tags: BTreeMap<String, (String, Template)>,
    transitive: bool,
    boundary: Option<BTreeSet<String>>,
    choices: Option<Choices>,
}

/// What a grant demands of the session of one resource.
#[derive(Debug)]
pub(super) struct Demand<'a> {
    pub(super) max_duration: Option<Duration>,
    pub(super) external_id: Option<String>,
    pub(super) source_identity: Option<String>,
    /// The tags, by folded key.
    pub(super) tags: BTreeMap<&'a str, DemandedTag<'a>>,
    pub(super) boundary: Option<&'a BTreeSet<String>>,
    /// What the grant lets a resource choose. `None` if it has no say in it.
    pub(super) choices: Option<&'a Choices>,
}

/// A tag that a grant demands.
#[derive(Clone, Debug)]
pub(super) struct DemandedTag<'a> {
    pub(super) key: &'a str,
    pub(super) value: String,
    pub(super) transitive: bool,
}

impl Rules {
    fn compile(spec: &RoleGrantSpec, cluster: &str) -> Result<Self, InvalidGrant> {
        let session = &spec.session;
        let optional = |text: &Option<String>| text.as_deref().map(template).transpose();
        let is_accepted = |duration: &Duration| ROLE_DURATIONS.contains(&duration.as_secs());
        if let Some(limit) = spec.max_duration.filter(|limit| !is_accepted(limit)) {
            return Err(InvalidGrant::MaxDuration(limit.to_string()));
        }
        let choices = session.tenant_may_set.as_deref().map(Choices::compile).transpose()?;
        let boundary: BTreeSet<_> = session.policy_arns.iter().cloned().collect();
        let rules = Self {
            mode: spec.mode,
            max_duration: spec.max_duration,
            external_id: optional(&session.external_id)?,
            source_identity: optional(&session.source_identity)?,
            tags: tags(session)?,
            transitive: session.transitive,
            boundary: (!boundary.is_empty()).then_some(boundary),
            choices: match spec.mode {
                GrantMode::Allow => Some(choices.unwrap_or_default()),
                GrantMode::Constrain => choices,
            },
        };
        let mut templates = rules
            .external_id
            .iter()
            .chain(&rules.source_identity)
            .chain(rules.tags.values().map(|(_, value)| value));
        if cluster.is_empty() && templates.any(|template| template.uses(Variable::Cluster)) {
            return Err(InvalidGrant::NoClusterName);
        }
        Ok(rules)
    }

    /// Renders what the grant demands of the session of a resource.
    pub(super) fn demand(&self, context: Context<'_>) -> Demand<'_> {
        let render = |template: &Template| template.render(context);
        Demand {
            max_duration: self.max_duration,
            external_id: self.external_id.as_ref().map(render),
            source_identity: self.source_identity.as_ref().map(render),
            tags: self
                .tags
                .iter()
                .map(|(folded, (key, value))| {
                    let value = render(value);
                    (folded.as_str(), DemandedTag { key, value, transitive: self.transitive })
                })
                .collect(),
            boundary: self.boundary.as_ref(),
            choices: self.choices.as_ref(),
        }
    }
}

/// The tags, by folded key.
fn tags(session: &GrantedSession) -> Result<BTreeMap<String, (String, Template)>, InvalidGrant> {
    if let Some(key) = session.tags.keys().find(|key| is_reserved(key)) {
        return Err(InvalidGrant::ReservedTag(key.chars().take(128).collect()));
    }
    let attribution = ATTRIBUTION.into_iter().filter(|_| session.attribution);
    let own = session.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    let mut tags = BTreeMap::new();
    for (key, value) in own.chain(attribution) {
        let tag = (key.to_owned(), template(value)?);
        if tags.insert(folded(key), tag).is_some() {
            return Err(InvalidGrant::SameTag(key.chars().take(128).collect()));
        }
    }
    Ok(tags)
}

fn template(text: &str) -> Result<Template, InvalidGrant> {
    Template::parse(text).map_err(|why| InvalidGrant::Template { text: text.to_owned(), why })
}
