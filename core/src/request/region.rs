//! Regions and partitions of AWS. The ARNs of a request must belong to the partition of its region.

use std::fmt::Write as _;

use super::invalid::InvalidRequest;

/// The beginning of the names of regions, and the partition of these regions. Every other region belongs to
/// [`DEFAULT_PARTITION`], as in the AWS SDKs.
const PARTITIONS: &[(&str, &str)] = &[
    ("cn-", "aws-cn"),
    ("us-gov-", "aws-us-gov"),
    ("us-iso-", "aws-iso"),
    ("us-isob-", "aws-iso-b"),
    ("eu-isoe-", "aws-iso-e"),
    ("us-isof-", "aws-iso-f"),
    ("eusc-", "aws-eusc"),
    // The pseudo regions for global endpoints, which only the operator can have.
    ("aws-cn-", "aws-cn"),
    ("aws-us-gov-", "aws-us-gov"),
    ("aws-iso-b-", "aws-iso-b"),
    ("aws-iso-e-", "aws-iso-e"),
    ("aws-iso-f-", "aws-iso-f"),
    ("aws-iso-", "aws-iso"),
    ("aws-eusc-", "aws-eusc"),
];

/// The partition of all other regions.
const DEFAULT_PARTITION: &str = "aws";

/// The fields of the spec that contain ARNs. `[]` stands for each element of a list.
pub(crate) const ARN_FIELDS: &[&str] = &[
    "assumeRole.roleArn",
    "assumeRole.via[].roleArn",
    "assumeRole.policyArns[]",
    "assumeRoleWithWebIdentity.roleArn",
    "assumeRoleWithWebIdentity.policyArns[]",
    "assumeRoleWithSAML.roleArn",
    "assumeRoleWithSAML.principalArn",
    "assumeRoleWithSAML.policyArns[]",
    "assumeRoot.targetPrincipal",
    "assumeRoot.taskPolicyArn",
    "getFederationToken.policyArns[]",
    "identity.webIdentity.roleArn",
];

/// Message of [`partition_rule`].
pub const PARTITION_MESSAGE: &str = "every ARN must belong to the AWS partition of region, which is aws-cn for cn-*, aws-us-gov for us-gov-* and aws for most others: change region, or the ARNs";

/// The partition of a region.
pub fn partition_of(region: &str) -> &'static str {
    let found = PARTITIONS.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or(DEFAULT_PARTITION, |(_, partition)| partition)
}

/// CEL rule for the spec: every ARN belongs to the partition of `region`, if `region` is set.
pub fn partition_rule() -> String {
    let mut rule = "!has(self.region) || [".to_owned();
    for (prefix, partition) in PARTITIONS.iter().filter(|(prefix, _)| !prefix.starts_with("aws-")) {
        // Writing to a String does not fail.
        let _ = write!(rule, "self.region.startsWith('{prefix}') ? 'arn:{partition}:' : ");
    }
    let _ = write!(rule, "'arn:{DEFAULT_PARTITION}:'].all(partition");
    for field in ARN_FIELDS {
        let _ = write!(
            rule,
            "{} {}",
            if rule.ends_with("partition") { "," } else { " &&" },
            has(field)
        );
    }
    rule + ")"
}

/// CEL: if this field is set, its ARNs begin with the variable `partition`. The principal of AssumeRoot can also be an
/// account, which is in any partition.
fn has(field: &str) -> String {
    let begins = |text: &str| match field {
        "assumeRoot.targetPrincipal" => {
            format!("(!{text}.startsWith('arn:') || {text}.startsWith(partition))")
        }
        _ => format!("{text}.startsWith(partition)"),
    };
    let (parent, element) = match field.split_once("[]") {
        Some((list, rest)) => (list, Some(rest)),
        None => (field, None),
    };
    let mut rule = "(".to_owned();
    let ends = parent.match_indices('.').map(|(at, _)| at).chain([parent.len()]);
    for end in ends {
        let _ = write!(rule, "!has(self.{}) || ", &parent[..end]);
    }
    let _ = match element {
        Some(rest) => write!(rule, "self.{parent}.all(arn, {})", begins(&format!("arn{rest}"))),
        None => write!(rule, "{}", begins(&format!("self.{parent}"))),
    };
    rule + ")"
}

/// The regions in which the operator calls STS.
#[derive(Clone, Debug, Default)]
pub struct Regions {
    own: Option<String>,
    allowed: Vec<String>,
}

impl Regions {
    /// `own` is the region for resources that set none. `allowed` are the regions that a resource may set besides it.
    /// If `allowed` is empty, a resource may set any region.
    pub fn new(own: Option<String>, allowed: impl IntoIterator<Item = String>) -> Self {
        Self { own, allowed: allowed.into_iter().collect() }
    }

    /// The region for resources that set none.
    pub fn own(&self) -> Option<&str> {
        self.own.as_deref()
    }

    /// Checks the region that a spec sets, and the ARNs of its request.
    ///
    /// # Errors
    /// `RegionNotAllowed`, or `Partition` for the first ARN of another partition than the region.
    pub fn check<'a>(
        &self,
        region: Option<&str>,
        arns: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), InvalidRequest> {
        if let Some(region) = region
            && !self.allows(region)
        {
            return Err(InvalidRequest::RegionNotAllowed {
                region: region.to_owned(),
                allowed: self.all_allowed().join(", "),
            });
        }
        // Without a region, no request is made.
        let Some(used) = region.or(self.own()) else { return Ok(()) };
        let expected = partition_of(used);
        let found = arns.into_iter().find_map(|arn| {
            let partition = arn.strip_prefix("arn:")?.split(':').next()?;
            (partition != expected).then_some((arn, partition))
        });
        let Some((arn, partition)) = found else { return Ok(()) };
        Err(InvalidRequest::Partition {
            // An ARN has up to 2048 characters, and its beginning identifies it.
            arn: arn.chars().take(80).collect(),
            partition: partition.chars().take(80).collect(),
            region: used.to_owned(),
            expected,
            which: if region.is_some() { "spec.region" } else { "the operator's region" },
        })
    }

    fn allows(&self, region: &str) -> bool {
        self.allowed.is_empty() || self.all_allowed().contains(&region)
    }

    fn all_allowed(&self) -> Vec<&str> {
        let own = self.own().filter(|own| !self.allowed.iter().any(|region| region == own));
        own.into_iter().chain(self.allowed.iter().map(String::as_str)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::crds;
    use proptest::prelude::*;
    use serde_json::{Value, json};
    use std::collections::BTreeSet;

    #[test]
    fn every_region_has_a_partition() {
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("us-east-1", "aws"),
            ("mx-central-1", "aws"),
            ("xx-new-1", "aws"),
            ("aws-global", "aws"),
            ("local", "aws"),
            ("cn-north-1", "aws-cn"),
            ("aws-cn-global", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("aws-iso-global", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("aws-iso-b-global", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
        ] {
            assert_eq!(partition_of(region), partition, "{region}");
        }
    }

    /// The fields of a schema whose pattern is that of an ARN.
    fn arns(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
        if schema["pattern"].as_str().is_some_and(|pattern| pattern.contains("arn:aws")) {
            found.insert(path.to_owned());
        }
        if schema["items"].is_object() {
            arns(&format!("{path}[]"), &schema["items"], found);
        }
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let dot = if path.is_empty() { "" } else { "." };
            arns(&format!("{path}{dot}{name}"), field, found);
        }
    }

    #[test]
    fn the_rule_covers_every_arn_of_the_spec() {
        let crd = serde_json::to_value(&crds()[0]).unwrap();
        let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        let mut found = BTreeSet::new();
        arns("", &schema["properties"]["spec"], &mut found);
        assert_eq!(found, ARN_FIELDS.iter().map(|&field| field.to_owned()).collect());
        let rules = schema["properties"]["spec"]["x-kubernetes-validations"].to_string();
        assert!(rules.contains(&json!(partition_rule()).to_string()), "{rules}");
    }

    #[test]
    fn an_arn_of_another_partition_is_rejected_with_the_region_that_counts() {
        let regions = |own: &str| Regions::new(Some(own.to_owned()), []);
        let (aws, cn) = ("arn:aws:iam::1:role/a", "arn:aws-cn:iam::1:role/a");
        let gov = "arn:aws-us-gov:iam::1:role/a";
        for (row, own, region, arns, says) in [
            ("same as the spec's", "cn-north-1", Some("eu-west-1"), &[aws][..], None),
            ("same as the operator's", "cn-north-1", None, &[cn], None),
            ("no ARN", "cn-north-1", None, &["123456789012"], None),
            ("no request for AWS", "cn-north-1", None, &[], None),
            (
                "another than the spec's",
                "eu-west-1",
                Some("cn-north-1"),
                &[aws],
                Some("spec.region"),
            ),
            (
                "another than the operator's",
                "eu-west-1",
                None,
                &[cn],
                Some("the operator's region"),
            ),
            ("the last of several", "eu-west-1", None, &[aws, aws, gov], Some("aws-us-gov")),
        ] {
            let error = regions(own).check(region, arns.iter().copied()).err();
            let error = error.map(|error| error.to_string());
            match says {
                None => assert_eq!(error, None, "{row}"),
                Some(says) => {
                    assert!(error.as_ref().is_some_and(|e| e.contains(says)), "{row}: {error:?}")
                }
            }
        }
        assert_eq!(Regions::default().check(None, [aws, cn]), Ok(()), "no region, no request");
    }

    #[test]
    fn only_allowed_regions_may_be_set_and_the_operators_own_is_one_of_them() {
        let some = Regions::new(Some("eu-west-1".to_owned()), ["us-east-1".to_owned()]);
        let any = Regions::new(Some("eu-west-1".to_owned()), []);
        for (row, regions, region, ok) in [
            ("one of them", &some, Some("us-east-1"), true),
            ("the operator's own, written out", &some, Some("eu-west-1"), true),
            ("none", &some, None, true),
            ("another", &some, Some("us-east-2"), false),
            ("a part of one", &some, Some("us-east-11"), false),
            ("any, if none is listed", &any, Some("us-east-2"), true),
        ] {
            assert_eq!(regions.check(region, []).is_ok(), ok, "{row}");
        }
        let error = some.check(Some("us-east-2"), []).unwrap_err().to_string();
        assert!(error.contains("us-east-2") && error.contains("eu-west-1, us-east-1"), "{error}");
    }

    proptest! {
        #[test]
        fn any_text_is_checked_without_a_panic(own in ".*", region in ".*", arn in ".*") {
            let regions = Regions::new(Some(own), []);
            if let Err(error) = regions.check(Some(&region), [arn.as_str()]) {
                prop_assert!(error.to_string().len() < 1200 + region.len());
            }
        }
    }
}
