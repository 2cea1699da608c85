//! Where workloads get credentials of their role: the agent of EKS Pod Identity, and the instance metadata service.

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;

use anyhow::Result;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use super::refusal::Refusal;
use super::{Strict, jwt};
use crate::background::Background;
use crate::sts::{HttpRequest, IssuedRecord, read_request};

/// The audience of the tokens that Pod Identity accepts.
const POD_IDENTITY_AUDIENCE: &str = "pods.eks.amazonaws.com";

/// The token of the instance metadata service, and its header.
const METADATA_TOKEN: (&str, &str) = ("x-aws-ec2-metadata-token", "rigs-own-metadata-token");

/// Where the instance metadata service lists the role.
const METADATA_PATH: &str = "/latest/meta-data/iam/security-credentials/";

/// An endpoint on the loopback interface. It ends when it is dropped.
pub struct Endpoint {
    address: SocketAddr,
    _thread: Background,
}

/// An association of EKS Pod Identity.
#[derive(Clone, Debug)]
pub struct PodIdentity {
    /// ARN of the role.
    pub role: String,
    /// The keys of the cluster's token issuer, as a JSON Web Key Set.
    pub keys: Value,
    /// The `sub` of the ServiceAccount's tokens.
    pub subject: String,
    /// The session tags; none if the association disables them.
    pub tags: Vec<(String, String)>,
}

enum Kind {
    PodIdentity(PodIdentity),
    /// The role of the instance profile.
    Instance(String),
}

impl Endpoint {
    /// The agent of EKS Pod Identity: `/v1/credentials`, for the token of the ServiceAccount.
    pub fn pod_identity(strict: &Strict, association: PodIdentity) -> Result<Self> {
        Self::start(strict, Kind::PodIdentity(association))
    }

    /// The metadata service of an EC2 instance, version 2, with a role in the instance profile.
    pub fn instance_metadata(strict: &Strict, role: &str) -> Result<Self> {
        Self::start(strict, Kind::Instance(role.to_owned()))
    }

    fn start(strict: &Strict, kind: Kind) -> Result<Self> {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let (strict, kind) = (strict.clone(), Arc::new(kind));
        let serve = move || async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            loop {
                let Ok((stream, _)) = listener.accept().await else { continue };
                let (strict, kind) = (strict.clone(), Arc::clone(&kind));
                tokio::task::spawn_local(async move {
                    // A client may disconnect at any time.
                    let _ = converse(stream, &strict, &kind).await;
                });
            }
        };
        Ok(Self { address, _thread: Background::start("rig-endpoint", serve)? })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn converse(mut stream: TcpStream, strict: &Strict, kind: &Kind) -> std::io::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut buffer).await? {
        let (status, body) = match kind {
            Kind::PodIdentity(association) => pod_identity(strict, association, &request),
            Kind::Instance(role) => metadata(strict, role, &request),
        };
        let head = format!(
            "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\
             x-aws-ec2-metadata-token-ttl-seconds: 21600\r\n\r\n",
            body.len()
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
    }
    Ok(())
}

fn pod_identity(strict: &Strict, at: &PodIdentity, request: &HttpRequest) -> (u16, String) {
    let token = request.headers.get("authorization").map(String::as_str).unwrap_or_default();
    let checked = jwt::check_signature(token, &at.keys).and_then(|()| jwt::claims(token));
    let trusted = checked.is_ok_and(|claims| {
        let audiences = claims["aud"].as_array().into_iter().flatten();
        claims["sub"] == at.subject.as_str()
            && audiences.into_iter().any(|audience| audience == POD_IDENTITY_AUDIENCE)
            && claims["exp"].as_i64().is_some_and(|exp| exp > Timestamp::now().as_second())
    });
    if request.path != "/v1/credentials" || !trusted {
        return (403, "no association for this token".to_owned());
    }
    let session = "eks-my-cluster-tempcred-0123abcd";
    reply(strict.for_service(POD_IDENTITY_AUDIENCE, &at.role, session, &at.tags), &json!({}))
}

fn metadata(strict: &Strict, role: &str, request: &HttpRequest) -> (u16, String) {
    let (header, token) = METADATA_TOKEN;
    if request.method == "PUT" && request.path == "/latest/api/token" {
        return (200, token.to_owned());
    }
    if request.headers.get(header).is_none_or(|sent| sent != token) {
        return (401, String::new());
    }
    let name = role.rsplit('/').next().unwrap_or_default();
    match request.path.strip_prefix(METADATA_PATH) {
        Some("") => (200, name.to_owned()),
        Some(asked) if asked == name => {
            let now = Timestamp::now().to_string();
            let more = json!({"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": now});
            reply(strict.for_service("ec2.amazonaws.com", role, "i-0123456789abcdef0", &[]), &more)
        }
        _ => (404, String::new()),
    }
}

fn reply(issued: Result<IssuedRecord, Refusal>, more: &Value) -> (u16, String) {
    let issued = match issued {
        Ok(issued) => issued,
        Err(refusal) => return (400, refusal.message),
    };
    let mut body = more.clone();
    body["AccessKeyId"] = issued.access_key_id.into();
    body["SecretAccessKey"] = issued.secret.into();
    body["Token"] = issued.token.into();
    body["Expiration"] = issued.expiration.to_string().into();
    (200, body.to_string())
}
