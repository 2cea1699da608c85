//! Judges the region and the endpoint of STS.

use tempcred_core::request::region::partition_of;

use super::environment::Environment;
use crate::commands::doctor::args::Doctor;
use crate::commands::doctor::check::{Check, Finding};

/// Where the SDK takes the region from, in its order.
const REGION_VARIABLES: &[&str] = &["AWS_REGION", "AWS_DEFAULT_REGION"];

/// Where the SDK takes the endpoint of STS from, in its order.
pub const ENDPOINT_VARIABLES: &[&str] = &["AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"];

/// Judges the region of the operator, which may be absent.
pub fn judge(args: &Doctor, region: Option<&str>, environment: &Environment) -> Vec<Finding> {
    let check = Check::Region;
    let Some(region) = region else {
        return vec![Finding::problem(
            check,
            "No AWS region is known. Resources that set no region are not served.",
            "Set --region (chart value settings.region), or AWS_REGION.",
        )];
    };
    let partition = partition_of(region);
    let origin = match (&args.region, environment.first(REGION_VARIABLES)) {
        (Some(_), _) if environment.get("TEMPCRED_REGION").is_some() => "TEMPCRED_REGION",
        (Some(_), _) => "--region",
        (None, Some((name, _))) => name,
        (None, None) => "the AWS profile or the instance metadata",
    };
    let custom = args.sts_endpoint.is_some() || environment.first(ENDPOINT_VARIABLES).is_some();
    let mut findings = vec![match looks_like_a_region(region) || custom {
        true => Finding::ok(
            check,
            format!("{region} (partition {partition}), from {origin}.{}", allowed(args)),
        ),
        false => Finding::warning(
            check,
            format!("{region}, from {origin}, does not look like a region of AWS."),
            "Set a region such as eu-central-1. An availability zone, such as eu-central-1a, is none.",
        ),
    }];
    let others: Vec<_> = args
        .allowed_regions
        .iter()
        .filter(|other| partition_of(other) != partition)
        .map(String::as_str)
        .collect();
    if !others.is_empty() {
        findings.push(Finding::warning(
            check,
            format!(
                "--allowed-regions contains regions of other partitions than {partition}: {}. The operator's identity does not exist there.",
                others.join(", ")
            ),
            "Remove them, unless resources use them with an identity of their own.",
        ));
    }
    findings
}

fn allowed(args: &Doctor) -> String {
    match &args.allowed_regions[..] {
        [] => " Resources may set any region.".to_owned(),
        regions => format!(" Resources may also set {}.", regions.join(", ")),
    }
}

/// Whether a text has the form of a region, such as `eu-central-1` or `us-gov-west-1`.
fn looks_like_a_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_word = |part: &&str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase());
    match &parts[..] {
        [words @ .., last] if words.len() >= 2 => {
            words.iter().all(is_word)
                && (*last == "global"
                    || (!last.is_empty() && last.bytes().all(|b| b.is_ascii_digit())))
        }
        _ => false,
    }
}

/// Judges the endpoint of STS. `used` is that of a request, if one was sent. `exchanges_token` says whether the SDK
/// exchanges a web identity token.
pub fn judge_endpoint(
    args: &Doctor,
    region: Option<&str>,
    used: Option<&str>,
    exchanges_token: bool,
    environment: &Environment,
) -> Vec<Finding> {
    let check = Check::Endpoint;
    let variable = environment.first(ENDPOINT_VARIABLES);
    let origin = match (&args.sts_endpoint, &variable) {
        (Some(_), _) if environment.get("TEMPCRED_STS_ENDPOINT").is_some() => {
            "TEMPCRED_STS_ENDPOINT"
        }
        (Some(_), _) => "--sts-endpoint",
        (None, Some((name, _))) => *name,
        (None, None) => "the default of the AWS SDK for the region",
    };
    let Some(used) = used else {
        return vec![Finding::skipped(check, "No request was sent to STS.")];
    };
    let mut findings = Vec::new();
    if used.starts_with("http://") && !is_loopback(used) {
        findings.push(Finding::warning(
            check,
            format!(
                "{used}, from {origin}, is not encrypted: credentials are readable on the network."
            ),
            "Use an https:// endpoint.",
        ));
    }
    if let (Some(of_endpoint), Some(region)) = (region_in(used), region)
        && of_endpoint != region
    {
        findings.push(Finding::warning(
            check,
            format!("{used}, from {origin}, is the endpoint of {of_endpoint}, but requests are signed for {region}. STS rejects them."),
            format!("Set the region to {of_endpoint}, or use the endpoint of {region}."),
        ));
    }
    if exchanges_token && args.sts_endpoint.is_some() && variable.is_none() {
        findings.push(Finding::warning(
            check,
            "The AWS SDK does not use --sts-endpoint to exchange the web identity token of the operator. It uses the regional endpoint of AWS.",
            "If only your own endpoint can be reached, set AWS_ENDPOINT_URL_STS too (chart value extraEnv).",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(check, format!("{used}, from {origin}.")));
    }
    findings
}

fn is_loopback(endpoint: &str) -> bool {
    let host = endpoint.trim_start_matches("http://");
    ["127.", "localhost", "[::1]"].iter().any(|local| host.starts_with(local))
}

/// The region in the name of an endpoint of AWS, such as `sts.eu-central-1.amazonaws.com`, or that of a VPC endpoint.
fn region_in(endpoint: &str) -> Option<&str> {
    let host = endpoint.split("://").nth(1)?.split(':').next()?;
    let mut labels = host.split('.').skip_while(|label| *label != "sts" && *label != "sts-fips");
    let region = labels.nth(1).filter(|label| looks_like_a_region(label))?;
    labels.any(|label| label.starts_with("amazonaws") || label == "vpce").then_some(region)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    #[test]
    fn the_region_and_its_origin_are_named() {
        let none = Environment::of(&[]);
        let variable = Environment::of(&[("AWS_DEFAULT_REGION", "eu-west-1")]);
        let region = ["--region", "eu-west-1"];
        for (row, flags, region, environment, level, part) in [
            ("none", &[][..], None, &none, Level::Problem, "No AWS region"),
            ("a flag", &region, Some("eu-west-1"), &variable, Level::Ok, "from --region"),
            ("a variable", &[], Some("eu-west-1"), &variable, Level::Ok, "from AWS_DEFAULT_REGION"),
            ("elsewhere", &[], Some("us-gov-west-1"), &none, Level::Ok, "aws-us-gov"),
            ("a zone", &[], Some("eu-west-1a"), &none, Level::Warning, "does not look like"),
            ("one word", &[], Some("local"), &none, Level::Warning, "does not look like"),
        ] {
            let findings = judge(&Doctor::of(flags), region, environment);
            assert_eq!(findings.len(), 1, "{row}");
            assert_eq!(findings[0].level, level, "{row}: {findings:?}");
            assert!(findings[0].message.contains(part), "{row}: {findings:?}");
        }
        let custom = Doctor::of(&["--sts-endpoint", "http://minio:9000"]);
        assert_eq!(judge(&custom, Some("local"), &none)[0].level, Level::Ok);
    }

    #[test]
    fn allowed_regions_of_another_partition_are_reported() {
        let none = Environment::of(&[]);
        let some = Doctor::of(&["--allowed-regions", "us-east-1,cn-north-1"]);
        let findings = judge(&some, Some("eu-west-1"), &none);
        assert!(findings[0].message.ends_with("may also set us-east-1, cn-north-1."));
        assert_eq!(findings[1].level, Level::Warning);
        assert!(findings[1].message.contains(": cn-north-1."), "{findings:?}");
        assert_eq!(
            judge(&Doctor::of(&["--allowed-regions", "us-east-1"]), Some("eu-west-1"), &none).len(),
            1
        );
    }

    #[test]
    fn an_endpoint_is_judged_by_its_address() {
        let none = Environment::of(&[]);
        let of_sdk = Environment::of(&[("AWS_ENDPOINT_URL_STS", "https://sts.internal")]);
        let own = ["--sts-endpoint", "https://sts.internal"];
        for (row, flags, used, token, environment, expected) in [
            ("regional", &[][..], "https://sts.eu-west-1.amazonaws.com", true, &none, None),
            (
                "of the VPC",
                &own,
                "https://vpce-1.sts.eu-west-1.vpce.amazonaws.com",
                false,
                &none,
                None,
            ),
            ("local", &own, "http://127.0.0.1:4566", false, &none, None),
            ("global", &own, "https://sts.amazonaws.com", false, &none, None),
            (
                "another region",
                &own,
                "https://sts.us-east-1.amazonaws.com",
                false,
                &none,
                Some("is the endpoint of us-east-1"),
            ),
            (
                "China",
                &own,
                "https://sts.cn-north-1.amazonaws.com.cn",
                false,
                &none,
                Some("cn-north-1"),
            ),
            ("plain", &own, "http://sts.internal", false, &none, Some("not encrypted")),
            (
                "only the flag",
                &own,
                "https://sts.internal",
                true,
                &none,
                Some("exchange the web identity token"),
            ),
            ("both", &own, "https://sts.internal", true, &of_sdk, None),
        ] {
            let findings = judge_endpoint(
                &Doctor::of(flags),
                Some("eu-west-1"),
                Some(used),
                token,
                environment,
            );
            assert_eq!(findings.len(), 1, "{row}: {findings:?}");
            let level = if expected.is_some() { Level::Warning } else { Level::Ok };
            assert_eq!(findings[0].level, level, "{row}: {findings:?}");
            assert!(findings[0].message.contains(expected.unwrap_or(used)), "{row}: {findings:?}");
        }
        let unused = judge_endpoint(&Doctor::of(&[]), None, None, false, &none);
        assert_eq!(unused[0].level, Level::Skipped);
    }
}
