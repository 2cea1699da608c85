//! The limits of STS for the values that grants set. From the STS API reference.

/// Largest number of session tags that STS accepts.
pub(super) const MOST_TAGS: usize = 50;

/// A message if STS would reject this external ID.
pub(super) fn external_id(value: &str) -> Option<String> {
    check("the external ID", value, (2, 1224), |c| is_ascii(c, "_+=,.@:/-"))
}

/// A message if STS would reject this source identity.
pub(super) fn source_identity(value: &str) -> Option<String> {
    check("the source identity", value, (2, 64), |c| is_ascii(c, "_+=,.@-"))
}

/// A message if STS would reject this value of a tag.
pub(super) fn tag(key: &str, value: &str) -> Option<String> {
    check(&format!("the tag {key}"), value, (0, 256), |c| {
        c.is_alphanumeric() || c.is_whitespace() && !c.is_control() || "_.:/=+@-".contains(c)
    })
}

fn is_ascii(c: char, more: &str) -> bool {
    c.is_ascii_alphanumeric() || more.contains(c)
}

fn check(
    what: &str,
    value: &str,
    (least, most): (usize, usize),
    fits: impl Fn(char) -> bool,
) -> Option<String> {
    let length = value.chars().count();
    if !(least..=most).contains(&length) {
        Some(format!(
            "{what} that the grants set would have {length} characters, but STS accepts {least} to {most}: use another name for the resource, or ask the platform team to change the grants"
        ))
    } else if !value.chars().all(fits) {
        Some(format!(
            "{what} that the grants set would contain characters that STS does not accept: ask the platform team to change the grants or the operator's --cluster-name"
        ))
    } else {
        None
    }
}
