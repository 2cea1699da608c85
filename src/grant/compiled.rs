//! One grant, compiled: whom it is for, and on what terms.

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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    pub(super) fn grant(more: Value) -> Result<Grant, Flaw> {
        let mut spec = json!({
            "namespaces": {"names": ["analytics"]},
            "roleArns": ["arn:aws:iam::123456789012:role/reports-*"],
        });
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        Grant::compile(&serde_json::from_value(spec).unwrap(), "prod")
    }

    fn role(name: &str) -> RoleArn {
        RoleArn::try_from(format!("arn:aws:iam::123456789012:role/{name}").as_str()).unwrap()
    }

    #[test]
    fn is_for_the_namespaces_that_both_names_and_selector_match() {
        let labels = BTreeMap::from([("team".to_owned(), "data".to_owned())]);
        let selector = json!({"matchLabels": {"team": "data"}});
        for (row, namespaces, namespace, is_for) in [
            ("the name", json!({"names": ["analytics"]}), "analytics", true),
            ("another name", json!({"names": ["analytics"]}), "analytics2", false),
            ("a beginning", json!({"names": ["team-*"]}), "team-a", true),
            ("the beginning in the middle", json!({"names": ["team-*"]}), "my-team-a", false),
            ("the beginning alone", json!({"names": ["team-*"]}), "team", false),
            ("one character", json!({"names": ["team-?"]}), "team-a", true),
            ("two for one", json!({"names": ["team-?"]}), "team-ab", false),
            ("one of several", json!({"names": ["a", "b"]}), "b", true),
            ("everything", json!({"names": ["*"]}), "kube-system", true),
            ("nothing is special but * and ?", json!({"names": ["[a-z]*"]}), "abc", false),
            ("the label", json!({"selector": selector}), "any", true),
            ("every label", json!({"selector": {}}), "any", true),
            ("another label", json!({"selector": {"matchLabels": {"team": "web"}}}), "any", false),
            (
                "an expression",
                json!({"selector": {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["data"]}]}}),
                "any",
                false,
            ),
            ("both", json!({"names": ["a*"], "selector": selector}), "any", true),
            (
                "the label but not the name",
                json!({"names": ["b*"], "selector": selector}),
                "any",
                false,
            ),
            (
                "the name but not the label",
                json!({"names": ["a*"], "selector": {"matchLabels": {"team": "web"}}}),
                "any",
                false,
            ),
        ] {
            let audience = Audience::compile(&serde_json::from_value(namespaces).unwrap()).unwrap();
            assert_eq!(audience.includes(namespace, &labels), is_for, "{row}");
        }
    }

    #[test]
    fn covers_the_roles_that_it_names_and_no_other_account() {
        let at = "arn:aws:iam::123456789012:role/";
        for (row, pattern, arn, covers) in [
            ("the role", "reports", format!("{at}reports"), true),
            ("in upper case", "reports", format!("{at}Reports"), false),
            ("a longer one", "reports", format!("{at}reports-admin"), false),
            ("a beginning", "reports-*", format!("{at}reports-x"), true),
            ("through a path, as in IAM", "reports-*", format!("{at}reports-x/y"), true),
            ("a path before it", "reports-*", format!("{at}a/reports-x"), false),
            ("an end", "*-reader", format!("{at}a/b-reader"), true),
            ("more after the end", "*-reader", format!("{at}b-reader-admin"), false),
            ("any", "*", format!("{at}admin"), true),
            ("another account", "*", "arn:aws:iam::210987654321:role/x".into(), false),
            ("another partition", "*", "arn:aws-cn:iam::123456789012:role/x".into(), false),
            ("a wildcard in the role is a character", "a/a", format!("{at}*/a"), false),
        ] {
            let grant = grant(json!({"roleArns": [format!("{at}{pattern}")]})).unwrap();
            assert_eq!(grant.covers(&RoleArn::try_from(arn.as_str()).unwrap()), covers, "{row}");
        }
    }

    #[test]
    fn allows_nothing_if_it_says_something_else_than_it_should() {
        for (row, more) in [
            ("a wildcard account", json!({"roleArns": ["arn:aws:iam::*:role/x"]})),
            ("part of an account", json!({"roleArns": ["arn:aws:iam::12345678901?:role/x"]})),
            ("a wildcard partition", json!({"roleArns": ["arn:aws*:iam::123456789012:role/x"]})),
            ("everything", json!({"roleArns": ["*"]})),
            ("any resource", json!({"roleArns": ["arn:aws:iam::123456789012:*"]})),
            ("a user", json!({"roleArns": ["arn:aws:iam::123456789012:user/*"]})),
            ("a newline", json!({"roleArns": ["arn:aws:iam::123456789012:role/a\nb"]})),
            ("a step back", json!({"roleArns": ["arn:aws:iam::123456789012:role/a/../*"]})),
            ("a variable that is none", json!({"session": {"externalId": "{{ uid }}"}})),
        ] {
            assert!(grant(more).is_err(), "{row}");
        }
        for (row, namespaces) in [
            ("no namespaces", json!({})),
            (
                "an operator that is none",
                json!({"selector": {"matchExpressions": [{"key": "a", "operator": "Is"}]}}),
            ),
        ] {
            let compiled = Audience::compile(&serde_json::from_value(namespaces).unwrap());
            assert!(compiled.is_err(), "{row}");
        }
        let spec = json!({
            "namespaces": {"names": ["*"]}, "roleArns": ["arn:aws:iam::123456789012:role/x"],
            "session": {"attribution": true},
        });
        let nameless = Grant::compile(&serde_json::from_value(spec).unwrap(), "");
        assert_eq!(nameless.unwrap_err(), Flaw::NoClusterName);
    }

    fn admit(session: Value, wishes: Value, name: &str) -> Result<Terms, Vec<String>> {
        let max = session["maxDuration"].clone();
        let grant = grant(json!({"session": session, "maxDuration": max})).unwrap();
        let tags = serde_json::from_value(wishes["tags"].clone()).unwrap_or_default();
        let arns: Vec<String> =
            serde_json::from_value(wishes["policyArns"].clone()).unwrap_or_default();
        let claim = Claim {
            role: &role("reports-x"),
            external_id: wishes["externalId"].as_str(),
            wishes: Some(Wishes {
                duration: Duration::from_secs(wishes["duration"].as_u64().unwrap_or(3600)),
                source_identity: wishes["sourceIdentity"].as_str(),
                tags: &tags,
                has_policy: wishes["policy"].is_string(),
                policy_arns: &arns,
            }),
        };
        let values = Values { cluster: "prod", namespace: "analytics", name };
        grant.admit(&claim, values)
    }

    #[test]
    fn admits_what_keeps_to_its_terms_and_nothing_else() {
        let fixed = json!({"externalId": "{{ cluster }}/{{ namespace }}"});
        let tagged = json!({"tags": {"team": "{{ namespace }}"}});
        let attributed = json!({"attribution": true});
        let bound = json!({"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]});
        let sourced = json!({"sourceIdentity": "{{ namespace }}.{{ name }}"});
        let tags = |key: &str, value: &str| json!({"tags": {key: value}});
        let many: BTreeMap<_, _> = (0..48).map(|n| (format!("t{n}"), "x")).collect();
        for (row, session, wishes, admitted) in [
            ("nothing asked", json!({}), json!({}), true),
            ("its own external id", json!({}), json!({"externalId": "mine"}), true),
            ("the enforced external id", fixed.clone(), json!({}), true),
            ("the same one", fixed.clone(), json!({"externalId": "prod/analytics"}), true),
            ("another one", fixed.clone(), json!({"externalId": "prod/other"}), false),
            ("in another case", fixed, json!({"externalId": "Prod/analytics"}), false),
            ("another tag", tagged.clone(), tags("app", "x"), true),
            ("the same tag", tagged.clone(), tags("team", "analytics"), true),
            ("another value", tagged.clone(), tags("team", "web"), false),
            ("the key in another case", tagged.clone(), tags("TEAM", "analytics"), false),
            ("a key that is equal only when folded", tagged, tags("TeaM", "web"), false),
            (
                "a long s for an s",
                attributed.clone(),
                tags("kubernete\u{17f}-namespace", "other"),
                false,
            ),
            (
                "an i without a dot",
                attributed.clone(),
                tags("kubernetes-credent\u{131}al-name", "other"),
                false,
            ),
            ("attribution", attributed.clone(), json!({}), true),
            (
                "somebody else's namespace",
                attributed.clone(),
                tags("kubernetes-namespace", "other"),
                false,
            ),
            (
                "its own name in another case",
                attributed.clone(),
                tags("Kubernetes-Namespace", "analytics"),
                false,
            ),
            ("too many tags", attributed, json!({"tags": many}), false),
            ("bound", bound.clone(), json!({}), true),
            (
                "bound by the same",
                bound.clone(),
                json!({"policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]}),
                true,
            ),
            ("bound, and a policy", bound.clone(), json!({"policy": "{}"}), false),
            (
                "bound, and another",
                bound,
                json!({"policyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
                false,
            ),
            ("a source", sourced.clone(), json!({}), true),
            ("another source", sourced, json!({"sourceIdentity": "admin"}), false),
            ("short enough", json!({"maxDuration": "1h"}), json!({"duration": 3600}), true),
            ("too long", json!({"maxDuration": "1h"}), json!({"duration": 3601}), false),
        ] {
            let got = admit(session, wishes, "reports");
            assert_eq!(got.is_ok(), admitted, "{row}: {got:?}");
        }
    }

    #[test]
    fn fills_in_the_terms_and_checks_them_against_the_limits_of_sts() {
        let session = json!({
            "externalId": "{{ cluster }}/{{ namespace }}/{{ name }}",
            "sourceIdentity": "{{ namespace }}.{{ name }}",
            "tags": {"team": "{{ namespace }}"}, "attribution": true,
            "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        });
        let terms = admit(session.clone(), json!({}), "reports").unwrap();
        insta::assert_snapshot!(serde_json::to_string_pretty(&terms).unwrap());
        let long = admit(session, json!({}), &"x".repeat(60)).unwrap_err();
        assert_eq!(long.len(), 1, "{long:?}");
        assert!(long[0].starts_with("the source identity that it sets would have 70 characters"));
    }

    #[test]
    fn a_role_on_the_way_gets_no_boundary() {
        let grant = grant(json!({
            "maxDuration": "15m",
            "session": {"externalId": "fixed", "policyArns": ["arn:aws:iam::aws:policy/ReadOnlyAccess"]},
        }))
        .unwrap();
        let claim = Claim { role: &role("reports-hub"), external_id: None, wishes: None };
        let values = Values { cluster: "", namespace: "n", name: "n" };
        let terms = grant.admit(&claim, values).unwrap();
        assert_eq!(terms, Terms { external_id: Some("fixed".into()), ..Terms::default() });
        let other = Claim { external_id: Some("mine"), ..claim };
        assert!(grant.admit(&other, values).is_err());
    }

    proptest! {
        #[test]
        fn a_pattern_never_covers_another_account(pattern in "(arn:aws:iam::(123456789012|[0-9*?]{1,12}):(role/)?)?[a-z*?/:.-]{0,12}", name in "([a-z:.-]{1,4}/)?[a-z.-]{1,8}") {
            let spec = json!({"namespaces": {"names": ["*"]}, "roleArns": [pattern]});
            if let Ok(grant) = Grant::compile(&serde_json::from_value(spec).unwrap(), "") {
                let (account, _) = pattern["arn:aws:iam::".len()..].split_once(':').unwrap();
                prop_assert!(account.bytes().all(|b| b.is_ascii_digit()), "{pattern}");
                let foreign = format!("arn:aws:iam::999999999999:role/{name}");
                prop_assume!(account != "999999999999");
                let foreign = RoleArn::try_from(foreign.as_str());
                prop_assert!(!foreign.is_ok_and(|foreign| grant.covers(&foreign)), "{pattern} covers {name}");
            }
        }

        #[test]
        fn an_index_by_beginnings_misses_nothing(pattern in "[ab*?/]{0,6}", name in "[ab]{1,3}(/[ab]{1,3}){0,2}") {
            let arn = format!("arn:aws:iam::123456789012:role/{pattern}");
            if let Ok(grant) = grant(json!({"roleArns": [arn]})) {
                let role = role(&name);
                if grant.covers(&role) {
                    prop_assert!(grant.beginnings().all(|b| role.as_str().starts_with(&b)));
                }
            }
        }
    }
}
