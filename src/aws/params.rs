//! Parameters that several calls share, in the types of the SDK.

use aws_sdk_sts::types::{PolicyDescriptorType, Tag};

/// ARNs of session policies in the type of the SDK. `None` if there are none, because the SDK would send an empty list
/// as an empty parameter.
pub(super) fn policy_arns<'a>(
    arns: impl IntoIterator<Item = &'a String>,
) -> Option<Vec<PolicyDescriptorType>> {
    let all: Vec<_> =
        arns.into_iter().map(|arn| PolicyDescriptorType::builder().arn(arn).build()).collect();
    Some(all).filter(|all| !all.is_empty())
}

/// Tags in the type of the SDK. `None` if there are none, for the same reason as in [`policy_arns`].
pub(super) fn tags<'a>(tags: impl IntoIterator<Item = (&'a str, &'a str)>) -> Option<Vec<Tag>> {
    let tag = |(key, value)| Tag::builder().key(key).value(value).build().ok();
    let all: Vec<_> = tags.into_iter().filter_map(tag).collect();
    Some(all).filter(|all| !all.is_empty())
}
