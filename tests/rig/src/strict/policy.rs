//! Policy documents, and what they say about an action.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::condition::Condition;
use super::context::Context;
use super::pattern::Pattern;
use super::principal::{Match, Principals, Subject};

/// A policy that was checked. Elements that are not implemented are errors: nothing is ignored.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    statements: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
struct Statement {
    allow: bool,
    /// Only in a trust policy.
    principals: Option<Principals>,
    actions: Vec<String>,
    /// Empty in a trust policy: the resource is its role.
    resources: Vec<String>,
    conditions: Vec<Condition>,
}

/// What a policy says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Deny,
    /// How a trust policy names the caller; [`Match::Entity`] for other policies.
    Allow(Match),
    Nothing,
}

/// An action of an Allow statement, to remove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Such as `sts:TagSession`.
    pub action: String,
    statement: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct Document {
    version: String,
    statement: OneOrMany<RawStatement>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "PascalCase")]
struct RawStatement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    effect: String,
    principal: Option<Value>,
    action: OneOrMany<String>,
    resource: Option<OneOrMany<String>>,
    #[serde(default)]
    condition: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

impl Policy {
    /// Reads the trust policy of a role.
    ///
    /// # Errors
    /// A message if it is malformed, or contains what this STS does not implement.
    pub fn trust(json: &str) -> Result<Self, String> {
        Self::parse(json, |statement| {
            if statement.principals.is_none() {
                return Err("a trust policy needs a Principal".to_owned());
            }
            if !statement.resources.is_empty() {
                return Err("a trust policy has no Resource".to_owned());
            }
            match statement.actions.iter().find(|action| !action.starts_with("sts:")) {
                Some(action) => Err(format!("a trust policy cannot contain {action}")),
                None => Ok(()),
            }
        })
    }

    /// Reads a policy of a role or user, or a session policy.
    ///
    /// # Errors
    /// As for [`Policy::trust`].
    pub fn identity(json: &str) -> Result<Self, String> {
        Self::parse(json, |statement| {
            if statement.principals.is_some() {
                return Err("only a trust policy has a Principal".to_owned());
            }
            if statement.resources.is_empty() {
                return Err("a statement needs a Resource".to_owned());
            }
            Ok(())
        })
    }

    fn parse(json: &str, check: fn(&Statement) -> Result<(), String>) -> Result<Self, String> {
        let document: Document = serde_json::from_str(json).map_err(|error| error.to_string())?;
        if document.version != "2012-10-17" {
            return Err(format!("the version {} has no variables", document.version));
        }
        let raw = document.statement.into_vec().into_iter();
        let statements = raw.map(Statement::try_from).collect::<Result<Vec<_>, _>>()?;
        statements.iter().try_for_each(check)?;
        Ok(Self { statements })
    }

    /// What it says about an action on a resource. A Deny beats every Allow. `subject` is compared with the
    /// principals of a trust policy.
    pub(super) fn says(
        &self,
        action: &str,
        resource: &str,
        context: &Context,
        subject: Option<Subject<'_>>,
    ) -> Says {
        let mut says = Says::Nothing;
        for statement in &self.statements {
            let names = match (&statement.principals, subject) {
                (Some(principals), Some(subject)) => principals.names(subject),
                (None, None) => Match::Entity,
                _ => Match::No,
            };
            if names == Match::No || !statement.applies(action, resource, context) {
                continue;
            }
            if !statement.allow {
                return Says::Deny;
            }
            says = match says {
                Says::Allow(before) => Says::Allow(before.max(names)),
                _ => Says::Allow(names),
            };
        }
        says
    }

    /// The actions of STS in Allow statements.
    #[must_use]
    pub fn sts_actions(&self) -> Vec<Place> {
        let mut places = vec![];
        for (statement, content) in self.statements.iter().enumerate().filter(|(_, s)| s.allow) {
            let actions = content.actions.iter().filter(|action| action.starts_with("sts:"));
            places.extend(actions.map(|action| Place { action: action.clone(), statement }));
        }
        places
    }

    /// The same policy without one action. A statement without actions is removed.
    #[must_use]
    pub fn without(&self, place: &Place) -> Self {
        let mut policy = self.clone();
        policy.statements[place.statement].actions.retain(|action| *action != place.action);
        policy.statements.retain(|statement| !statement.actions.is_empty());
        policy
    }

    /// An example of each request that an Allow statement is about: an action without wildcards, and a resource. A
    /// variable is the value in `tags`.
    #[must_use]
    pub fn samples(&self) -> Vec<(String, String)> {
        let concrete = |text: &str| text.replace('*', "sample").replace('?', "x");
        let mut samples = vec![];
        for statement in self.statements.iter().filter(|statement| statement.allow) {
            for action in &statement.actions {
                for resource in &statement.resources {
                    samples.push((concrete(action), concrete(resource)));
                }
            }
        }
        samples
    }
}

impl Statement {
    fn applies(&self, action: &str, resource: &str, context: &Context) -> bool {
        let action = action.to_lowercase();
        let names = |pattern: &String| Pattern::wildcards(&pattern.to_lowercase()).matches(&action);
        let covers = |pattern: &String| {
            Pattern::with_variables(pattern, context, true)
                .is_some_and(|pattern| pattern.matches(resource))
        };
        self.actions.iter().any(names)
            && (self.resources.is_empty() || self.resources.iter().any(covers))
            && self.conditions.iter().all(|condition| condition.holds(context))
    }
}

impl TryFrom<RawStatement> for Statement {
    type Error = String;

    fn try_from(raw: RawStatement) -> Result<Self, String> {
        let allow = match raw.effect.as_str() {
            "Allow" => true,
            "Deny" => false,
            other => return Err(format!("{other} is not an Effect")),
        };
        let mut conditions = vec![];
        for (operator, keys) in raw.condition {
            let keys: Map<String, Value> = serde_json::from_value(keys)
                .map_err(|_| format!("{operator} does not contain keys"))?;
            for (key, values) in keys {
                conditions.push(Condition::parse(&operator, &key, texts(values)?)?);
            }
        }
        Ok(Self {
            allow,
            principals: raw.principal.map(Principals::parse).transpose()?,
            actions: raw.action.into_vec(),
            resources: raw.resource.map(OneOrMany::into_vec).unwrap_or_default(),
            conditions,
        })
    }
}

/// A value or a list of values, each as text.
pub(super) fn texts(value: Value) -> Result<Vec<String>, String> {
    let text = |value: Value| match value {
        Value::String(text) => Ok(text),
        Value::Bool(bool) => Ok(bool.to_string()),
        Value::Number(number) => Ok(number.to_string()),
        other => Err(format!("{other} is not a value")),
    };
    match value {
        Value::Array(values) => values.into_iter().map(text).collect(),
        one => Ok(vec![text(one)?]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const READ: &str = r#"{"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Action": ["s3:Get*"], "Resource": "arn:aws:s3:::a/${aws:PrincipalTag/team}/*"},
        {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*",
         "Condition": {"StringEquals": {"aws:PrincipalTag/team": "blocked"}}}]}"#;

    fn says(policy: &str, action: &str, resource: &str, team: &str) -> Says {
        let mut context = Context::default();
        context.set("aws:PrincipalTag/team", team);
        Policy::identity(policy).unwrap().says(action, resource, &context, None)
    }

    #[test]
    fn a_deny_beats_an_allow_and_what_no_statement_allows_is_not_allowed() {
        let allow = Says::Allow(Match::Entity);
        let rows = [
            ("s3:GetObject", "arn:aws:s3:::a/x/file", "x", allow),
            ("S3:getobject", "arn:aws:s3:::a/x/file", "x", allow),
            ("s3:GetObject", "arn:aws:s3:::a/y/file", "x", Says::Nothing),
            ("s3:PutObject", "arn:aws:s3:::a/x/file", "x", Says::Nothing),
            ("s3:GetObject", "arn:aws:s3:::a/blocked/file", "blocked", Says::Deny),
            ("s3:GetBucketAcl", "arn:aws:s3:::a/blocked/file", "blocked", allow),
        ];
        for (action, resource, team, expected) in rows {
            assert_eq!(says(READ, action, resource, team), expected, "{action} {resource}");
        }
    }

    #[test]
    fn what_is_not_implemented_is_an_error() {
        let rows = [
            r#"{"Version": "2008-10-17", "Statement": []}"#,
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "NotAction": "s3:*", "Resource": "*"}]}"#,
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "allow", "Action": "s3:*", "Resource": "*"}]}"#,
            r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*"}]}"#,
            r#"{"Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}"#,
            "{",
        ];
        for json in rows {
            assert!(Policy::identity(json).is_err(), "{json}");
        }
        let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::123456789012:root"}, "Action": "s3:GetObject"}]}"#;
        assert!(Policy::trust(trust).is_err());
    }

    #[test]
    fn each_action_of_sts_can_be_removed_alone() {
        let json = r#"{"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:TagSession"], "Resource": "*"},
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}]}"#;
        let policy = Policy::identity(json).unwrap();
        let places = policy.sts_actions();
        let actions: Vec<_> = places.iter().map(|place| place.action.as_str()).collect();
        assert_eq!(actions, ["sts:AssumeRole", "sts:TagSession"]);
        let changed = policy.without(&places[0]);
        let says = |action| changed.says(action, "r", &Context::default(), None);
        assert_eq!(says("sts:AssumeRole"), Says::Nothing);
        assert_eq!(says("sts:TagSession"), Says::Allow(Match::Entity));
        assert_eq!(says("s3:GetObject"), Says::Allow(Match::Entity));
    }
}
