//! What all grants that match one role demand of its session together. The strictest demand applies, so neither the
//! order nor the names of the grants matter.

use std::collections::{BTreeMap, BTreeSet};

use super::choices::Choices;
use super::compiled::{Demand, Rules};
use super::invalid::InvalidGrant;
use super::name::GrantName;
use super::rejection::{Kind, Rejection};
use crate::api::GrantMode;
use crate::fields::Duration;
use crate::template::Context;

/// A grant that matches the namespace of a resource and a requested role.
pub(super) type Match<'a> = (&'a GrantName, &'a Result<Rules, InvalidGrant>);

/// The demands of the grants that match one role.
pub(super) struct Combined<'a>(Vec<(&'a GrantName, Demand<'a>)>);

/// A tag that at least one grant demands.
pub(super) struct CombinedTag {
    /// The key, as it is sent.
    pub(super) key: String,
    pub(super) value: String,
    /// Whether any of the grants demands that it is transitive.
    pub(super) transitive: bool,
    /// The grants that demand it.
    pub(super) grants: Vec<GrantName>,
}

impl<'a> Combined<'a> {
    /// Renders the demands of these grants.
    ///
    /// # Errors
    /// A rejection if one of the grants is invalid, or none of them allows anything.
    pub(super) fn of(matches: &[Match<'a>], context: Context<'_>) -> Result<Self, Rejection> {
        let invalid = matches.iter().filter(|(_, rules)| rules.is_err());
        let invalid: Vec<GrantName> = invalid.map(|(name, _)| (*name).clone()).collect();
        if !invalid.is_empty() {
            return Err(Rejection::new(Kind::Invalid, String::new(), invalid));
        }
        let valid = matches.iter().filter_map(|(name, rules)| Some((*name, rules.as_ref().ok()?)));
        let valid: Vec<_> = valid.collect();
        if !valid.iter().any(|(_, rules)| rules.mode == GrantMode::Allow) {
            return Err(Rejection::new(Kind::NoGrant, String::new(), Vec::new()));
        }
        Ok(Self(valid.into_iter().map(|(name, rules)| (name, rules.demand(context))).collect()))
    }

    /// The grants whose demand meets a condition.
    pub(super) fn grants(&self, is_meant: impl Fn(&Demand<'_>) -> bool) -> Vec<GrantName> {
        let meant = self.0.iter().filter(|(_, demand)| is_meant(demand));
        meant.map(|(name, _)| (*name).clone()).collect()
    }

    /// The value that the grants demand. `field` is its name in messages.
    pub(super) fn agreed<'s, T: Ord>(
        &'s self,
        field: &str,
        demanded: impl Fn(&'s Demand<'a>) -> Option<T>,
        rejections: &mut Vec<Rejection>,
    ) -> Option<T> {
        let values = || self.0.iter().filter_map(|(_, demand)| demanded(demand));
        // The smallest of several values, so that the order of the grants does not matter.
        let value = values().min()?;
        if values().any(|other| other != value) {
            let demanding = self.0.iter().filter(|(_, demand)| demanded(demand).is_some());
            let demanding = demanding.map(|(name, _)| (*name).clone()).collect();
            rejections.push(Rejection::new(Kind::Conflict, field.to_owned(), demanding));
        }
        Some(value)
    }

    /// The tags that the grants demand, by folded key.
    pub(super) fn tags(&self, rejections: &mut Vec<Rejection>) -> BTreeMap<String, CombinedTag> {
        let mut tags: BTreeMap<String, CombinedTag> = BTreeMap::new();
        let mut conflicts: BTreeSet<String> = BTreeSet::new();
        for (name, demand) in &self.0 {
            for (folded, demanded) in &demand.tags {
                let tag = tags.entry((*folded).to_owned()).or_insert_with(|| CombinedTag {
                    key: demanded.key.to_owned(),
                    value: demanded.value.clone(),
                    transitive: false,
                    grants: Vec::new(),
                });
                if tag.value != demanded.value {
                    conflicts.insert((*folded).to_owned());
                    tag.value = demanded.value.clone().min(std::mem::take(&mut tag.value));
                }
                // Two grants may write the same key differently.
                if demanded.key < tag.key.as_str() {
                    demanded.key.clone_into(&mut tag.key);
                }
                tag.transitive |= demanded.transitive;
                tag.grants.push((*name).clone());
            }
        }
        for tag in conflicts.iter().filter_map(|folded| tags.get(folded)) {
            let field = format!("the tag {}", tag.key);
            rejections.push(Rejection::new(Kind::Conflict, field, tag.grants.clone()));
        }
        tags
    }

    /// The shortest maximum duration.
    pub(super) fn max_duration(&self) -> Option<Duration> {
        self.0.iter().filter_map(|(_, demand)| demand.max_duration).min()
    }

    /// The grants with a say in a choice that do not let a resource make it.
    pub(super) fn forbidding(&self, allows: impl Fn(&Choices) -> bool) -> Vec<GrantName> {
        self.grants(|demand| demand.choices.is_some_and(|choices| !allows(choices)))
    }
}
