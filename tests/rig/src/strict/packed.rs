//! A STAND-IN for the packed size of session policies and tags: the format of AWS is not public.
//!
//! It is calibrated with one public measurement: the six session tags of EKS Pod Identity, inherited by a chained
//! session, take 74 percent (<https://github.com/aws/containers-roadmap/issues/2413>), and tags add up. Policies count by
//! their limit in plain text. A test may rely on the order of sizes, not on figures near the limit.

use super::refusal::Refusal;
use super::session::Tags;

/// The characters of keys and values that fill the space.
const TAG_CHARACTERS: usize = 357;

/// The characters of policies that fill the space.
const POLICY_CHARACTERS: usize = 4096;

/// The used share of the space in percent. None without policies and tags.
pub(super) fn percent(tags: &Tags, policies: &[&str]) -> Result<Option<usize>, Refusal> {
    let of_tags: usize =
        tags.values().map(|tag| tag.key.chars().count() + tag.value.chars().count()).sum();
    let of_policies: usize = policies.iter().map(|policy| policy.chars().count()).sum();
    if of_tags + of_policies == 0 {
        return Ok(None);
    }
    let percent =
        (of_tags * 100).div_ceil(TAG_CHARACTERS) + (of_policies * 100).div_ceil(POLICY_CHARACTERS);
    if percent > 100 {
        let message = format!(
            "Packed size of session tags and policies consumes {percent}% of allotted space."
        );
        return Err(Refusal::new(400, "PackedPolicyTooLarge", message));
    }
    Ok(Some(percent))
}
