//! One compiled grant: its namespace matcher, its roles, and how it constrains the session.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kube_core::{Selector, SelectorExt};
use wildmatch::WildMatch;

use crate::api::{GrantedNamespaces, GrantedSession, RoleGrantSpec};
use crate::fields::Duration;
use crate::request::arn::{RoleArn, is_segment};
use crate::request::{RequestedRole, SessionConstraints, SessionOverrides};
use crate::template::{Context, InvalidTemplate, Template, Variable};

/// Largest number of session tags that STS accepts. From the STS API reference.
const MOST_TAGS: usize = 50;

/// The tags of `session.attribution`, with their values.
const ATTRIBUTION: [(&str, &str); 3] = [
    ("kubernetes-cluster-name", "{{ cluster }}"),
    ("kubernetes-namespace", "{{ namespace }}"),
    ("kubernetes-credential-name", "{{ name }}"),
];

/// The error of an invalid grant that the API server accepted. Such a grant allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGrant {
    /// The grant uses the name of the cluster, which is not set.
    #[error(
        "session uses the name of the cluster (in {{{{ cluster }}}} or through attribution), which is not set: start the operator with --cluster-name"
    )]
    NoClusterName,
    /// An entry of `roleArns` is not a valid pattern.
    #[error(
        "{0:?} in roleArns is not the ARN of a role with a literal partition and account: write it as arn:aws:iam::123456789012:role/PATTERN"
    )]
    RoleArn(String),
    /// Neither `names` nor `selector` is set.
    #[error("namespaces matches no namespace: set namespaces.names or namespaces.selector")]
    NoNamespaces,
    /// The selector is invalid.
    #[error("namespaces.selector is invalid: {0}")]
    Selector(String),
    /// A template is invalid.
    #[error("the template {text:?} is invalid: {why}")]
    Template {
        /// The template.
        text: String,
        /// The error.
        why: InvalidTemplate,
    },
}

/// The compiled namespace matcher of a grant.
#[derive(Debug)]
pub struct NamespaceMatcher {
    names: Option<Vec<WildMatch>>,
    selector: Option<Selector>,
}

impl NamespaceMatcher {
    /// Compiles `spec.namespaces`.
    ///
    /// # Errors
    /// [`InvalidGrant`] if neither field is set, or the selector is invalid.
    pub fn compile(namespaces: &GrantedNamespaces) -> Result<Self, InvalidGrant> {
        if namespaces.names.is_none() && namespaces.selector.is_none() {
            return Err(InvalidGrant::NoNamespaces);
        }
        let patterns =
            |names: &Vec<String>| names.iter().map(|name| WildMatch::new(name)).collect();
        let selector = namespaces.selector.clone().map(Selector::try_from).transpose();
        Ok(Self {
            names: namespaces.names.as_ref().map(patterns),
            selector: selector.map_err(|error| InvalidGrant::Selector(error.to_string()))?,
        })
    }

    /// Whether this matches a namespace with these labels.
    pub fn matches(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let named = |names: &Vec<WildMatch>| names.iter().any(|name| name.matches(namespace));
        self.names.as_ref().is_none_or(named)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

/// The roles of a compiled grant, and how it constrains the session.
#[derive(Debug)]
pub struct Grant {
    roles: Vec<WildMatch>,
    max_duration: Option<Duration>,
    external_id: Option<Template>,
    source_identity: Option<Template>,
    tags: BTreeMap<String, Template>,
    policy_arns: Vec<String>,
}

impl Grant {
    /// Compiles a grant. `cluster` is the name of the cluster, or empty if it is not set.
    ///
    /// # Errors
    /// [`InvalidGrant`] if a pattern or a template is invalid, or a template uses the name of the cluster and it is not
    /// set.
    pub fn compile(spec: &RoleGrantSpec, cluster: &str) -> Result<Self, InvalidGrant> {
        let session = &spec.session;
        let optional = |text: &Option<String>| text.as_deref().map(template).transpose();
        let grant = Self {
            roles: spec
                .role_arns
                .iter()
                .map(|arn| role_pattern(arn).ok_or_else(|| InvalidGrant::RoleArn(arn.clone())))
                .collect::<Result<_, _>>()?,
            max_duration: spec.max_duration,
            external_id: optional(&session.external_id)?,
            source_identity: optional(&session.source_identity)?,
            tags: tags(session)?,
            policy_arns: session.policy_arns.clone(),
        };
        let mut templates =
            grant.external_id.iter().chain(&grant.source_identity).chain(grant.tags.values());
        if cluster.is_empty() && templates.any(|template| template.uses(Variable::Cluster)) {
            return Err(InvalidGrant::NoClusterName);
        }
        Ok(grant)
    }

    /// Whether the grant matches a role.
    pub fn covers(&self, role: &RoleArn) -> bool {
        self.roles.iter().any(|pattern| pattern.matches(role.as_str()))
    }

    /// The literal prefixes, up to the first wildcard, of the role ARNs that the grant matches.
    pub fn prefixes(&self) -> impl Iterator<Item = String> {
        self.roles.iter().map(|pattern| {
            pattern.pattern_chars().iter().take_while(|c| !matches!(c, '*' | '?')).collect()
        })
    }

    /// The constraints on the session of a requested role that the grant matches.
    ///
    /// # Errors
    /// One message for each setting of the resource that the grant rejects. A message says what to change.
    pub fn constrain(
        &self,
        requested: &RequestedRole<'_>,
        context: Context<'_>,
    ) -> Result<SessionConstraints, Vec<String>> {
        let fill = |template: &Template| template.render(context);
        let constraints = SessionConstraints {
            external_id: self.external_id.as_ref().map(fill),
            source_identity: self.source_identity.as_ref().map(fill),
            tags: self.tags.iter().map(|(key, value)| (key.clone(), fill(value))).collect(),
            // A boundary would prevent a hop from assuming the next role.
            policy_arns: requested
                .overrides
                .iter()
                .flat_map(|_| self.policy_arns.clone())
                .collect(),
        };
        let mut conflicts = invalid_values(&constraints);
        if differs(requested.external_id, constraints.external_id.as_deref()) {
            conflicts.push("the grant sets a different external ID: remove externalId".to_owned());
        }
        if let Some(overrides) = &requested.overrides {
            conflicts.extend(self.conflicts(overrides, &constraints));
        }
        if conflicts.is_empty() { Ok(constraints) } else { Err(conflicts) }
    }

    fn conflicts(
        &self,
        overrides: &SessionOverrides<'_>,
        constraints: &SessionConstraints,
    ) -> Vec<String> {
        let mut conflicts = Vec::new();
        let mut conflict = |text: String| conflicts.push(text);
        if let Some(most) = self.max_duration.filter(|most| overrides.duration > *most) {
            conflict(format!(
                "the grant allows a duration of at most {most}, but the resource requests {}: lower duration",
                overrides.duration
            ));
        }
        if differs(overrides.source_identity, constraints.source_identity.as_deref()) {
            conflict(
                "the grant sets a different source identity: remove sourceIdentity".to_owned(),
            );
        }
        // STS compares tag keys case-insensitively.
        let enforced =
            |key: &str| constraints.tags.iter().find(|(other, _)| equal_ignoring_case(other, key));
        let mut own = 0;
        for (key, value) in overrides.tags {
            match enforced(key) {
                None => own += 1,
                Some((same, set)) if same == key && set == value => {}
                Some((tag, _)) => {
                    conflict(format!("the grant sets the tag {tag}: remove {key} from tags"));
                }
            }
        }
        let all = own + constraints.tags.len();
        if all > MOST_TAGS {
            conflict(format!(
                "together with the tags of the grant, the session would have {all} tags, but STS accepts at most {MOST_TAGS}: remove some tags"
            ));
        }
        let foreign =
            overrides.policy_arns.iter().any(|arn| !constraints.policy_arns.contains(arn));
        if !constraints.policy_arns.is_empty() && (overrides.has_policy || foreign) {
            conflict(
                "the grant sets session policies as a boundary, and other session policies would widen it: remove policy and policyArns"
                    .to_owned(),
            );
        }
        conflicts
    }
}

fn differs(chosen: Option<&str>, set: Option<&str>) -> bool {
    chosen.zip(set).is_some_and(|(chosen, set)| chosen != set)
}

fn equal_ignoring_case(one: &str, other: &str) -> bool {
    // Folds to upper case and then to lower case, because some letters share only the upper case: ſ and s have S.
    let fold = |text: &str| text.to_uppercase().to_lowercase();
    fold(one) == fold(other)
}

/// Messages for the rendered values that STS would reject. The limits are those of the STS API reference.
fn invalid_values(constraints: &SessionConstraints) -> Vec<String> {
    let of = |more: &'static str| {
        move |c: char| c.is_alphanumeric() || c.is_whitespace() || more.contains(c)
    };
    let ascii = |more: &'static str| move |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    let check = |what: String, value: &str, (least, most): (usize, usize), fits: bool| {
        let length = value.chars().count();
        if !(least..=most).contains(&length) {
            Some(format!(
                "{what} that the grant sets would have {length} characters, but STS accepts {least} to {most}: use another name for the resource, or ask the platform team to change the grant"
            ))
        } else {
            (!fits).then(|| format!("{what} that the grant sets would contain characters that STS does not accept: ask the platform team to change the grant or the operator's --cluster-name"))
        }
    };
    let external = constraints.external_id.iter().filter_map(|value| {
        let fits = value.chars().all(ascii("_+=,.@:/-"));
        check("the external ID".to_owned(), value, (2, 1224), fits)
    });
    let source = constraints.source_identity.iter().filter_map(|value| {
        let fits = value.chars().all(ascii("_+=,.@-"));
        check("the source identity".to_owned(), value, (2, 64), fits)
    });
    let tags = constraints.tags.iter().filter_map(|(key, value)| {
        check(format!("the tag {key}"), value, (0, 256), value.chars().all(of("_.:/=+@-")))
    });
    external.chain(source).chain(tags).collect()
}

fn tags(session: &GrantedSession) -> Result<BTreeMap<String, Template>, InvalidGrant> {
    let attribution = ATTRIBUTION.into_iter().filter(|_| session.attribution);
    let all = session.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    // Attribution is last: later entries replace earlier ones, so no other tag overrides it.
    all.chain(attribution).map(|(key, value)| Ok((key.to_owned(), template(value)?))).collect()
}

fn template(text: &str) -> Result<Template, InvalidGrant> {
    Template::parse(text).map_err(|why| InvalidGrant::Template { text: text.to_owned(), why })
}

/// A pattern for role ARNs. Partition and account must be literal, so that no wildcard matches another account.
fn role_pattern(text: &str) -> Option<WildMatch> {
    let (account, name) = text.split_once(":role/")?;
    let literal = RoleArn::try_from(format!("{account}:role/x").as_str()).is_ok();
    let name_fits = name.bytes().all(|b| b.is_ascii_graphic()) && name.split('/').all(is_segment);
    (literal && name_fits).then(|| WildMatch::new(text))
}
