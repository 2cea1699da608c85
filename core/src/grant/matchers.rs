//! What a grant matches: namespaces and roles.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube_core::{Selector, SelectorExt};
use serde_json::Value;
use wildmatch::WildMatch;

use super::decode::decode;
use super::invalid::InvalidGrant;
use crate::api::{GrantMode, GrantedNamespaces};
use crate::request::arn::{RoleArn, is_segment};

/// The entry of `roleArns` that matches all roles.
const ALL_ROLES: &str = "*";

/// Length of the longest name of a namespace.
const LONGEST_NAME: usize = 63;

/// The operators of a selector, in messages.
const OPERATORS: &str = "each of matchExpressions must have the operator In or NotIn with values, or Exists or DoesNotExist without values";

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
    /// [`InvalidGrant`] if neither field is set, a name can match no namespace, or the selector is empty or invalid.
    pub fn compile(namespaces: &GrantedNamespaces) -> Result<Self, InvalidGrant> {
        let names = namespaces.names.as_deref();
        if names.is_some_and(<[_]>::is_empty) || (names.is_none() && namespaces.selector.is_none())
        {
            return Err(InvalidGrant::NoNamespaces);
        }
        let is_empty = namespaces.selector.as_ref().is_some_and(|selector| {
            selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty)
                && selector.match_expressions.as_ref().is_none_or(Vec::is_empty)
        });
        if is_empty {
            return Err(InvalidGrant::EmptySelector);
        }
        Ok(Self {
            names: names.map(name_patterns).transpose()?,
            selector: namespaces.selector.as_ref().map(selector).transpose()?,
        })
    }

    /// The namespaces of a grant that cannot be read whole: all that its readable part may match.
    pub(super) fn widest(namespaces: Option<&Value>) -> Self {
        let everything = Self { names: None, selector: None };
        let Some(raw) = namespaces.and_then(Value::as_object) else { return everything };
        if let Ok(compiled) = decode(&Value::Object(raw.clone()))
            .and_then(|namespaces: GrantedNamespaces| Self::compile(&namespaces))
        {
            return compiled;
        }
        // A namespace must match both fields, so the names alone are wider. The meaning of other fields is unknown.
        let is_known = raw.keys().all(|key| ["names", "selector"].contains(&key.as_str()));
        let names = raw.get("names").map(decode::<Vec<String>>);
        let names = names.and_then(Result::ok).filter(|names| is_known && !names.is_empty());
        match names.map(|names| name_patterns(&names)) {
            Some(Ok(names)) => Self { names: Some(names), selector: None },
            Some(Err(_)) | None => everything,
        }
    }

    /// Whether this matches a namespace with these labels.
    pub fn matches(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let named = |names: &Vec<WildMatch>| names.iter().any(|name| name.matches(namespace));
        self.names.as_ref().is_none_or(named)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

fn name_patterns(names: &[String]) -> Result<Vec<WildMatch>, InvalidGrant> {
    let fits = |b: u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'*' | b'?');
    let pattern = |name: &String| {
        if name.is_empty() || !name.bytes().all(fits) {
            return Err(InvalidGrant::NamespaceName(name.chars().take(LONGEST_NAME).collect()));
        }
        Ok(WildMatch::new(name))
    };
    names.iter().map(pattern).collect()
}

/// Compiles a selector. It is as strict as the API server, which also refuses values where they have no meaning.
fn selector(selector: &LabelSelector) -> Result<Selector, InvalidGrant> {
    for requirement in selector.match_expressions.iter().flatten() {
        let has_values = requirement.values.as_ref().is_some_and(|values| !values.is_empty());
        let fits = match requirement.operator.as_str() {
            "In" | "NotIn" => has_values,
            "Exists" | "DoesNotExist" => !has_values,
            _ => false,
        };
        if !fits {
            return Err(InvalidGrant::Selector(OPERATORS.to_owned()));
        }
    }
    Selector::try_from(selector.clone()).map_err(|error| InvalidGrant::Selector(error.to_string()))
}

/// The compiled roles of a grant.
#[derive(Debug)]
pub struct RoleMatcher(Vec<WildMatch>);

impl RoleMatcher {
    /// Compiles `spec.roleArns`.
    ///
    /// # Errors
    /// [`InvalidGrant`] if there is none, or one is invalid.
    pub fn compile(arns: &[String], mode: GrantMode) -> Result<Self, InvalidGrant> {
        if arns.is_empty() {
            return Err(InvalidGrant::NoRoles);
        }
        let pattern = |arn: &String| match (mode, arn.as_str()) {
            (GrantMode::Constrain, ALL_ROLES) => Ok(WildMatch::new(ALL_ROLES)),
            (GrantMode::Allow, ALL_ROLES) => Err(InvalidGrant::AllRoles),
            (GrantMode::Allow | GrantMode::Constrain, _) => {
                role_pattern(arn).ok_or_else(|| InvalidGrant::RoleArn(arn.clone()))
            }
        };
        arns.iter().map(pattern).collect::<Result<_, _>>().map(Self)
    }

    /// The roles of a grant that cannot be read whole: all that its readable part may match.
    pub(super) fn widest(arns: Option<&Value>) -> Self {
        let arns = arns.and_then(|arns| decode::<Vec<String>>(arns).ok());
        let compiled = arns.and_then(|arns| Self::compile(&arns, GrantMode::Constrain).ok());
        compiled.unwrap_or_else(|| Self(vec![WildMatch::new(ALL_ROLES)]))
    }

    /// Whether this matches a role.
    pub fn matches(&self, role: &RoleArn) -> bool {
        self.0.iter().any(|pattern| pattern.matches(role.as_str()))
    }

    /// The literal prefixes, up to the first wildcard, of the role ARNs that this matches.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|pattern| {
            pattern.pattern_chars().iter().take_while(|c| !matches!(c, '*' | '?')).collect()
        })
    }
}

/// A pattern for role ARNs. Partition and account must be literal, so that no wildcard matches another account.
fn role_pattern(text: &str) -> Option<WildMatch> {
    let (account, name) = text.split_once(":role/")?;
    let literal = RoleArn::try_from(format!("{account}:role/x").as_str()).is_ok();
    let name_fits = name.bytes().all(|b| b.is_ascii_graphic()) && name.split('/').all(is_segment);
    (literal && name_fits).then(|| WildMatch::new(text))
}
