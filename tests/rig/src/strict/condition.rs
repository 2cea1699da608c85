//! Conditions of policies.

use std::cmp::Ordering;

use super::context::Context;
use super::pattern::Pattern;

/// A key, an operator and the values that it is compared with.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Condition {
    operator: Operator,
    negated: bool,
    set: Option<Set>,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equals,
    EqualsIgnoreCase,
    /// `StringLike`, and both operators of ARNs.
    Like,
    Number(&'static [Ordering]),
    Bool,
    Null,
}

/// The prefix of an operator for keys with several values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    Any,
    All,
}

/// Keys with several values. IAM does not define what an operator without prefix does with them.
const MULTIVALUED: &[&str] = &["aws:tagkeys", "sts:transitivetagkeys", "sts:identitytokenaudience"];

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// If the operator does not exist, is not implemented here, or does not suit the key.
    pub(super) fn parse(operator: &str, key: &str, values: Vec<String>) -> Result<Self, String> {
        let (set, name) = match operator.split_once(':') {
            Some(("ForAnyValue", name)) => (Some(Set::Any), name),
            Some(("ForAllValues", name)) => (Some(Set::All), name),
            Some((prefix, _)) => return Err(format!("{prefix} is not a prefix of operators")),
            None => (None, operator),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let (operator, negated) = match name {
            "StringEquals" => (Operator::Equals, false),
            "StringNotEquals" => (Operator::Equals, true),
            "StringEqualsIgnoreCase" => (Operator::EqualsIgnoreCase, false),
            "StringNotEqualsIgnoreCase" => (Operator::EqualsIgnoreCase, true),
            "StringLike" | "ArnLike" | "ArnEquals" => (Operator::Like, false),
            "StringNotLike" | "ArnNotLike" | "ArnNotEquals" => (Operator::Like, true),
            "NumericEquals" => (Operator::Number(&[Ordering::Equal]), false),
            "NumericNotEquals" => (Operator::Number(&[Ordering::Equal]), true),
            "NumericLessThan" => (Operator::Number(&[Ordering::Less]), false),
            "NumericLessThanEquals" => {
                (Operator::Number(&[Ordering::Less, Ordering::Equal]), false)
            }
            "NumericGreaterThan" => (Operator::Number(&[Ordering::Greater]), false),
            "NumericGreaterThanEquals" => {
                (Operator::Number(&[Ordering::Greater, Ordering::Equal]), false)
            }
            "Bool" => (Operator::Bool, false),
            "Null" if !if_exists && set.is_none() => (Operator::Null, false),
            other => return Err(format!("the operator {other} is not implemented")),
        };
        let needs_set = MULTIVALUED.contains(&key.to_lowercase().as_str());
        if needs_set && set.is_none() && operator != Operator::Null {
            return Err(format!("{key} has several values: use ForAnyValue or ForAllValues"));
        }
        Ok(Self { operator, negated, set, if_exists, key: key.to_owned(), values })
    }

    /// Whether the condition is true for a request.
    pub(super) fn holds(&self, context: &Context) -> bool {
        let actual = context.get(&self.key);
        if self.operator == Operator::Null {
            let missing = if actual.is_none() { "true" } else { "false" };
            return self.values.iter().any(|value| value == missing);
        }
        let Some(actual) = actual else {
            return match self.set {
                Some(Set::All) => true,
                Some(Set::Any) => self.if_exists,
                None => self.if_exists || self.negated,
            };
        };
        match self.set {
            Some(Set::Any) | None => actual.iter().any(|value| self.accepts(value, context)),
            Some(Set::All) => actual.iter().all(|value| self.accepts(value, context)),
        }
    }

    /// Of several values in the policy, one must match; with a negated operator, none.
    fn accepts(&self, actual: &str, context: &Context) -> bool {
        self.values.iter().any(|wanted| self.equals(actual, wanted, context)) != self.negated
    }

    fn equals(&self, actual: &str, wanted: &str, context: &Context) -> bool {
        let pattern = |wildcards| Pattern::with_variables(wanted, context, wildcards);
        match self.operator {
            Operator::Equals => pattern(false).is_some_and(|pattern| pattern.matches(actual)),
            Operator::Like => pattern(true).is_some_and(|pattern| pattern.matches(actual)),
            Operator::EqualsIgnoreCase | Operator::Bool => actual.eq_ignore_ascii_case(wanted),
            Operator::Number(accepted) => match (actual.parse::<i64>(), wanted.parse()) {
                (Ok(actual), Ok(wanted)) => accepted.contains(&actual.cmp(&wanted)),
                _ => false,
            },
            Operator::Null => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(operator: &str, key: &str, values: &[&str]) -> bool {
        let mut context = Context::default();
        context.set("sts:ExternalId", "abc");
        context.set("sts:DurationSeconds", "1800");
        context.set("aws:MultiFactorAuthPresent", "false");
        context.set_all("aws:TagKeys", ["team", "cost"]);
        context.set("aws:PrincipalTag/team", "abc");
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        Condition::parse(operator, key, values).unwrap().holds(&context)
    }

    #[test]
    fn operators_decide_as_documented() {
        let tags = "aws:TagKeys";
        let rows: &[(&str, &str, &[&str], bool)] = &[
            ("StringEquals", "sts:ExternalId", &["abc"], true),
            ("StringEquals", "sts:externalid", &["x", "abc"], true),
            ("StringEquals", "sts:ExternalId", &["ABC"], false),
            ("StringEquals", "sts:ExternalId", &["a*"], false),
            ("StringEquals", "sts:ExternalId", &["${aws:PrincipalTag/team}"], true),
            ("StringEquals", "sts:ExternalId", &["${aws:PrincipalTag/none}"], false),
            ("StringEqualsIgnoreCase", "sts:ExternalId", &["ABC"], true),
            ("StringNotEquals", "sts:ExternalId", &["x", "abc"], false),
            ("StringNotEquals", "sts:ExternalId", &["x", "y"], true),
            ("StringLike", "sts:ExternalId", &["a*"], true),
            ("StringNotLike", "sts:ExternalId", &["a*"], false),
            ("ArnLike", "sts:ExternalId", &["?bc"], true),
            ("NumericLessThanEquals", "sts:DurationSeconds", &["1800"], true),
            ("NumericLessThan", "sts:DurationSeconds", &["1800"], false),
            ("NumericGreaterThan", "sts:DurationSeconds", &["many"], false),
            ("Bool", "aws:MultiFactorAuthPresent", &["false"], true),
            ("Bool", "aws:MultiFactorAuthPresent", &["true"], false),
            // A key that the request does not have.
            ("StringEquals", "sts:SourceIdentity", &["abc"], false),
            ("StringEqualsIfExists", "sts:SourceIdentity", &["abc"], true),
            ("StringNotEquals", "sts:SourceIdentity", &["abc"], true),
            ("Null", "sts:SourceIdentity", &["true"], true),
            ("Null", "sts:SourceIdentity", &["false"], false),
            ("Null", "sts:ExternalId", &["false"], true),
            ("ForAllValues:StringEquals", "sts:TransitiveTagKeys", &["x"], true),
            ("ForAnyValue:StringEquals", "sts:TransitiveTagKeys", &["x"], false),
            // A key with several values.
            ("ForAllValues:StringEquals", tags, &["team", "cost", "more"], true),
            ("ForAllValues:StringEquals", tags, &["team"], false),
            ("ForAnyValue:StringEquals", tags, &["team"], true),
            ("ForAnyValue:StringEquals", tags, &["more"], false),
            ("ForAnyValue:StringNotEquals", tags, &["team"], true),
            ("ForAllValues:StringNotEquals", tags, &["team"], false),
        ];
        for (operator, key, values, expected) in rows {
            assert_eq!(holds(operator, key, values), *expected, "{operator} {key} {values:?}");
        }
    }

    #[test]
    fn an_operator_that_is_unknown_or_does_not_suit_its_key_is_an_error() {
        for (operator, key) in [
            ("StringMatches", "sts:ExternalId"),
            ("ForNoValue:StringEquals", "aws:TagKeys"),
            ("StringEquals", "aws:TagKeys"),
            ("IpAddress", "aws:SourceIp"),
        ] {
            assert!(Condition::parse(operator, key, vec![]).is_err(), "{operator}");
        }
    }
}
