//! The session tags that every role inherits that the operator assumes.

use std::collections::BTreeSet;

use super::token::{Claims, TAGS_CLAIM};
use crate::aws::Source;
use crate::commands::doctor::check::{Check, Finding};
use crate::commands::doctor::grant::GrantFacts;

/// The transitive session tags of EKS Pod Identity.
const POD_IDENTITY_TAGS: &[&str] = &[
    "eks-cluster-arn",
    "eks-cluster-name",
    "kubernetes-namespace",
    "kubernetes-service-account",
    "kubernetes-pod-name",
    "kubernetes-pod-uid",
];

/// The audience of the tokens of EKS Pod Identity.
pub const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";

/// What is known of the operator's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inherited {
    /// Nothing is inherited. Contains how this is known.
    Nothing(&'static str),
    /// Set by the web identity token.
    ByToken {
        /// Keys of the transitive tags.
        tags: BTreeSet<String>,
        /// Whether the session has a source identity.
        source_identity: bool,
    },
    /// Set by EKS Pod Identity, unless its association disables them.
    ByPodIdentity,
    /// Not known. Contains why.
    Unknown(&'static str),
}

/// What the session inherits, from the origin of its credentials and the claims of the token in use.
pub fn inherited(source: Source, is_session: bool, claims: Option<&Claims>) -> Inherited {
    match (source, claims) {
        (Source::WebIdentity, Some(claims))
            if claims.transitive_tags.is_empty() && !claims.source_identity =>
        {
            Inherited::Nothing("The web identity token has no claim that sets session tags.")
        }
        (Source::WebIdentity, Some(claims)) => Inherited::ByToken {
            tags: claims.transitive_tags.clone(),
            source_identity: claims.source_identity,
        },
        (Source::WebIdentity, None) => Inherited::Unknown("The web identity token cannot be read."),
        (Source::Container, Some(claims)) if is_of_pod_identity(claims) => Inherited::ByPodIdentity,
        (Source::Container, _) => Inherited::Unknown(
            "The credentials come from an endpoint that is not EKS Pod Identity.",
        ),
        (Source::InstanceMetadata, _) => {
            Inherited::Nothing("EC2 sets no session tags for an instance profile.")
        }
        (Source::Environment, _) if !is_session => {
            Inherited::Nothing("The access key of an IAM user has no session.")
        }
        (Source::Environment | Source::Profile | Source::Other, _) => Inherited::Unknown(
            "A session of these credentials may have tags that only its issuer knows.",
        ),
    }
}

/// Whether a token is one for EKS Pod Identity.
pub fn is_of_pod_identity(claims: &Claims) -> bool {
    claims.audiences.iter().any(|audience| audience == POD_IDENTITY_AUDIENCE)
}

/// Judges what is inherited: what the trust policies need, and grants that set the same again.
pub fn judge(inherited: &Inherited, grants: &[GrantFacts]) -> Vec<Finding> {
    let check = Check::SessionTags;
    let (tags, source_identity, certain) = match inherited {
        Inherited::Nothing(how) => {
            return vec![Finding::ok(check, format!("None are inherited. {how}"))];
        }
        Inherited::Unknown(why) => {
            return vec![Finding::skipped(
                check,
                format!("It is not known which are inherited. {why}"),
            )];
        }
        Inherited::ByPodIdentity => {
            (POD_IDENTITY_TAGS.iter().map(|key| (*key).to_owned()).collect(), false, false)
        }
        Inherited::ByToken { tags, source_identity } => (tags.clone(), *source_identity, true),
    };
    let keys: Vec<_> = tags.iter().map(String::as_str).collect();
    let keys = keys.join(", ");
    let mut findings = Vec::new();
    if !tags.is_empty() {
        let (origin, size) = match certain {
            true => (format!("the claim {TAGS_CLAIM} of the web identity token"), ""),
            false => (
                "EKS Pod Identity, unless the association disables session tags".to_owned(),
                " They take about three quarters of the packed size that AWS allows for session policies and tags.",
            ),
        };
        findings.push(Finding::ok(
            check,
            format!("Every role that the operator assumes inherits {keys} (from {origin}), so each trust policy must allow sts:TagSession.{size}"),
        ));
    }
    let set_again = grants.iter().filter_map(|grant| {
        let again = |key: &&String| tags.iter().any(|tag| tag.eq_ignore_ascii_case(key));
        let keys: Vec<_> = grant.tags.iter().filter(again).map(String::as_str).collect();
        (!keys.is_empty()).then(|| (grant.name.as_str(), keys.join(", ")))
    });
    for (name, keys) in set_again {
        let message = format!(
            "RoleGrant {name} sets the inherited tag {keys} again, so AWS rejects every AssumeRole that it constrains"
        );
        findings.push(match certain {
            true => Finding::problem(
                check,
                format!("{message}."),
                "Use other keys in session.tags of the grant.",
            ),
            false => Finding::warning(
                check,
                format!("{message}, unless the association disables session tags."),
                "Use other keys in session.tags of the grant, or disable the session tags: aws eks update-pod-identity-association --disable-session-tags",
            ),
        });
    }
    if source_identity {
        findings.push(source_identity_finding(grants));
    }
    findings
}

/// A source identity is inherited, and cannot be changed.
fn source_identity_finding(grants: &[GrantFacts]) -> Finding {
    let check = Check::SessionTags;
    let names: Vec<_> = grants
        .iter()
        .filter(|grant| grant.source_identity)
        .map(|grant| grant.name.as_str())
        .collect();
    if names.is_empty() {
        return Finding::ok(
            check,
            "The web identity token sets a source identity. Every role that the operator assumes inherits it, so each trust policy must allow sts:SetSourceIdentity.",
        );
    }
    Finding::problem(
        check,
        format!(
            "The web identity token sets a source identity, which AWS does not allow to change. These RoleGrants set another one: {}.",
            names.join(", ")
        ),
        "Remove session.sourceIdentity from the grants, or the claim from the token.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    fn tags(keys: &[&str]) -> BTreeSet<String> {
        keys.iter().map(|key| (*key).to_owned()).collect()
    }

    fn grant(keys: &[&str], source_identity: bool) -> GrantFacts {
        GrantFacts {
            name: "g".to_owned(),
            tags: tags(keys),
            source_identity,
            ..GrantFacts::default()
        }
    }

    #[test]
    fn the_origin_of_the_credentials_decides_what_is_known() {
        let plain = Claims::default();
        let tagged = Claims { transitive_tags: tags(&["team"]), ..Claims::default() };
        let eks = Claims { audiences: vec![POD_IDENTITY_AUDIENCE.to_owned()], ..Claims::default() };
        let of = |source, is_session, claims| inherited(source, is_session, claims);
        let by_token = Inherited::ByToken { tags: tags(&["team"]), source_identity: false };
        assert_eq!(of(Source::WebIdentity, true, Some(&tagged)), by_token);
        assert_eq!(of(Source::Container, true, Some(&eks)), Inherited::ByPodIdentity);
        for (row, found, nothing) in [
            ("IRSA", of(Source::WebIdentity, true, Some(&plain)), true),
            ("a lost token", of(Source::WebIdentity, true, None), false),
            ("ECS", of(Source::Container, true, None), false),
            ("EC2", of(Source::InstanceMetadata, true, None), true),
            ("a user", of(Source::Environment, false, None), true),
            ("a session", of(Source::Environment, true, None), false),
            ("a profile", of(Source::Profile, false, None), false),
        ] {
            assert_eq!(matches!(found, Inherited::Nothing(_)), nothing, "{row}: {found:?}");
            assert_eq!(matches!(found, Inherited::Unknown(_)), !nothing, "{row}: {found:?}");
        }
    }

    #[test]
    fn a_grant_that_sets_an_inherited_tag_again_is_reported() {
        let by_token = Inherited::ByToken { tags: tags(&["team"]), source_identity: false };
        let levels = |inherited, grants: &[GrantFacts]| {
            judge(inherited, grants).iter().map(|finding| finding.level).collect::<Vec<_>>()
        };
        let again = [grant(&["Team"], false)];
        assert_eq!(levels(&by_token, &again), [Level::Ok, Level::Problem]);
        assert_eq!(levels(&by_token, &[grant(&["other"], true)]), [Level::Ok]);
        let again = [grant(&["kubernetes-namespace"], false)];
        assert_eq!(levels(&Inherited::ByPodIdentity, &again), [Level::Ok, Level::Warning]);
        assert_eq!(levels(&Inherited::Nothing("why"), &again), [Level::Ok]);
        assert_eq!(levels(&Inherited::Unknown("why"), &again), [Level::Skipped]);
    }

    #[test]
    fn an_inherited_source_identity_cannot_be_changed() {
        let by_token = Inherited::ByToken { tags: tags(&[]), source_identity: true };
        let found = judge(&by_token, &[grant(&[], false)]);
        assert!(found.len() == 1 && found[0].level == Level::Ok, "{found:?}");
        let found = judge(&by_token, &[grant(&[], true)]);
        assert!(found.len() == 1 && found[0].level == Level::Problem, "{found:?}");
        assert!(found[0].message.ends_with("another one: g."), "{found:?}");
    }
}
