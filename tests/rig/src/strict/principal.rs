//! The caller of a request, and how a trust policy names it.

use serde_json::{Map, Value};

use super::policy::texts;

/// An identity that signs requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Principal {
    /// An IAM user, by its ARN.
    User(String),
    /// A session of a role.
    Role {
        /// ARN of the role.
        role: String,
        /// ARN of the session: `arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION`.
        session: String,
    },
    /// A session of GetFederationToken.
    FederatedUser {
        /// ARN of the session: `arn:aws:sts::ACCOUNT:federated-user/NAME`.
        session: String,
        /// ARN of the IAM user that requested it.
        user: String,
    },
    /// A root session of AssumeRoot, by the account.
    Root(String),
}

impl Principal {
    /// The ARN that GetCallerIdentity and messages show.
    #[must_use]
    pub fn arn(&self) -> String {
        match self {
            Self::User(arn) | Self::Role { session: arn, .. } => arn.clone(),
            Self::FederatedUser { session, .. } => session.clone(),
            Self::Root(account) => format!("arn:aws:iam::{account}:root"),
        }
    }

    /// The value of `aws:PrincipalArn`: the role of a role session.
    pub(super) fn principal_arn(&self) -> String {
        match self {
            Self::Role { role, .. } => role.clone(),
            other => other.arn(),
        }
    }

    /// The account.
    pub(super) fn account(&self) -> String {
        account_of(&self.arn()).to_owned()
    }
}

/// The account in an ARN.
pub(super) fn account_of(arn: &str) -> &str {
    arn.split(':').nth(4).unwrap_or_default()
}

/// What is compared with the `Principal` of a trust policy.
#[derive(Clone, Copy, Debug)]
pub(super) enum Subject<'a> {
    Caller(&'a Principal),
    /// The ARN of an identity provider.
    Federated(&'a str),
    /// An AWS service.
    Service(&'a str),
}

/// How a policy names the caller, in the order of what it grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Match {
    No,
    /// By its account: the account decides further, by its own policies.
    Account,
    /// By the ARN of its role or user, or as a provider or service.
    Entity,
    /// By the ARN of its session.
    Session,
}

/// The `Principal` of a statement.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Principals {
    aws: Vec<String>,
    federated: Vec<String>,
    service: Vec<String>,
}

impl Principals {
    /// Reads the element.
    ///
    /// # Errors
    /// If it is malformed, or names everybody: this STS does not judge that.
    pub(super) fn parse(value: Value) -> Result<Self, String> {
        let mut kinds: Map<String, Value> = serde_json::from_value(value)
            .map_err(|_| "Principal must name AWS, Federated or Service".to_owned())?;
        let mut take = |kind: &str| kinds.remove(kind).map_or(Ok(vec![]), texts);
        let principals =
            Self { aws: take("AWS")?, federated: take("Federated")?, service: take("Service")? };
        if let Some(other) = kinds.keys().next() {
            return Err(format!("{other} is not a kind of principal"));
        }
        match principals.aws.iter().find(|arn| arn.contains('*')) {
            Some(arn) => Err(format!("the principal {arn} has a wildcard, which IAM rejects")),
            None => Ok(principals),
        }
    }

    /// How it names the subject.
    pub(super) fn names(&self, subject: Subject<'_>) -> Match {
        let entity = |found: bool| if found { Match::Entity } else { Match::No };
        match subject {
            Subject::Federated(provider) => entity(self.federated.iter().any(|p| p == provider)),
            Subject::Service(service) => entity(self.service.iter().any(|s| s == service)),
            Subject::Caller(caller) => {
                let names = self.aws.iter().map(|named| name_of(named, caller));
                names.max().unwrap_or(Match::No)
            }
        }
    }
}

fn name_of(named: &str, caller: &Principal) -> Match {
    let account = caller.account();
    if named == account || named == format!("arn:aws:iam::{account}:root") {
        return Match::Account;
    }
    match caller {
        Principal::Role { role, .. } if named == role => Match::Entity,
        Principal::User(arn) if named == arn => Match::Entity,
        Principal::Role { session, .. } | Principal::FederatedUser { session, .. }
            if named == session =>
        {
            Match::Session
        }
        _ => Match::No,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_caller_is_named_by_its_account_role_user_or_session() {
        let role = Principal::Role {
            role: "arn:aws:iam::123456789012:role/a".to_owned(),
            session: "arn:aws:sts::123456789012:assumed-role/a/s".to_owned(),
        };
        let user = Principal::User("arn:aws:iam::123456789012:user/u".to_owned());
        let rows = [
            (&role, "arn:aws:iam::123456789012:root", Match::Account),
            (&role, "123456789012", Match::Account),
            (&role, "arn:aws:iam::123456789012:role/a", Match::Entity),
            (&role, "arn:aws:iam::123456789012:role/b", Match::No),
            (&role, "arn:aws:sts::123456789012:assumed-role/a/s", Match::Session),
            (&role, "arn:aws:sts::123456789012:assumed-role/a/t", Match::No),
            (&role, "arn:aws:iam::210987654321:root", Match::No),
            (&user, "arn:aws:iam::123456789012:user/u", Match::Entity),
            (&user, "arn:aws:iam::123456789012:role/a", Match::No),
        ];
        for (caller, named, expected) in rows {
            let principals = Principals::parse(json!({"AWS": [named]})).unwrap();
            assert_eq!(principals.names(Subject::Caller(caller)), expected, "{named}");
        }
        let service = Principals::parse(json!({"Service": "ec2.amazonaws.com"})).unwrap();
        assert_eq!(service.names(Subject::Service("ec2.amazonaws.com")), Match::Entity);
        assert_eq!(service.names(Subject::Caller(&role)), Match::No);
    }

    #[test]
    fn a_principal_with_a_wildcard_or_of_an_unknown_kind_is_an_error() {
        for value in [json!("*"), json!({"AWS": "*"}), json!({"CanonicalUser": "x"})] {
            assert!(Principals::parse(value.clone()).is_err(), "{value}");
        }
    }
}
