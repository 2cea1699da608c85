//! One grant, compiled: whom it is for, and on what terms.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kube::core::{Selector, SelectorExt};
use wildmatch::WildMatch;

use super::{Claim, Terms, Wishes};
use crate::api::{Duration, GrantedNamespaces, GrantedSession, RoleGrantSpec};
use crate::arn::{RoleArn, is_step};
use crate::template::{Template, Unclear, Values, Variable};

/// How many session tags STS takes.
const MOST_TAGS: usize = 50;

/// The tags of `session.attribution`, with their values.
const ATTRIBUTION: [(&str, &str); 3] = [
    ("kubernetes-cluster-name", "{{ cluster }}"),
    ("kubernetes-namespace", "{{ namespace }}"),
    ("kubernetes-credential-name", "{{ name }}"),
];

/// Why a grant that the API server took allows nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    /// It speaks of the cluster, whose name is not known.
    #[error(
        "session speaks of the cluster, by {{{{ cluster }}}} or attribution: start the operator with --cluster-name"
    )]
    NoClusterName,
    /// A pattern of `roleArns` is none.
    #[error(
        "{0:?} of roleArns is not the ARN of a role with partition and account written out: write it as arn:aws:iam::123456789012:role/PATTERN"
    )]
    RoleArn(String),
    /// Neither names nor selector.
    #[error("namespaces names none: set namespaces.names or namespaces.selector")]
    NoNamespaces,
    /// The selector is none.
    #[error("namespaces.selector cannot be understood: {0}")]
    Selector(String),
    /// A template cannot be understood.
    #[error("the template {text:?} cannot be understood: {why}")]
    Template {
        /// The template.
        text: String,
        /// Why not.
        why: Unclear,
    },
}

/// Which namespaces a grant is for.
#[derive(Debug)]
pub struct Audience {
    names: Option<Vec<WildMatch>>,
    selector: Option<Selector>,
}

impl Audience {
    /// Compiles it.
    ///
    /// # Errors
    /// [`Flaw`] says why it is for nobody.
    pub fn compile(namespaces: &GrantedNamespaces) -> Result<Self, Flaw> {
        if namespaces.names.is_none() && namespaces.selector.is_none() {
            return Err(Flaw::NoNamespaces);
        }
        let patterns =
            |names: &Vec<String>| names.iter().map(|name| WildMatch::new(name)).collect();
        let selector = namespaces.selector.clone().map(Selector::try_from).transpose();
        Ok(Self {
            names: namespaces.names.as_ref().map(patterns),
            selector: selector.map_err(|error| Flaw::Selector(error.to_string()))?,
        })
    }

    /// Whether a namespace is one of them.
    pub fn includes(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let named = |names: &Vec<WildMatch>| names.iter().any(|name| name.matches(namespace));
        self.names.as_ref().is_none_or(named)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

/// The rest of one grant: which roles, and on what terms.
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
    /// Compiles a grant, for a cluster of this name.
    ///
    /// # Errors
    /// [`Flaw`] says why it allows nothing.
    pub fn compile(spec: &RoleGrantSpec, cluster: &str) -> Result<Self, Flaw> {
        let session = &spec.session;
        let optional = |text: &Option<String>| text.as_deref().map(template).transpose();
        let grant = Self {
            roles: spec
                .role_arns
                .iter()
                .map(|arn| role_pattern(arn).ok_or_else(|| Flaw::RoleArn(arn.clone())))
                .collect::<Result<_, _>>()?,
            max_duration: spec.max_duration,
            external_id: optional(&session.external_id)?,
            source_identity: optional(&session.source_identity)?,
            tags: tags(session)?,
            policy_arns: session.policy_arns.clone(),
        };
        let mut templates =
            grant.external_id.iter().chain(&grant.source_identity).chain(grant.tags.values());
        if cluster.is_empty() && templates.any(|template| template.speaks_of(Variable::Cluster)) {
            return Err(Flaw::NoClusterName);
        }
        Ok(grant)
    }

    /// Whether it is about a role.
    pub fn covers(&self, role: &RoleArn) -> bool {
        self.roles.iter().any(|pattern| pattern.matches(role.as_str()))
    }

    /// The beginnings, free of wildcards, of the ARNs that it covers.
    pub fn beginnings(&self) -> impl Iterator<Item = String> {
        self.roles.iter().map(|pattern| {
            pattern.pattern_chars().iter().take_while(|c| !matches!(c, '*' | '?')).collect()
        })
    }

    /// Its terms for a claim to a role that it covers.
    ///
    /// # Errors
    /// What the resource would have to change, each for a person.
    pub fn admit(&self, claim: &Claim<'_>, values: Values<'_>) -> Result<Terms, Vec<String>> {
        let fill = |template: &Template| template.fill(values);
        let terms = Terms {
            external_id: self.external_id.as_ref().map(fill),
            source_identity: self.source_identity.as_ref().map(fill),
            tags: self.tags.iter().map(|(key, value)| (key.clone(), fill(value))).collect(),
            // On the way to another role they would only be in the way.
            policy_arns: claim.wishes.iter().flat_map(|_| self.policy_arns.clone()).collect(),
        };
        let mut conflicts = unfit(&terms);
        if differs(claim.external_id, terms.external_id.as_deref()) {
            conflicts.push("it sets the external ID itself: remove externalId".to_owned());
        }
        if let Some(wishes) = &claim.wishes {
            conflicts.extend(self.conflicts(wishes, &terms));
        }
        if conflicts.is_empty() { Ok(terms) } else { Err(conflicts) }
    }

    fn conflicts(&self, wishes: &Wishes<'_>, terms: &Terms) -> Vec<String> {
        let mut conflicts = Vec::new();
        let mut conflict = |text: String| conflicts.push(text);
        if let Some(most) = self.max_duration.filter(|most| wishes.duration > *most) {
            conflict(format!(
                "it allows a duration of at most {most}, and {} is asked for: lower duration",
                wishes.duration
            ));
        }
        if differs(wishes.source_identity, terms.source_identity.as_deref()) {
            conflict("it sets the source identity itself: remove sourceIdentity".to_owned());
        }
        // Keys are equal to STS when they are but for case.
        let ours = |key: &str| terms.tags.iter().find(|(our, _)| equal_but_for_case(our, key));
        let mut own = 0;
        for (key, value) in wishes.tags {
            match ours(key) {
                None => own += 1,
                Some((our, set)) if our == key && set == value => {}
                Some((our, _)) => {
                    conflict(format!("it sets the tag {our} itself: remove {key} from tags"));
                }
            }
        }
        let all = own + terms.tags.len();
        if all > MOST_TAGS {
            conflict(format!(
                "with the tags that it sets there would be {all}, and STS takes {MOST_TAGS}: remove some of tags"
            ));
        }
        let foreign = wishes.policy_arns.iter().any(|arn| !terms.policy_arns.contains(arn));
        if !terms.policy_arns.is_empty() && (wishes.has_policy || foreign) {
            conflict(
                "it bounds the session by session policies, and others would widen that bound: remove policy and policyArns"
                    .to_owned(),
            );
        }
        conflicts
    }
}

fn differs(wished: Option<&str>, set: Option<&str>) -> bool {
    wished.zip(set).is_some_and(|(wished, set)| wished != set)
}

fn equal_but_for_case(one: &str, other: &str) -> bool {
    // Both ways, as some letters have an upper case and are not the lower case of it: ſ is an S too.
    let fold = |text: &str| text.to_uppercase().to_lowercase();
    fold(one) == fold(other)
}

/// What STS would not take of values that depend on the resource.
fn unfit(terms: &Terms) -> Vec<String> {
    let of = |more: &'static str| {
        move |c: char| c.is_alphanumeric() || c.is_whitespace() || more.contains(c)
    };
    let ascii = |more: &'static str| move |c: char| c.is_ascii_alphanumeric() || more.contains(c);
    let check = |what: String, value: &str, (least, most): (usize, usize), fits: bool| {
        let length = value.chars().count();
        if !(least..=most).contains(&length) {
            Some(format!(
                "{what} that it sets would have {length} characters, and STS takes {least} to {most}: use another name for the resource, or have the grant changed"
            ))
        } else {
            (!fits).then(|| format!("{what} that it sets would hold characters that STS does not take: have the grant or the operator's --cluster-name changed"))
        }
    };
    let external = terms.external_id.iter().filter_map(|value| {
        let fits = value.chars().all(ascii("_+=,.@:/-"));
        check("the external ID".to_owned(), value, (2, 1224), fits)
    });
    let source = terms.source_identity.iter().filter_map(|value| {
        let fits = value.chars().all(ascii("_+=,.@-"));
        check("the source identity".to_owned(), value, (2, 64), fits)
    });
    let tags = terms.tags.iter().filter_map(|(key, value)| {
        check(format!("the tag {key}"), value, (0, 256), value.chars().all(of("_.:/=+@-")))
    });
    external.chain(source).chain(tags).collect()
}

fn tags(session: &GrantedSession) -> Result<BTreeMap<String, Template>, Flaw> {
    let attribution = ATTRIBUTION.into_iter().filter(|_| session.attribution);
    let all = session.tags.iter().map(|(key, value)| (key.as_str(), value.as_str()));
    // Attribution last: nothing may stand in its place.
    all.chain(attribution).map(|(key, value)| Ok((key.to_owned(), template(value)?))).collect()
}

fn template(text: &str) -> Result<Template, Flaw> {
    Template::parse(text).map_err(|why| Flaw::Template { text: text.to_owned(), why })
}

/// A pattern over the ARNs of roles: partition and account must be written out, so that a wildcard
/// never reaches into an account that nobody thought of.
fn role_pattern(text: &str) -> Option<WildMatch> {
    let (account, name) = text.split_once(":role/")?;
    let literal = RoleArn::try_from(format!("{account}:role/x").as_str()).is_ok();
    let name_fits = name.bytes().all(|b| b.is_ascii_graphic()) && name.split('/').all(is_step);
    (literal && name_fits).then(|| WildMatch::new(text))
}
