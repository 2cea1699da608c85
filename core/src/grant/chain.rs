//! Walks through the chain of requested roles, and computes the parameters of each call.
//!
//! AWS fails a call that sets an inherited tag or source identity again. So a transitive tag and a source identity are
//! sent once, at the first role whose grants demand them.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::combined::{Combined, CombinedTag, Match};
use super::limits::{self, MOST_TAGS};
use super::name::GrantName;
use super::rejection::{Denial, Kind, Rejection};
use crate::fields::{Duration, folded, schema};
use crate::request::{RequestedRole, SessionOverrides, SessionParameters};
use crate::template::Context;

/// The parameters of each call, in the order of the requested roles.
///
/// # Errors
/// [`Denial`] if the grants that match do not allow the request.
pub(super) fn parameters(
    requested: &[RequestedRole<'_>],
    matches: &[Vec<Match<'_>>],
    context: Context<'_>,
) -> Result<Vec<SessionParameters>, Denial> {
    let (mut chain, mut parameters, mut rejections) = (Chain::default(), Vec::new(), Vec::new());
    for (requested, matches) in requested.iter().zip(matches) {
        let mut step = Vec::new();
        match Combined::of(matches, context) {
            Ok(combined) => parameters.push(chain.step(requested, &combined, &mut step)),
            Err(rejection) => step.push(rejection),
        }
        rejections.push((requested.role, step));
    }
    match Denial::of(context.namespace, &rejections) {
        Some(denial) => Err(denial),
        None => Ok(parameters),
    }
}

/// What earlier calls of the chain have set.
#[derive(Default)]
struct Chain {
    source_identity: Option<Set>,
    /// Tags that grants set, by folded key.
    tags: BTreeMap<String, Set>,
}

/// A value that an earlier call has set.
struct Set {
    value: String,
    /// Whether later sessions inherit it.
    inherited: bool,
    /// The grants that demand it.
    grants: Vec<GrantName>,
}

/// One role of the chain.
struct Step<'a> {
    combined: &'a Combined<'a>,
    rejections: &'a mut Vec<Rejection>,
}

impl Step<'_> {
    fn reject(&mut self, kind: Kind, text: impl Into<String>, grants: Vec<GrantName>) {
        self.rejections.push(Rejection::new(kind, text.into(), grants));
    }

    /// Checks a value that the resource chooses. `enforced` is the value that the grants set, and `forbidding` are the
    /// grants that do not let the resource choose one. Returns the value of the resource if it is to be sent.
    fn choice(
        &mut self,
        (what, field): (&str, &str),
        chosen: Option<&str>,
        enforced: Option<(&str, Vec<GrantName>)>,
        forbidding: Vec<GrantName>,
    ) -> Option<String> {
        match (chosen?, enforced) {
            (chosen, Some((enforced, _))) if chosen == enforced => None,
            (_, Some((_, setting))) => {
                let text = format!("the grants set a different {what}: remove {field}");
                self.reject(Kind::Violation, text, setting);
                None
            }
            (_, None) if !forbidding.is_empty() => {
                let text = format!(
                    "the grants do not let a resource choose its {what}: remove {field}, or ask the platform team to allow {field} in session.tenantMaySet"
                );
                self.reject(Kind::Violation, text, forbidding);
                None
            }
            (chosen, None) => Some(chosen.to_owned()),
        }
    }

    /// Rejects a value that the grants set and STS does not accept.
    fn limit(&mut self, message: Option<String>, grants: impl FnOnce() -> Vec<GrantName>) {
        if let Some(message) = message {
            self.reject(Kind::Violation, message, grants());
        }
    }
}

impl Chain {
    fn step(
        &mut self,
        requested: &RequestedRole<'_>,
        combined: &Combined<'_>,
        rejections: &mut Vec<Rejection>,
    ) -> SessionParameters {
        let mut step = Step { combined, rejections };
        let overrides = requested.overrides.as_ref();
        let external_id = external_id(&mut step, requested.external_id);
        let forbidding = combined.forbidding(|choices| choices.session_name);
        let session_name = ("session name", "sessionName");
        step.choice(session_name, requested.session_name, None, forbidding);
        let source_identity =
            self.source_identity(&mut step, overrides.and_then(|own| own.source_identity));
        let (tags, transitive_tag_keys) = self.tags(&mut step, overrides);
        SessionParameters {
            duration: overrides.map(|own| duration(&mut step, own)),
            external_id,
            source_identity,
            tags,
            transitive_tag_keys,
            // A boundary would prevent a hop from assuming the next role.
            policy_arns: overrides.map(|own| policies(&mut step, own)).unwrap_or_default(),
        }
    }

    fn source_identity(&mut self, step: &mut Step<'_>, chosen: Option<&str>) -> Option<String> {
        let demanded = step.combined.agreed(
            "the source identity",
            |demand| demand.source_identity.as_deref(),
            step.rejections,
        );
        let grants = step.combined.grants(|demand| demand.source_identity.is_some());
        let mut sent = None;
        match (&mut self.source_identity, demanded) {
            (Some(set), Some(value)) => {
                let involved = [set.grants.clone(), grants.clone()].concat();
                if set.value != value {
                    step.reject(Kind::Conflict, "the source identity", involved.clone());
                }
                set.grants = involved;
            }
            (unset @ None, Some(value)) => {
                step.limit(limits::source_identity(value), || grants.clone());
                sent = Some(value.to_owned());
                *unset = Some(Set { value: value.to_owned(), inherited: true, grants });
            }
            (_, None) => {}
        }
        let enforced = self.source_identity.as_ref();
        let enforced = enforced.map(|set| (set.value.as_str(), set.grants.clone()));
        let forbidding = step.combined.forbidding(|choices| choices.source_identity);
        let what = ("source identity", "sourceIdentity");
        sent.or(step.choice(what, chosen, enforced, forbidding))
    }

    fn tags(
        &mut self,
        step: &mut Step<'_>,
        overrides: Option<&SessionOverrides<'_>>,
    ) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let demanded = step.combined.tags(step.rejections);
        let (mut tags, mut transitive) = (BTreeMap::new(), BTreeSet::new());
        for (folded, tag) in &demanded {
            if self.demand_tag(step, folded, tag) {
                tags.insert(tag.key.clone(), tag.value.clone());
                transitive.extend(tag.transitive.then(|| tag.key.clone()));
            }
        }
        if let Some(own) = overrides {
            self.own_tags(step, own, &demanded, &mut tags, &mut transitive);
        }
        let inherited = self.tags.iter().filter(|(folded, set)| {
            set.inherited && demanded.get(*folded).is_none_or(|tag| !tags.contains_key(&tag.key))
        });
        let all = tags.len() + inherited.count();
        if all > MOST_TAGS {
            let text = format!(
                "together with the tags of the grants, the session would have {all} tags, but STS accepts at most {MOST_TAGS}: remove some tags"
            );
            step.reject(
                Kind::Violation,
                text,
                step.combined.grants(|demand| !demand.tags.is_empty()),
            );
        }
        (tags, transitive)
    }

    /// Records a tag that the grants demand. Returns whether to send it, which is unnecessary if the session inherits it.
    fn demand_tag(&mut self, step: &mut Step<'_>, folded: &str, tag: &CombinedTag) -> bool {
        step.limit(limits::tag(&tag.key, &tag.value), || tag.grants.clone());
        let Some(set) = self.tags.get_mut(folded) else {
            let (value, grants) = (tag.value.clone(), tag.grants.clone());
            self.tags.insert(folded.to_owned(), Set { value, inherited: tag.transitive, grants });
            return true;
        };
        set.grants.extend(tag.grants.iter().cloned());
        if set.value != tag.value {
            step.reject(Kind::Conflict, format!("the tag {}", tag.key), set.grants.clone());
        }
        let is_sent = !set.inherited;
        set.inherited |= tag.transitive;
        is_sent
    }

    /// Adds the tags of the resource.
    fn own_tags(
        &self,
        step: &mut Step<'_>,
        own: &SessionOverrides<'_>,
        demanded: &BTreeMap<String, CombinedTag>,
        tags: &mut BTreeMap<String, String>,
        transitive: &mut BTreeSet<String>,
    ) {
        let mut forbidden = (Vec::new(), Vec::new());
        for (key, value) in own.tags {
            let folded = folded(key);
            let is_transitive = own.transitive_tag_keys.contains(key);
            let set = self.tags.get(&folded);
            let is_enforced =
                demanded.contains_key(&folded) || set.is_some_and(|set| set.inherited);
            let forbidding = step.combined.forbidding(|choices| choices.tag(key));
            match set {
                Some(set) if set.value != *value => {
                    let set_key = demanded.get(&folded).map_or(&folded, |tag| &tag.key);
                    let text = format!("the grants set the tag {set_key}: remove {key} from tags");
                    step.reject(Kind::Violation, text, set.grants.clone());
                }
                Some(set) if is_enforced => {
                    // The grants demand it for this session only, unless it is inherited.
                    let kept = demanded.get(&folded).filter(|_| is_transitive && !set.inherited);
                    if kept.is_some() && !forbidding.is_empty() {
                        let text = format!(
                            "the grants do not let a resource make the tag {key} transitive: remove {key} from transitiveTagKeys, or ask the platform team to allow tags/{key} in session.tenantMaySet"
                        );
                        step.reject(Kind::Violation, text, forbidding);
                    } else {
                        transitive.extend(kept.map(|tag| tag.key.clone()));
                    }
                }
                Some(_) | None if !forbidding.is_empty() => {
                    forbidden.0.push(key.as_str());
                    forbidden.1.extend(forbidding);
                }
                Some(_) | None => {
                    tags.insert(key.clone(), value.clone());
                    transitive.extend(is_transitive.then(|| key.clone()));
                }
            }
        }
        let (keys, forbidding) = forbidden;
        if let Some(first) = keys.first() {
            let text = format!(
                "the grants do not let a resource choose these tags: remove {} from tags, or ask the platform team to allow tags/{first} in session.tenantMaySet",
                keys.join(", ")
            );
            step.reject(Kind::Violation, text, forbidding);
        }
    }
}

fn external_id(step: &mut Step<'_>, chosen: Option<&str>) -> Option<String> {
    let demanded = step.combined.agreed(
        "the external ID",
        |demand| demand.external_id.as_deref(),
        step.rejections,
    );
    let setting = || step.combined.grants(|demand| demand.external_id.is_some());
    let enforced = demanded.map(|value| (value, setting()));
    if let Some((value, setting)) = &enforced {
        step.limit(limits::external_id(value), || setting.clone());
    }
    let forbidding = step.combined.forbidding(|choices| choices.external_id);
    let own = step.choice(("external ID", "externalId"), chosen, enforced, forbidding);
    demanded.map(str::to_owned).or(own)
}

fn duration(step: &mut Step<'_>, own: &SessionOverrides<'_>) -> Duration {
    let most = step.combined.max_duration();
    let Some(wanted) = own.duration else {
        return most.map_or(schema::one_hour(), |most| most.min(schema::one_hour()));
    };
    if let Some(most) = most.filter(|most| wanted > *most) {
        let text = format!(
            "the grants allow a duration of at most {most}, but the resource requests {wanted}: lower duration"
        );
        let shorter = |limit: Duration| limit < wanted;
        let limiting = step.combined.grants(|demand| demand.max_duration.is_some_and(shorter));
        step.reject(Kind::Violation, text, limiting);
    }
    wanted
}

fn policies(step: &mut Step<'_>, own: &SessionOverrides<'_>) -> Vec<String> {
    let boundary = step.combined.agreed(
        "the boundary (session.policyArns)",
        |demand| demand.boundary,
        step.rejections,
    );
    let Some(boundary) = boundary else { return own.policy_arns.to_vec() };
    // All session policies of a call together allow what any of them allows. A part of the boundary means to allow less,
    // which the whole boundary does not.
    let chosen: BTreeSet<_> = own.policy_arns.iter().collect();
    let is_same = chosen.is_empty() || chosen == boundary.iter().collect();
    if own.has_policy || !is_same {
        let text = "the grants set session policies as a boundary, so a resource may set none of its own: remove policy and policyArns";
        let setting = step.combined.grants(|demand| demand.boundary.is_some());
        step.reject(Kind::Violation, text, setting);
    }
    boundary.iter().cloned().collect()
}
