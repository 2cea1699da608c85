//! Tells grants that were deleted from grants that were lost.
//!
//! Kubernetes deletes all grants when their CustomResourceDefinition (CRD) is deleted. That revokes nothing. A grant was
//! deleted by a user only if the CRD under which it was seen still exists after its deletion. The UID shows whether it is
//! still the same CRD.

use std::collections::{HashMap, HashSet};

use crate::cluster::Definition;

/// The known grants, and the CRD under which each was last seen.
#[derive(Default)]
pub(super) struct Lineage {
    /// UID of the CRD that existed before the current list was requested.
    crd: String,
    /// The UID of their CRD, by name of the grant.
    known: HashMap<String, String>,
    /// Names of the grants in the current list, until it is complete.
    listed: HashSet<String>,
    /// Known grants that do not exist any more, and for which it is not decided whether they were deleted or lost.
    gone: HashSet<String>,
    /// Known grants that were lost. They stay in effect.
    lost: HashSet<String>,
}

/// What became of grants that do not exist any more.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Verdict {
    /// Names of the grants that were deleted.
    pub(super) deleted: Vec<String>,
    /// Names of the grants that were lost.
    pub(super) lost: Vec<String>,
}

impl Lineage {
    /// A new list begins, which was requested while this CRD existed.
    pub(super) fn begin(&mut self, crd: &str) {
        crd.clone_into(&mut self.crd);
        self.listed.clear();
    }

    /// A grant exists.
    pub(super) fn seen(&mut self, name: &str) {
        self.listed.insert(name.to_owned());
        self.gone.remove(name);
        self.lost.remove(name);
        self.known.insert(name.to_owned(), self.crd.clone());
    }

    /// A grant does not exist any more, or is being deleted.
    pub(super) fn gone(&mut self, name: &str) {
        self.listed.remove(name);
        if self.known.contains_key(name) {
            self.gone.insert(name.to_owned());
        }
    }

    /// The list is complete: all other grants do not exist any more.
    pub(super) fn listed(&mut self) {
        let listed = std::mem::take(&mut self.listed);
        let gone = self.known.keys().filter(|name| !listed.contains(*name));
        self.gone.extend(gone.cloned());
    }

    /// All grants do not exist any more, or are being deleted.
    pub(super) fn all_gone(&mut self) {
        self.gone.extend(self.known.keys().cloned());
    }

    /// The grants to decide about.
    pub(super) fn undecided(&self) -> &HashSet<String> {
        &self.gone
    }

    /// Decides about these grants. `now` was read after they were gone. A grant that was created again in the meantime
    /// is neither deleted nor lost.
    pub(super) fn decide(&mut self, names: &HashSet<String>, now: &Definition) -> Verdict {
        let mut verdict = Verdict::default();
        for name in names {
            if !self.gone.remove(name) {
                continue;
            }
            let under = self.known.get(name);
            let same = under.is_some_and(|uid| *now == Definition::Exists(uid.clone()));
            if same {
                self.known.remove(name);
                self.lost.remove(name);
                verdict.deleted.push(name.clone());
            } else if self.lost.insert(name.clone()) {
                verdict.lost.push(name.clone());
            }
        }
        verdict
    }

    /// Number of grants that stay in effect although they do not exist.
    pub(super) fn kept(&self) -> usize {
        self.lost.union(&self.gone).count()
    }

    /// Forgets all grants, and returns their names: their list was not confirmed.
    pub(super) fn forget(&mut self) -> Vec<String> {
        let known = std::mem::take(self).known;
        known.into_keys().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exists(uid: &str) -> Definition {
        Definition::Exists(uid.to_owned())
    }

    /// These grants are listed under a CRD, and all that are gone are decided about.
    fn list(lineage: &mut Lineage, crd: &str, names: &[&str]) -> Verdict {
        lineage.begin(crd);
        names.iter().for_each(|name| lineage.seen(name));
        lineage.listed();
        decide(lineage, &exists(crd))
    }

    fn decide(lineage: &mut Lineage, now: &Definition) -> Verdict {
        let undecided = lineage.undecided().clone();
        let mut verdict = lineage.decide(&undecided, now);
        verdict.deleted.sort();
        verdict.lost.sort();
        verdict
    }

    fn verdict(deleted: &[&str], lost: &[&str]) -> Verdict {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Verdict { deleted: owned(deleted), lost: owned(lost) }
    }

    #[test]
    fn a_grant_is_deleted_only_if_its_crd_still_exists() {
        for (row, now, expected) in [
            ("the same CRD", exists("1"), verdict(&["a"], &[])),
            ("another CRD", exists("2"), verdict(&[], &["a"])),
            ("the CRD is being deleted", Definition::Terminating, verdict(&[], &["a"])),
            ("no CRD", Definition::Missing, verdict(&[], &["a"])),
        ] {
            let mut lineage = Lineage::default();
            assert_eq!(list(&mut lineage, "1", &["a", "b"]), Verdict::default());
            lineage.gone("a");
            assert_eq!(lineage.kept(), 1, "{row}: in effect until it is decided");
            assert_eq!(decide(&mut lineage, &now), expected, "{row}");
            assert_eq!(lineage.kept(), expected.lost.len(), "{row}");
            assert_eq!(decide(&mut lineage, &now), Verdict::default(), "{row}: decided once");
        }
    }

    #[test]
    fn a_list_decides_about_the_grants_that_it_does_not_contain() {
        let mut lineage = Lineage::default();
        list(&mut lineage, "1", &["a", "b"]);
        assert_eq!(list(&mut lineage, "1", &["b"]), verdict(&["a"], &[]));
        assert_eq!(list(&mut lineage, "2", &[]), verdict(&[], &["b"]));
        assert_eq!(list(&mut lineage, "2", &[]), Verdict::default(), "reported once");
        assert_eq!(lineage.kept(), 1);
    }

    #[test]
    fn a_lost_grant_that_is_applied_again_can_be_deleted() {
        let mut lineage = Lineage::default();
        list(&mut lineage, "1", &["a", "b"]);
        assert_eq!(list(&mut lineage, "2", &[]), verdict(&[], &["a", "b"]));
        lineage.seen("a");
        assert_eq!(lineage.kept(), 1, "b");
        lineage.gone("a");
        assert_eq!(decide(&mut lineage, &exists("2")), verdict(&["a"], &[]));
        assert_eq!(list(&mut lineage, "3", &["b"]), Verdict::default());
        assert_eq!(lineage.kept(), 0);
    }

    #[test]
    fn the_answer_is_not_about_grants_that_are_gone_since_or_exist_again() {
        let mut lineage = Lineage::default();
        list(&mut lineage, "1", &["a", "b", "c"]);
        lineage.gone("a");
        lineage.gone("b");
        let asked = lineage.undecided().clone();
        lineage.gone("c");
        lineage.seen("b");
        assert_eq!(lineage.decide(&asked, &exists("1")), verdict(&["a"], &[]));
        assert_eq!(decide(&mut lineage, &Definition::Terminating), verdict(&[], &["c"]));
    }

    #[test]
    fn all_grants_are_lost_with_their_crd_and_reported_once() {
        let mut lineage = Lineage::default();
        list(&mut lineage, "1", &["a", "b"]);
        for expected in [verdict(&[], &["a", "b"]), Verdict::default()] {
            lineage.all_gone();
            assert_eq!(decide(&mut lineage, &Definition::Missing), expected);
            assert_eq!(lineage.kept(), 2);
        }
    }

    #[test]
    fn an_unknown_grant_is_not_gone() {
        let mut lineage = Lineage::default();
        list(&mut lineage, "1", &["a"]);
        lineage.gone("b");
        assert!(lineage.undecided().is_empty());
        assert_eq!(lineage.forget(), ["a"]);
        assert_eq!(list(&mut lineage, "2", &[]), Verdict::default(), "nothing is known any more");
    }
}
