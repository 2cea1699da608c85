//! ARNs of roles: the operator accepts no text that STS would reject.

use proptest::prelude::*;
use proptest::sample::select;
use tempcred_core::request::arn::RoleArn;

use crate::budget;
use crate::input::{Change, changed, changes, is_one_line, junk};

fn part(valid: impl Strategy<Value = String> + 'static) -> BoxedStrategy<String> {
    prop_oneof![12 => valid, 1 => junk()].boxed()
}

fn arn() -> impl Strategy<Value = String> {
    let partition = select(vec!["aws", "aws-cn", "aws-us-gov", "aws-iso-b", "aws-", "awsx", "gcp"]);
    let resource = prop_oneof![
        4 => "role/[A-Za-z0-9_+=,.@-]{1,64}",
        3 => "role(/[!-.0-~]{1,20}){1,4}/[A-Za-z0-9_+=,.@-]{1,65}",
        1 => "role/[!-~]{480,560}/[a-z]{1,64}",
        1 => "(user|group|assumed-role|role)/[!-~]{0,70}",
    ];
    let parts = (
        part(Just("arn".to_owned())),
        part(partition.prop_map(str::to_owned)),
        part(select(vec!["iam", "sts"]).prop_map(str::to_owned)),
        part(Just(String::new())),
        part("[0-9]{11,13}".prop_map(|digits| digits)),
        part(resource),
    );
    parts.prop_map(|(a, b, c, d, e, f)| format!("{a}:{b}:{c}:{d}:{e}:{f}"))
}

/// The rules of the IAM API reference for ARNs, and for the path and the name of a role. Written independently
/// of the operator's own parser, and limited to roles that can exist.
fn sts_takes(text: &str) -> bool {
    let mut fields = text.split(':');
    let mut next = || fields.next().unwrap_or_default();
    let (arn, partition, service, region, account) = (next(), next(), next(), next(), next());
    let resource = fields.collect::<Vec<_>>().join(":");
    let words: Vec<&str> = partition.split('-').collect();
    let (path, name) = resource.rsplit_once('/').unwrap_or_default();
    let path = path.strip_prefix("role").map(|path| format!("{path}/")).unwrap_or_default();
    arn == "arn"
        && words[0] == "aws"
        && words.iter().all(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase()))
        && (service, region) == ("iam", "")
        && account.len() == 12
        && account.chars().all(|c| c.is_ascii_digit())
        && path.starts_with('/')
        // No role has an empty segment, or one of dots.
        && !["//", "/./", "/../"].iter().any(|step| path.contains(step))
        && ![".", ".."].contains(&name)
        && path.len() <= 512
        && path.chars().all(|c| ('!'..='~').contains(&c))
        && (1..=64).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c))
}

fn check((arn, changes): (String, Vec<Change>)) -> Result<(), TestCaseError> {
    let text = changed(&arn, &changes);
    match RoleArn::try_from(text.as_str()) {
        Ok(arn) => {
            prop_assert!(sts_takes(&text), "took {text:?}");
            prop_assert!(text.len() <= 2048 && text.is_ascii() && is_one_line(&text));
            prop_assert_eq!(arn.as_str(), &text);
            prop_assert_eq!(arn.to_string(), text.as_str());
            prop_assert_eq!(serde_json::to_value(&arn).unwrap(), text.as_str());
            prop_assert_eq!(RoleArn::try_from(arn.as_str()).ok(), Some(arn));
        }
        Err(invalid) => {
            prop_assert!(!sts_takes(&text) || text.len() > 2048, "refused {text:?}");
            let message = invalid.to_string();
            prop_assert!(message.len() < 1200 && is_one_line(&message), "{message:?}");
        }
    }
    Ok(())
}

#[test]
fn a_role_arn_is_accepted_only_if_sts_accepts_it() {
    budget::run("arn", (arn(), changes()), check);
}
