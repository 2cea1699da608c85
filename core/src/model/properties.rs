//! What must hold in every state.

use stateright::Property;

use super::Model;
use super::process::{Script, reconcile};
use super::secret::StoredSecret;
use super::world::{World, number};
use crate::api::CredentialStatus;
use crate::plan::WithdrawnSecrets;
use crate::problem::Reason;
use crate::secret::annotation;

macro_rules! rules {
    ($($(#[doc = $doc:literal])* $rule:ident, $name:literal;)*) => {
        /// A rule that is checked while the world changes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub(super) enum Rule { $($(#[doc = $doc])* $rule,)* }

        impl Rule {
            /// Its name as a property.
            pub(super) const fn name(self) -> &'static str {
                match self { $(Self::$rule => $name,)* }
            }
        }

        /// Every property.
        pub(super) fn properties() -> Vec<Property<Model>> {
            vec![
                $(Property::always($name, |_, world: &World| !world.ghost.violated.contains(&Rule::$rule)),)*
                Property::always(CONVERGES, |model: &Model, world| converges(model, world)),
            ]
        }
    };
}

rules! {
    IssuesOnce, "STS is not called while the Secret holds credentials that match, are not due and were not asked to be renewed";
    PendingIsWrittenFirst, "STS is not called while usable credentials are pending";
    NoCallForAForeignSecret, "STS is not called for a Secret that belongs to something else";
    NothingWhileDenied, "nothing is issued or written while no grant allows it";
    NoAttemptBeforeItsTime, "no attempt is made before its time";
    CallsWait, "two calls that a user causes are some seconds apart";
    OneSetOfValues, "a Secret never holds values of two credentials";
    ForeignSecretsAreNotTouched, "a foreign Secret is never written or deleted";
    WithdrawnSecretsStay, "a withdrawn Secret stays until its credentials expire, unless it is to be removed at once";
    ValidSecretsAreNotReplaced, "valid credentials are neither replaced nor deleted";
    FailuresAreCountedOnce, "each failed attempt is counted once, and nothing else is";
    SuccessEndsAFailure, "a success ends the failure";
    ReadyIsTrue, "Ready is true only while the Secret holds unexpired credentials that match";
}

/// The name of the property that is checked by running on from a state.
pub(super) const CONVERGES: &str =
    "once faults stop, everything is as desired within two minutes, and then nothing is requested";

/// Checks a status that a reconciliation computed. `failed` says whether an attempt failed.
pub(super) fn check_status(
    world: &mut World,
    before: &CredentialStatus,
    after: &CredentialStatus,
    (succeeded, failed): (bool, bool),
) {
    let count = |status: &CredentialStatus| status.failure.as_ref().map_or(0, |f| f.count);
    let counted = count(after).saturating_sub(count(before));
    if counted > u32::from(failed) {
        world.violate(Rule::FailuresAreCountedOnce);
    }
    if succeeded && after.failure.is_some() {
        world.violate(Rule::SuccessEndsAFailure);
    }
    if after.readiness().is_some_and(|ready| ready.ready) && !is_ready(world, after) {
        world.violate(Rule::ReadyIsTrue);
    }
}

fn is_ready(world: &World, status: &CredentialStatus) -> bool {
    let number = status.access_key_id.as_deref().and_then(number);
    let Some(issued) = number.and_then(|number| world.issued(number)) else { return false };
    let valid = issued.expires() > world.now
        && issued.request_hash == world.process.desired_request_hash
        && world.process.was_granted;
    // If the status is about the version that the API server has, it must hold what the status says.
    let version = status.secret.as_ref().map(|secret| &secret.resource_version);
    let current = world.secret.as_ref().filter(|s| Some(&s.version().resource_version) == version);
    valid && current.is_none_or(|s| s.number == number && !s.all_values_edited)
}

/// How many seconds may pass until everything is as desired: few failures have added up to a longer backoff, and
/// the next renewal, which would repair anything, is further away.
const LONGEST: i64 = 120;

/// How many seconds may pass until a resource is reconciled again, whatever happens.
const LONGEST_WAIT: i64 = 60;

/// Whether everything becomes as desired once nothing goes wrong any more, and then stays silent.
fn converges(model: &Model, world: &World) -> bool {
    let end = world.now + LONGEST;
    let mut world = world.clone();
    while world.now <= end {
        world.deliver();
        world = reconcile(&world, Script::faultless(model.bug)).unwrap();
        world.deliver();
        if is_as_desired(&world) {
            let again = reconcile(&world, Script::faultless(model.bug)).unwrap();
            let reads = u32::from(is_read_each_time(&world));
            return again.requests <= reads && is_as_desired(&again);
        }
        let timer = world.process.timer.unwrap_or(i64::MAX);
        world.now = timer.clamp(world.now + 1, world.now + LONGEST_WAIT);
    }
    false
}

/// Whether each reconciliation reads the Secret. The watch does not show one that lost its label, and a suspended or
/// denied one stays as it is. Of a denied one without annotations, a new process does not learn what it holds.
fn is_read_each_time(World { spec, secret, .. }: &World) -> bool {
    let hidden = secret.as_ref().is_some_and(|secret| !secret.is_in_watch());
    let edited = secret.as_ref().is_some_and(|secret| secret.metadata_edited);
    (hidden && (spec.suspended || !spec.granted)) || (edited && !spec.granted)
}

/// Whether a withdrawn Secret holds unexpired credentials and must stay.
pub(super) fn must_stay(world: &World, secret: &StoredSecret) -> bool {
    let issued = secret.number.and_then(|number| world.issued(number));
    let unexpired = issued.is_some_and(|issued| issued.expires() > world.now);
    unexpired && world.spec.withdrawn == WithdrawnSecrets::Expire
}

fn is_as_desired(world: &World) -> bool {
    let (spec, status) = (&world.spec, &world.status);
    let ready = status.readiness().is_some_and(|ready| ready.ready);
    let fails_with = |reason: Reason| {
        status.failure.as_ref().is_some_and(|failure| failure.reason() == Some(reason))
    };
    if status.observed_generation != Some(spec.generation) {
        return false;
    }
    match &world.secret {
        secret if !spec.granted => {
            let stays = |secret: &StoredSecret| secret.is_foreign() || must_stay(world, secret);
            let gone = secret.as_deref().is_none_or(stays);
            gone && !ready && fails_with(Reason::NotGranted)
        }
        _ if spec.suspended => status.failure.is_none(),
        Some(secret) if secret.is_foreign() => !ready && fails_with(Reason::SecretConflict),
        Some(secret) => {
            let annotations = secret.secret.metadata.annotations.as_ref();
            let shape = annotations.and_then(|all| all.get(annotation::RENDER_HASH));
            let served = world.desired.renew_request.is_none()
                || status.last_renew_request == world.desired.renew_request;
            world.is_good(secret.number)
                && !secret.is_edited()
                && shape == Some(&world.desired.render_hash)
                && ready
                && status.failure.is_none()
                && served
        }
        None => false,
    }
}
