//! The API server, as far as it stores the Secret: writes with preconditions, and the rules that they must keep.

use k8s_openapi::api::core::v1::Secret;

use super::properties::{Rule, must_stay};
use super::secret::StoredSecret;
use super::snapshot::Snapshot;
use super::world::World;
use crate::secret::{Manifest, SecretVersion};
use crate::testing::stored;

/// The precondition of a write does not hold.
pub(super) struct Conflict;

impl World {
    /// Server-side apply of the manifest, or of some keys of it. Returns the new resource version.
    pub(super) fn apply(
        &mut self,
        manifest: &Manifest,
        keys: impl Fn(&str) -> bool,
    ) -> Result<String, Conflict> {
        self.requests += 1;
        let mut wanted = stored(manifest);
        let current = self.secret.clone();
        let exists = current.as_ref().map(|current| current.version());
        let expected = (wanted.metadata.uid.take(), wanted.metadata.resource_version.take());
        let fits = match (&expected, &exists) {
            ((None, None), _) | ((None, Some(_)), None) => true,
            ((Some(uid), Some(version)), Some(exists)) => {
                (uid, version) == (&exists.uid, &exists.resource_version)
            }
            (_, _) => false,
        };
        if !fits {
            return Err(Conflict);
        }
        if !self.spec.granted {
            self.violate(Rule::NothingWhileDenied);
        }
        wanted.data.iter_mut().for_each(|data| data.retain(|key, _| keys(key)));
        let merged = self.merged(wanted, current.as_deref(), keys);
        self.check_replacement(current.as_deref(), &merged);
        if self.ghost.unwritten == merged.number {
            self.ghost.unwritten = None;
        }
        let version = merged.version().resource_version;
        self.secret = Some(Snapshot::secret(merged));
        Ok(version)
    }

    fn merged(
        &mut self,
        mut wanted: Secret,
        current: Option<&StoredSecret>,
        keys: impl Fn(&str) -> bool,
    ) -> StoredSecret {
        let uid = current.map_or_else(|| format!("secret-{}", self.version), |c| c.version().uid);
        if let Some(current) = current {
            let others = current.secret.metadata.labels.clone().unwrap_or_default();
            let labels = wanted.metadata.labels.get_or_insert_default();
            for (key, value) in others {
                labels.entry(key).or_insert(value);
            }
            let others = current.secret.data.clone().unwrap_or_default();
            let data = wanted.data.get_or_insert_default();
            data.extend(others.into_iter().filter(|(key, _)| !keys(key)));
        }
        wanted.metadata.uid = Some(uid);
        let version = current.map(|current| current.version().resource_version);
        wanted.metadata.resource_version.clone_from(&version);
        // An apply that changes nothing keeps the resource version.
        if current.is_none_or(|current| current.secret != wanted) {
            wanted.metadata.resource_version = Some(self.next_version());
        }
        StoredSecret::written(wanted)
    }

    fn check_replacement(&mut self, current: Option<&StoredSecret>, merged: &StoredSecret) {
        if merged.has_mixed_values() {
            self.violate(Rule::OneSetOfValues);
        }
        let Some(current) = current else { return };
        if current.is_foreign() {
            self.violate(Rule::ForeignSecretsAreNotTouched);
        }
        let issued_at =
            |number: Option<u32>| number.and_then(|n| self.issued(n)).map(|issued| issued.at);
        // Times are whole seconds: of two issues within one second, neither is newer.
        let another = issued_at(current.number) != issued_at(merged.number)
            && merged.number != self.ghost.extra;
        if !current.is_foreign() && !current.is_edited() && another && self.is_good(current.number)
        {
            self.violate(Rule::ValidSecretsAreNotReplaced);
        }
    }

    /// Deletes this version of the Secret.
    pub(super) fn delete(&mut self, version: &SecretVersion) -> Result<(), Conflict> {
        self.requests += 1;
        let Some(current) = self.secret.clone().filter(|s| s.version() == *version) else {
            return Err(Conflict);
        };
        if current.is_foreign() {
            self.violate(Rule::ForeignSecretsAreNotTouched);
        }
        if self.spec.granted {
            self.violate(Rule::ValidSecretsAreNotReplaced);
        }
        // Without its annotations, a new process may not know what it holds.
        if must_stay(self, &current) && !current.metadata_edited {
            self.violate(Rule::WithdrawnSecretsStay);
        }
        self.secret = None;
        Ok(())
    }
}
