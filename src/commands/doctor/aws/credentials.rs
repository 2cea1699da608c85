//! Judges where the operator's credentials come from.

use jiff::Timestamp;
use tempcred_core::problem::{Problem, Reason};

use super::environment::Environment;
use super::tags::is_of_pod_identity;
use super::token::{Claims, Unreadable};
use crate::aws::Source;
use crate::commands::doctor::advice::split;
use crate::commands::doctor::check::{Check, Finding};

/// The token that the SDK exchanges for credentials.
#[derive(Clone, Debug)]
pub struct TokenFile {
    /// The variable that names the file.
    pub variable: &'static str,
    /// The file.
    pub path: String,
    /// Its claims.
    pub claims: Result<Claims, Unreadable>,
}

/// The variable with the token file of IRSA.
pub const WEB_IDENTITY_VARIABLE: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// The variable with the token file of EKS Pod Identity.
pub const CONTAINER_TOKEN_VARIABLE: &str = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE";

/// The variables with the endpoint of credentials for containers.
pub const CONTAINER_VARIABLES: &[&str] =
    &["AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"];

/// EKS configures only new Pods.
const RESTART: &str = "EKS configures the identity of a Pod when it creates the Pod: restart the operator afterwards.";

/// Origin of the credentials, or why there are none.
pub type Origin = Result<(Source, bool), Problem>;

/// Judges the origin of the credentials. `has_grants` says whether a namespace may need them.
pub fn judge(
    origin: &Origin,
    token: Option<&TokenFile>,
    has_grants: bool,
    environment: &Environment,
    now: Timestamp,
) -> Vec<Finding> {
    let check = Check::Credentials;
    let mut findings = Vec::new();
    match origin {
        Ok((source, is_session)) => {
            findings.push(Finding::ok(check, found(*source, *is_session, token, environment)))
        }
        Err(problem) => findings.extend(missing(problem, token, has_grants, environment)),
    }
    // A token that the SDK does not use cannot be the cause of anything.
    let uses_token = match origin {
        Ok((source, _)) => matches!(source, Source::WebIdentity | Source::Container),
        Err(_) => environment.get("AWS_ACCESS_KEY_ID").is_none(),
    };
    findings.extend(token.filter(|_| uses_token).and_then(|token| of_token(token, now)));
    findings.extend(shadowed(origin, environment));
    findings
}

/// Where the credentials were found.
fn found(
    source: Source,
    is_session: bool,
    token: Option<&TokenFile>,
    environment: &Environment,
) -> String {
    let of = token.map(|token| format!(", {}", of_subject(token))).unwrap_or_default();
    match source {
        Source::Environment if is_session => {
            "Access key with a session token, from the environment variables.".to_owned()
        }
        Source::Environment => "Access key, from the environment variables.".to_owned(),
        Source::Profile => {
            let name = environment.get("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
            format!("AWS profile {name}.")
        }
        Source::WebIdentity => {
            let role = environment.get("AWS_ROLE_ARN").unwrap_or_default();
            format!("Web identity (IRSA) for the role {role}{of}.")
        }
        Source::Container if token.is_some_and(is_eks) => format!("EKS Pod Identity{of}."),
        Source::Container => "Endpoint for credentials of containers.".to_owned(),
        Source::InstanceMetadata => "Instance metadata service.".to_owned(),
        Source::Other => "Another provider of the AWS SDK.".to_owned(),
    }
}

fn is_eks(token: &TokenFile) -> bool {
    token.claims.as_ref().is_ok_and(is_of_pod_identity)
}

/// The subject, issuer and audiences of the token, which a trust policy compares.
fn of_subject(token: &TokenFile) -> String {
    let Ok(claims) = &token.claims else { return format!("with the token in {}", token.path) };
    let part = |name: &str, value: Option<&String>| value.map(|value| format!(" {name} {value}"));
    let audiences = claims.audiences.join(", ");
    let parts = [
        part("of", claims.subject.as_ref()),
        part("from", claims.issuer.as_ref()),
        part("with the audience", Some(&audiences).filter(|text| !text.is_empty())),
    ];
    format!("with a token{}", parts.into_iter().flatten().collect::<String>())
}

/// Why there are no credentials.
fn missing(
    problem: &Problem,
    token: Option<&TokenFile>,
    has_grants: bool,
    environment: &Environment,
) -> Vec<Finding> {
    let check = Check::Credentials;
    let (message, advice) = split(problem);
    let restart = format!("{advice} {RESTART}");
    if problem.reason == Reason::IdentityMissing && token.is_none() && !has_grants {
        return vec![Finding::warning(
            check,
            format!("{message} Only resources with an identity of their own can be served."),
            restart,
        )];
    }
    let container = environment.first(CONTAINER_VARIABLES).is_some();
    let web_identity = environment.get(WEB_IDENTITY_VARIABLE).is_some();
    let (context, advice) = match (web_identity, container) {
        (true, _) => {
            let role = environment.get("AWS_ROLE_ARN").unwrap_or_else(|| "none".to_owned());
            let of = token.map(of_subject).unwrap_or_default();
            (format!(" Web identity (IRSA) for the role {role}, {of}."), advice)
        }
        (false, true) if token.is_some_and(is_eks) => (
            format!(" EKS Pod Identity, {}.", token.map(of_subject).unwrap_or_default()),
            "Check that the EKS Pod Identity agent runs on this node, that an association names the ServiceAccount of the operator, and that the trust policy of its role allows sts:AssumeRole and sts:TagSession to pods.eks.amazonaws.com.".to_owned(),
        ),
        (false, true) => (" Endpoint for credentials of containers.".to_owned(), advice),
        (false, false) => (String::new(), restart),
    };
    vec![Finding::problem(check, format!("{message}{context}"), advice)]
}

/// What is wrong with the token.
fn of_token(token: &TokenFile, now: Timestamp) -> Option<Finding> {
    let TokenFile { variable, path, claims } = token;
    let check = Check::Credentials;
    match claims {
        Err(why) => Some(Finding::problem(
            check,
            format!("The file {path} in {variable} {}.", why.in_words()),
            "Mount a projected ServiceAccount token there, readable for the user of the operator.",
        )),
        Ok(claims) => {
            let expiration = claims.expiration.filter(|expiration| *expiration <= now)?;
            Some(Finding::problem(
                check,
                format!("The token in {path} expired at {expiration}."),
                "Mount a projected ServiceAccount token, which the kubelet renews, and check the clock of the node.",
            ))
        }
    }
}

/// A configured origin that is not used, because another one takes precedence.
fn shadowed(origin: &Origin, environment: &Environment) -> Option<Finding> {
    let Ok((source, _)) = origin else { return None };
    let web_identity = environment.get(WEB_IDENTITY_VARIABLE).map(|_| "IRSA");
    let container = environment.first(CONTAINER_VARIABLES).map(|_| "EKS Pod Identity");
    let (used, ignored) = match source {
        Source::Environment => ("the access key in AWS_ACCESS_KEY_ID", web_identity.or(container)),
        Source::Profile => ("the AWS profile", web_identity.or(container)),
        Source::WebIdentity => ("IRSA", container),
        Source::Container | Source::InstanceMetadata | Source::Other => return None,
    };
    let ignored = ignored?;
    Some(Finding::warning(
        Check::Credentials,
        format!("{ignored} is configured too, but the AWS SDK prefers {used}."),
        format!("Remove one of them: to use {ignored}, remove {used} from the Pod."),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::aws::tags::POD_IDENTITY_AUDIENCE;
    use crate::commands::doctor::check::Level;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const WEB: (&str, &str) = (WEB_IDENTITY_VARIABLE, "/token");
    const EKS: (&str, &str) = (CONTAINER_VARIABLES[0], "http://169.254.170.23/v1/credentials");

    fn token(claims: Result<Claims, Unreadable>) -> TokenFile {
        TokenFile { variable: WEB_IDENTITY_VARIABLE, path: "/token".to_owned(), claims }
    }

    fn claims(audience: &str) -> Claims {
        Claims {
            issuer: Some("https://oidc".to_owned()),
            subject: Some("system:serviceaccount:a:b".to_owned()),
            audiences: vec![audience.to_owned()],
            ..Claims::default()
        }
    }

    fn levels(findings: &[Finding]) -> Vec<Level> {
        findings.iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn the_origin_is_named_and_one_that_is_not_used_too() {
        let irsa = token(Ok(claims("sts.amazonaws.com")));
        let eks = token(Ok(claims(POD_IDENTITY_AUDIENCE)));
        for (row, source, token, variables, part, warns) in [
            ("a user", Source::Environment, None, &[][..], "environment variables", false),
            (
                "IRSA",
                Source::WebIdentity,
                Some(&irsa),
                &[WEB],
                "of system:serviceaccount:a:b from https://oidc with the audience sts.amazonaws.com.",
                false,
            ),
            (
                "Pod Identity",
                Source::Container,
                Some(&eks),
                &[EKS],
                "EKS Pod Identity, with a token of",
                false,
            ),
            ("both", Source::WebIdentity, Some(&irsa), &[WEB, EKS], "(IRSA)", true),
            ("a key over IRSA", Source::Environment, Some(&irsa), &[WEB], "Access key", true),
        ] {
            let environment = Environment::of(variables);
            let found = judge(&Ok((source, false)), token, true, &environment, NOW);
            assert!(found[0].message.contains(part), "{row}: {found:?}");
            let expected = if warns { vec![Level::Ok, Level::Warning] } else { vec![Level::Ok] };
            assert_eq!(levels(&found), expected, "{row}: {found:?}");
        }
    }

    #[test]
    fn without_an_identity_only_grants_are_of_no_use() {
        let none = Environment::of(&[]);
        let missing = Problem::new(Reason::IdentityMissing, "The operator has no AWS identity.");
        assert_eq!(
            levels(&judge(&Err(missing.clone()), None, false, &none, NOW)),
            [Level::Warning]
        );
        assert_eq!(levels(&judge(&Err(missing), None, true, &none, NOW)), [Level::Problem]);
    }

    #[test]
    fn a_token_that_cannot_be_used_is_the_cause() {
        let unavailable = Problem::new(Reason::IdentityUnavailable, "It could not be fetched.");
        let environment = Environment::of(&[WEB, ("AWS_ROLE_ARN", "arn:role")]);
        let mut expired = claims("sts.amazonaws.com");
        expired.expiration = Some(NOW);
        for (claims, part) in [
            (
                Err(Unreadable::Missing),
                "The file /token in AWS_WEB_IDENTITY_TOKEN_FILE does not exist.",
            ),
            (Ok(expired), "The token in /token expired at 1970"),
        ] {
            let token = token(claims);
            let found = judge(&Err(unavailable.clone()), Some(&token), true, &environment, NOW);
            assert_eq!(levels(&found), [Level::Problem, Level::Problem]);
            assert!(found[0].message.contains("for the role arn:role"), "{found:?}");
            assert!(found[1].message.contains(part), "{found:?}");
        }
    }

    #[test]
    fn the_advice_for_pod_identity_names_its_parts() {
        let unavailable = Problem::new(Reason::IdentityUnavailable, "It could not be fetched.");
        let eks = token(Ok(claims(POD_IDENTITY_AUDIENCE)));
        let found = judge(&Err(unavailable), Some(&eks), true, &Environment::of(&[EKS]), NOW);
        assert!(found[0].advice.as_ref().unwrap().contains("association"), "{found:?}");
    }
}
