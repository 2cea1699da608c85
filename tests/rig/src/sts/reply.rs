//! The replies of STS, as XML.

use std::collections::BTreeMap;
use std::fmt::Write;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jiff::Timestamp;

use super::fault::{Field, Plan, Shape};
use super::form::Received;
use super::http::Reply;
use super::issued::{self, IssuedRecord};
use super::state::State;
use super::xml::{self, NAMESPACE, element, escape, unique_id, wrap};
use crate::random;

/// The account of a caller without a role.
pub(super) const ACCOUNT: &str = "123456789012";

/// An error in the form of STS.
pub(super) fn error(status: u16, code: &str, message: &str) -> Reply {
    let kind = if status < 500 { "Sender" } else { "Receiver" };
    let (code, message, id) = (escape(code), escape(message), request_id());
    let body = format!(
        "<ErrorResponse xmlns=\"{NAMESPACE}\">\n  <Error>\n    <Type>{kind}</Type>\n    \
         <Code>{code}</Code>\n    <Message>{message}</Message>\n  </Error>\n  \
         <RequestId>{id}</RequestId>\n</ErrorResponse>\n"
    );
    Reply { status, body: body.into_bytes() }
}

/// The message of AWS if a trust policy does not allow the caller.
pub(super) fn access_denied(state: &State, request: &Received) -> Reply {
    let caller = state.caller(request);
    let action = &request.action;
    let resource = request.role_arn().map(|role| format!(" on resource: {role}"));
    let message = format!(
        "User: {caller} is not authorized to perform: sts:{action}{}",
        resource.unwrap_or_default()
    );
    error(403, "AccessDenied", &message)
}

/// The reply to a request.
pub(super) fn answer(state: &State, request: &Received, plan: &Plan) -> Reply {
    let form = &request.form;
    let get = |name: &str| form.get(name).map_or("", String::as_str);
    let call = Call { state, request, plan };
    match request.action.as_str() {
        "AssumeRole" | "AssumeRoleWithWebIdentity" | "AssumeRoleWithSAML" => call.assume_role(),
        "AssumeRoot" => {
            let account = account_of(get("TargetPrincipal"));
            let xml = call.credentials(900, &format!("arn:aws:iam::{account}:root"));
            call.result(&xml)
        }
        "GetSessionToken" => {
            let xml = call.credentials(43_200, &state.caller(request));
            call.result(&xml)
        }
        "GetFederationToken" => {
            let name = get("Name");
            let arn = format!("arn:aws:sts::{ACCOUNT}:federated-user/{name}");
            let mut xml = call.credentials(43_200, &arn);
            let id = format!("{ACCOUNT}:{name}");
            let user = element("FederatedUserId", &id) + &element("Arn", &arn);
            xml += &wrap("FederatedUser", &user);
            xml += &packed_policy_size(form);
            call.result(&xml)
        }
        "GetWebIdentityToken" => call.web_identity_token(),
        "GetCallerIdentity" => {
            let arn = state.caller(request);
            let xml = element("Arn", &arn)
                + &element("UserId", &unique_id("AIDA", &arn))
                + &element("Account", account_of(&arn));
            call.result(&xml)
        }
        other => {
            let message = format!("Could not find operation {other} for version 2011-06-15");
            error(400, "InvalidAction", &message)
        }
    }
}

struct Call<'a> {
    state: &'a State,
    request: &'a Received,
    plan: &'a Plan,
}

impl Call<'_> {
    fn assume_role(&self) -> Reply {
        let form = &self.request.form;
        let get = |name: &str| form.get(name).map_or("", String::as_str);
        let role = get("RoleArn");
        let name = role.rsplit('/').next().unwrap_or(role);
        if !role.starts_with("arn:") || !role.contains(":role/") {
            return error(400, "ValidationError", &format!("{role} is invalid"));
        }
        let session = form.get("RoleSessionName").map_or("saml-user", String::as_str);
        let arn = format!("arn:aws:sts::{}:assumed-role/{name}/{session}", account_of(role));
        let mut xml = self.credentials(3600, &arn);
        let id = format!("{}:{session}", unique_id("AROA", role));
        let user = element("AssumedRoleId", &id) + &element("Arn", &arn);
        xml += &wrap("AssumedRoleUser", &user);
        xml += &packed_policy_size(form);
        if let Some(source) = form.get("SourceIdentity") {
            xml += &element("SourceIdentity", source);
        }
        match self.request.action.as_str() {
            "AssumeRoleWithWebIdentity" => {
                let claims = claims(get("WebIdentityToken"));
                let text = |name: &str| claims[name].as_str().unwrap_or("unknown").to_owned();
                let audience = claims["aud"][0].as_str().map_or_else(|| text("aud"), str::to_owned);
                xml += &element("SubjectFromWebIdentityToken", &text("sub"));
                xml += &element("Provider", &text("iss"));
                xml += &element("Audience", &audience);
            }
            "AssumeRoleWithSAML" => {
                xml += &element("Subject", "saml-user");
                xml += &element("SubjectType", "persistent");
                xml += &element("Issuer", get("PrincipalArn"));
                xml += &element("Audience", "https://signin.aws.amazon.com/saml");
            }
            _ => {}
        }
        self.result(&xml)
    }

    fn web_identity_token(&self) -> Reply {
        let form = &self.request.form;
        let audiences: Vec<_> =
            form.iter().filter(|(key, _)| key.starts_with("Audience.")).map(|(_, v)| v).collect();
        let (now, expiration) = self.times(300);
        let subject = format!("arn:aws:iam::{ACCOUNT}:user/rig");
        let token = issued::jwt(&audiences, &subject, now, expiration);
        self.record("", "", &token, expiration);
        let xml = self.field("WebIdentityToken", &token, Field::SessionToken)
            + &self.field("Expiration", &expiration.to_string(), Field::Expiration);
        self.result(&xml)
    }

    /// Issues credentials for `principal`, and records them.
    fn credentials(&self, default_seconds: i64, principal: &str) -> String {
        let (_, expiration) = self.times(default_seconds);
        let id = issued::key_id();
        let (secret, token) = (issued::secret_for(&id), issued::token_for(&id));
        self.record(&id, &secret, &token, expiration);
        self.state.log().principals.insert(id.clone(), principal.to_owned());
        let inner = self.field("AccessKeyId", &id, Field::AccessKeyId)
            + &self.field("SecretAccessKey", &secret, Field::SecretAccessKey)
            + &self.field("SessionToken", &token, Field::SessionToken)
            + &self.field("Expiration", &expiration.to_string(), Field::Expiration);
        wrap("Credentials", &inner)
    }

    /// Now and the expiry, by the responder's clock, in whole seconds.
    fn times(&self, default_seconds: i64) -> (Timestamp, Timestamp) {
        let asked = self.request.form.get("DurationSeconds").and_then(|text| text.parse().ok());
        let mut seconds: i64 = asked.unwrap_or(default_seconds);
        for shape in &self.plan.shapes {
            match shape {
                Shape::Expired => seconds = -60,
                Shape::Lifetime(lifetime) => seconds = lifetime.as_secs().cast_signed(),
                Shape::Empty(_) | Shape::Truncated | Shape::CutXml => {}
            }
        }
        let now = clock(self.plan.skew);
        let expiration = Timestamp::from_second(now.as_second().saturating_add(seconds));
        (now, expiration.unwrap_or(Timestamp::MAX))
    }

    fn record(&self, id: &str, secret: &str, token: &str, expiration: Timestamp) {
        self.state.log().issued.push(IssuedRecord {
            access_key_id: id.to_owned(),
            secret: secret.to_owned(),
            token: token.to_owned(),
            role_arn: self.request.role_arn().map(str::to_owned),
            action: self.request.action.clone(),
            form: self.request.form.clone(),
            at: Timestamp::now(),
            expiration,
        });
    }

    /// An element that a fault can empty.
    fn field(&self, name: &str, value: &str, field: Field) -> String {
        let emptied = |shape: &Shape| matches!(shape, Shape::Empty(emptied) if *emptied == field);
        let empty = self.plan.shapes.iter().any(emptied);
        element(name, if empty { "" } else { value })
    }

    fn result(&self, content: &str) -> Reply {
        xml::result(&self.request.action, content)
    }
}

/// The responder's clock.
pub(super) fn clock(skew: i64) -> Timestamp {
    let now = Timestamp::now().as_second();
    Timestamp::from_second(now.saturating_add(skew)).unwrap_or(Timestamp::MAX)
}

/// The text of the first element of that name.
pub(super) fn text_of<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    rest.split_once("</").map(|(text, _)| text)
}

/// How much of the space for policies and tags is used, in percent. The packed format
/// of AWS is not public; this is in proportion to their length.
fn packed_policy_size(form: &BTreeMap<String, String>) -> String {
    let parts = ["Policy", "PolicyArns.", "Tags."];
    let packed: usize = form
        .iter()
        .filter(|(key, _)| parts.iter().any(|part| key.starts_with(part)))
        .map(|(_, value)| value.len())
        .sum();
    if packed == 0 {
        return String::new();
    }
    element("PackedPolicySize", &(packed * 100 / 4096).clamp(1, 100).to_string())
}

/// The account in an ARN, or the text itself if it is an account.
fn account_of(arn: &str) -> &str {
    if arn.len() == 12 && arn.bytes().all(|byte| byte.is_ascii_digit()) {
        return arn;
    }
    arn.split(':').nth(4).filter(|account| !account.is_empty()).unwrap_or(ACCOUNT)
}

fn claims(jwt: &str) -> serde_json::Value {
    let payload = jwt.split('.').nth(1).unwrap_or_default();
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

/// As a UUID.
pub(super) fn request_id() -> String {
    let mut id = String::new();
    for (at, byte) in random::bytes::<16>().into_iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            id.push('-');
        }
        // Writing to a String does not fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}
