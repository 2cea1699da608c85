//! What a grant matches: namespaces and roles.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use kube_core::{Selector, SelectorExt};
use serde_json::Value;
use wildmatch::WildMatch;

use super::decode::decode;
use super::invalid::InvalidGrant;
use crate::api::{GrantMode, GrantedNamespaces};
use crate::request::arn::{RoleArn, is_segment};

/// The entry of `roleArns` that matches all roles.
const ALL_ROLES: &str = "*";

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
    /// [`InvalidGrant`] if neither field is set, or the selector is empty or invalid.
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
        let selector = namespaces.selector.clone().map(Selector::try_from).transpose();
        Ok(Self {
            names: names.map(patterns),
            selector: selector.map_err(|error| InvalidGrant::Selector(error.to_string()))?,
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
        match names {
            Some(Ok(names)) if is_known && !names.is_empty() => {
                Self { names: Some(patterns(&names)), selector: None }
            }
            _ => everything,
        }
    }

    /// Whether this matches a namespace with these labels.
    pub fn matches(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let named = |names: &Vec<WildMatch>| names.iter().any(|name| name.matches(namespace));
        self.names.as_ref().is_none_or(named)
            && self.selector.as_ref().is_none_or(|selector| selector.matches(labels))
    }
}

fn patterns(names: &[String]) -> Vec<WildMatch> {
    names.iter().map(|name| WildMatch::new(name)).collect()
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
