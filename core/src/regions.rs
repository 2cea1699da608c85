//! Whether the operator calls STS in the region of a resource.

use crate::desired::{Desired, SignedRequest};
use crate::request::region::Regions;

impl Desired {
    /// The same desired state. If the operator does not allow its region, or if the region belongs to another partition
    /// of AWS than an ARN of the request, the request is replaced by that error. The hash of the request stays the
    /// same: credentials that were issued for it remain valid until they expire.
    #[must_use]
    pub fn in_regions(self, regions: &Regions) -> Self {
        let region = self.region.as_deref();
        let request = self.request.and_then(|request| {
            regions.check(region, arns(&request))?;
            Ok(request)
        });
        Self { request, ..self }
    }
}

fn arns(request: &SignedRequest) -> Vec<&str> {
    [request.caller.arns(), request.operation.arns()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::region::ARN_FIELDS;
    use crate::testing::desired;
    use serde_json::{Value, json};

    const CN: &str = "arn:aws-cn:iam::123456789012:role/r";
    const CN_POLICY: &str = "arn:aws-cn:iam::aws:policy/ReadOnlyAccess";

    fn request(field: &str, request: Value) -> Value {
        json!({"assumeRole": null, field: request})
    }

    #[test]
    fn every_arn_of_a_request_counts() {
        let role = "arn:aws:iam::123456789012:role/r";
        let task = "arn:aws:iam::aws:policy/root-task/S3UnlockBucketPolicy";
        let provider = "arn:aws:iam::123456789012:saml-provider/p";
        let root = |principal: &str, task: &str| {
            let mut spec =
                request("assumeRoot", json!({"targetPrincipal": principal, "taskPolicyArn": task}));
            spec["identity"] = json!({"accessKeySecretRef": {"name": "keys"}});
            spec
        };
        let saml = |role: &str, provider: &str| {
            let assertion = json!({"name": "a", "key": "a"});
            request(
                "assumeRoleWithSAML",
                json!({
                    "roleArn": role, "principalArn": provider, "assertionSecretRef": assertion,
                }),
            )
        };
        let web = |role: &str| json!({"roleArn": role, "serviceAccountName": "a"});
        let mut web_policy = web(role);
        web_policy["policyArns"] = json!([CN_POLICY]);
        let mut saml_policy = saml(role, provider);
        saml_policy["assumeRoleWithSAML"]["policyArns"] = json!([CN_POLICY]);
        let mut federated =
            request("getFederationToken", json!({"name": "ab", "policyArns": [CN_POLICY]}));
        federated["identity"] = json!({"accessKeySecretRef": {"name": "keys"}});
        let rows = [
            ("role", json!({"assumeRole": {"roleArn": CN}})),
            ("hop", json!({"assumeRole": {"via": [{"roleArn": role}, {"roleArn": CN}]}})),
            ("policy", json!({"assumeRole": {"policyArns": [CN_POLICY]}})),
            ("web identity", request("assumeRoleWithWebIdentity", web(CN))),
            ("policy of a web identity", request("assumeRoleWithWebIdentity", web_policy)),
            ("SAML", saml(CN, provider)),
            ("SAML provider", saml(role, &provider.replace("aws", "aws-cn"))),
            ("policy of SAML", saml_policy),
            ("root", root("arn:aws-cn:iam::123456789012:root", task)),
            ("task", root("123456789012", &task.replace("arn:aws:", "arn:aws-cn:"))),
            ("policy of a federated user", federated),
            ("identity", json!({"identity": {"webIdentity": web(CN)}})),
        ];
        assert_eq!(rows.len(), ARN_FIELDS.len(), "a row for each field with an ARN");
        for (row, spec) in rows {
            let desired = desired(json!({"spec": spec}));
            assert!(desired.request.is_ok(), "{row}: {:?}", desired.request);
            let (hash, own) =
                (desired.request_hash.clone(), Regions::new(Some("eu-west-1".into()), []));
            let desired = desired.in_regions(&own);
            let error = desired.request.expect_err(row).to_string();
            assert!(error.contains("belongs to the AWS partition aws-cn"), "{row}: {error}");
            assert_eq!(desired.request_hash, hash, "{row}");
        }
        let all_right = desired(json!({})).in_regions(&Regions::new(Some("eu-west-1".into()), []));
        assert!(all_right.request.is_ok());
    }

    #[test]
    fn a_boundary_of_another_partition_is_found_too() {
        let grant = json!({"spec": {"session": {"policyArns": [CN_POLICY]}}});
        let desired = crate::testing::desired_with_grant(grant, json!({})).unwrap();
        let desired = desired.in_regions(&Regions::new(Some("eu-west-1".into()), []));
        assert!(desired.request.is_err());
    }
}
