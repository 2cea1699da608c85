//! The parameters of a request.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::http::HttpRequest;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Received {
    /// Such as `AssumeRole`; empty if there was none.
    pub action: String,
    /// All parameters, the action included.
    pub form: BTreeMap<String, String>,
    /// The signer. None if it was not signed.
    pub signer: Option<Signer>,
    /// The session token that came with the signer's key, for a chained call.
    pub security_token: Option<String>,
    /// The user agent.
    pub user_agent: String,
    /// When it had arrived in full.
    pub at: Timestamp,
}

/// From the `Authorization` header. The signature itself is not checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    /// The key that signed.
    pub access_key_id: String,
    /// The region that it was signed for.
    pub region: String,
}

impl Received {
    pub(crate) fn new(request: &HttpRequest) -> Self {
        let form: BTreeMap<_, _> = form_urlencoded::parse(&request.body).into_owned().collect();
        let header = |name: &str| request.headers.get(name).cloned();
        Self {
            action: form.get("Action").cloned().unwrap_or_default(),
            form,
            signer: header("authorization").as_deref().and_then(Signer::parse),
            security_token: header("x-amz-security-token"),
            user_agent: header("user-agent").unwrap_or_default(),
            at: Timestamp::now(),
        }
    }

    /// What an AWS service asks for inside of AWS.
    pub(crate) fn of_service(role: &str, at: Timestamp) -> Self {
        Self {
            action: "AssumeRole".to_owned(),
            form: BTreeMap::from([("RoleArn".to_owned(), role.to_owned())]),
            signer: None,
            security_token: None,
            user_agent: String::new(),
            at,
        }
    }

    /// The role that is asked for.
    #[must_use]
    pub fn role_arn(&self) -> Option<&str> {
        self.form.get("RoleArn").map(String::as_str)
    }
}

impl Signer {
    /// Of `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/sts/aws4_request, …`.
    fn parse(header: &str) -> Option<Self> {
        let (_, scope) = header.split_once("Credential=")?;
        let mut parts = scope.split(',').next()?.split('/');
        let (key, _date, region) = (parts.next()?, parts.next()?, parts.next()?);
        Some(Self { access_key_id: key.to_owned(), region: region.to_owned() })
    }
}
