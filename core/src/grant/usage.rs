//! Grant usage: the number of resources that use each grant, or that it rejects.

use std::collections::HashMap;

use super::name::GrantName;
use crate::desired::Desired;
use crate::problem::Reason;

/// Namespace and name of a resource.
type Key = (String, String);

/// What a grant is for a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Use {
    /// The grant allows or constrains its request.
    Used,
    /// The grant rejects it: the resource sets what the grant does not allow.
    Rejected,
    /// The grant demands another value than another grant that matches it.
    Conflicting,
    /// The grant is invalid and matches it.
    Invalid,
}

impl Use {
    /// Every way in which a grant rejects a resource, with the reason that the resource reports.
    pub const REJECTIONS: [(Self, Reason); 3] = [
        (Self::Rejected, Reason::NotGranted),
        (Self::Conflicting, Reason::GrantConflict),
        (Self::Invalid, Reason::GrantInvalid),
    ];

    /// The grants of a resource.
    pub fn of(desired: &Desired) -> Vec<(GrantName, Self)> {
        let used = desired.grants.iter().map(|name| (name.clone(), Self::Used));
        let reason = desired.denied.as_ref().map(|problem| problem.reason);
        let rejection = Self::REJECTIONS.into_iter().find(|(_, of)| Some(*of) == reason);
        let rejected = rejection.into_iter().flat_map(|(rejection, _)| {
            desired.rejected_by.iter().map(move |name| (name.clone(), rejection))
        });
        used.chain(rejected).collect()
    }
}

/// The grants of each resource.
#[derive(Debug, Default)]
pub struct GrantUsage {
    grants: HashMap<Key, Vec<(GrantName, Use)>>,
    counts: HashMap<(GrantName, Use), u32>,
}

impl GrantUsage {
    /// Replaces the grants of a resource. Pass none if the resource is deleted. Returns the grants whose count of
    /// [`Use::Used`] changed.
    pub fn set(
        &mut self,
        namespace: &str,
        name: &str,
        mut now: Vec<(GrantName, Use)>,
    ) -> Vec<GrantName> {
        let key = (namespace.to_owned(), name.to_owned());
        now.sort();
        now.dedup();
        let before = self.grants.get(&key).cloned().unwrap_or_default();
        let (gone, new) = (without(&before, &now), without(&now, &before));
        for entry in &gone {
            if let Some(count) = self.counts.get_mut(entry) {
                *count -= 1;
                if *count == 0 {
                    self.counts.remove(entry);
                }
            }
        }
        for entry in &new {
            *self.counts.entry(entry.clone()).or_default() += 1;
        }
        if now.is_empty() {
            self.grants.remove(&key);
        } else {
            self.grants.insert(key, now);
        }
        let changed = [gone, new].concat().into_iter();
        changed.filter(|(_, usage)| *usage == Use::Used).map(|(name, _)| name).collect()
    }

    /// Number of resources for which a grant is this.
    pub fn count(&self, grant: &GrantName, usage: Use) -> u32 {
        self.counts.get(&(grant.clone(), usage)).copied().unwrap_or_default()
    }
}

fn without(all: &[(GrantName, Use)], these: &[(GrantName, Use)]) -> Vec<(GrantName, Use)> {
    all.iter().filter(|entry| !these.contains(entry)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_each_resource_once_for_each_grant() {
        let mut usage = GrantUsage::default();
        let names =
            |names: &[&str]| names.iter().map(|name| GrantName::from(*name)).collect::<Vec<_>>();
        let used = |of: &[&str]| names(of).into_iter().map(|name| (name, Use::Used)).collect();
        let counts = |usage: &GrantUsage, kind| {
            ["x", "y", "z"].map(|name| usage.count(&GrantName::from(name), kind))
        };
        assert_eq!(usage.set("n", "a", used(&["x", "y", "x"])), names(&["x", "y"]));
        assert_eq!(usage.set("n", "a", used(&["y", "x"])), names(&[]));
        assert_eq!(usage.set("n", "b", used(&["x"])), names(&["x"]));
        assert_eq!(counts(&usage, Use::Used), [2, 1, 0]);
        assert_eq!(usage.set("n", "a", used(&["z"])), names(&["x", "y", "z"]));
        assert_eq!(counts(&usage, Use::Used), [1, 0, 1]);
        let conflict = vec![(GrantName::from("x"), Use::Conflicting)];
        assert_eq!(usage.set("n", "b", conflict), names(&["x"]));
        assert_eq!(counts(&usage, Use::Used), [0, 0, 1]);
        assert_eq!(counts(&usage, Use::Conflicting), [1, 0, 0]);
        assert_eq!(usage.set("n", "b", vec![]), names(&[]), "no credentials used it");
        assert_eq!(usage.set("n", "a", vec![]), names(&["z"]));
        assert!(usage.counts.is_empty() && usage.grants.is_empty(), "nothing is kept");
    }
}
