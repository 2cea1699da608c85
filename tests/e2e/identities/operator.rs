//! The kinds of identity that an operator can have, and how its process gets each of them.

use rig::strict::{Endpoint, Iam, OidcProvider, PodIdentity, Strict};
use serde_json::Value;

use crate::world::World;

/// A kind of identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Identity {
    Irsa,
    Pod,
    /// The association disables session tags.
    PodUntagged,
    Ec2,
    User,
}

/// The role of the operator in the docs.
pub const ROLE: &str = "arn:aws:iam::123456789012:role/tempcred";

/// The user that takes its place.
pub const USER: &str = "arn:aws:iam::123456789012:user/tempcred";

/// The key of that user.
pub const KEY: (&str, &str) = ("AKIAOPERATOR00000009", "operatorUserSecretKeyThatNobodyMayEverSee");

/// The issuer in the docs. In a test it is the API server of the rig, which signs the tokens.
const ISSUER: &str = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE";

/// The namespace in the examples.
const NAMESPACE: &str = "tempcred-demo";

impl Identity {
    /// The heading of its column in the docs.
    pub fn column(self) -> &'static str {
        match self {
            Self::Irsa => "IRSA",
            Self::Pod => "EKS Pod Identity",
            Self::PodUntagged => "EKS Pod Identity without session tags",
            Self::Ec2 => "EC2",
            Self::User => "IAM user",
        }
    }

    /// A text that only the trust policy of the operator's role for this identity contains.
    pub fn trust_marker(self) -> Option<&'static str> {
        match self {
            Self::Irsa => Some(":oidc-provider/"),
            Self::Pod | Self::PodUntagged => Some("pods.eks.amazonaws.com"),
            Self::Ec2 => Some("ec2.amazonaws.com"),
            Self::User => None,
        }
    }

    /// The ARN of the operator's role or user.
    pub fn arn(self) -> &'static str {
        if self == Self::User { USER } else { ROLE }
    }

    /// Replaces the names in an example or policy by those of the test.
    pub fn localize(self, text: &str, world: &World) -> String {
        let host = world.rig.server().trim_start_matches("https://");
        let text = text.replace(ISSUER, host).replace(NAMESPACE, &world.namespace);
        // In JSON, and in a heading. A name that continues is another role.
        let replace = |text: String, end| {
            text.replace(&format!("{ROLE}{end}"), &format!("{}{end}", self.arn()))
        };
        replace(replace(text, '"'), ':')
    }
}

/// A way to credentials, which ends when it is dropped.
pub struct Source {
    _endpoint: Option<Endpoint>,
}

/// Adds the cluster's token issuer as an OIDC provider.
pub fn trust_issuer(world: &World, iam: &mut Iam) {
    let host = world.rig.server().trim_start_matches("https://");
    let provider =
        OidcProvider { client_ids: vec!["sts.amazonaws.com".to_owned()], keys: keys(world) };
    iam.oidc.insert(format!("arn:aws:iam::123456789012:oidc-provider/{host}"), provider);
}

/// The public keys of the API server.
fn keys(world: &World) -> Value {
    serde_json::from_str(&world.kubectl(&["get", "--raw", "/openid/v1/jwks"])).unwrap()
}

/// Sets the environment of the operator's process. Call it before the operator starts.
pub fn provide(identity: Identity, world: &mut World, strict: &Strict) -> Source {
    let path = world.rig.dir().join(format!("token-{}", world.namespace)).display().to_string();
    let subject = world.rig.operator().name().to_owned();
    let token = |audience: &str| {
        let (namespace, name) =
            subject.trim_start_matches("system:serviceaccount:").split_once(':').unwrap();
        let (namespace, audience) =
            (format!("--namespace={namespace}"), format!("--audience={audience}"));
        let mut kubectl = world.rig.kubectl();
        let output =
            kubectl.args(["create", "token", name, &namespace, &audience]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        std::fs::write(&path, String::from_utf8_lossy(&output.stdout).trim()).unwrap();
    };
    let mut set = vec![("AWS_ENDPOINT_URL_STS", Some(world.sts.url()))];
    let mut endpoint = None;
    match identity {
        Identity::Irsa => {
            token("sts.amazonaws.com");
            set.push(("AWS_ROLE_ARN", Some(ROLE.to_owned())));
            set.push(("AWS_WEB_IDENTITY_TOKEN_FILE", Some(path.clone())));
        }
        Identity::Pod | Identity::PodUntagged => {
            token("pods.eks.amazonaws.com");
            let tags = match identity {
                Identity::Pod => session_tags(),
                _ => vec![],
            };
            let role = ROLE.to_owned();
            let association =
                PodIdentity { role, keys: keys(world), subject: subject.clone(), tags };
            let agent = Endpoint::pod_identity(strict, association).unwrap();
            let uri = format!("{}/v1/credentials", agent.url());
            set.push(("AWS_CONTAINER_CREDENTIALS_FULL_URI", Some(uri)));
            set.push(("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", Some(path.clone())));
            endpoint = Some(agent);
        }
        Identity::Ec2 => {
            let metadata = Endpoint::instance_metadata(strict, ROLE).unwrap();
            set.push(("AWS_EC2_METADATA_SERVICE_ENDPOINT", Some(metadata.url())));
            set.push(("AWS_EC2_METADATA_DISABLED", None));
            endpoint = Some(metadata);
        }
        Identity::User => {}
    }
    let key = (identity == Identity::User).then_some(KEY);
    set.push(("AWS_ACCESS_KEY_ID", key.map(|(id, _)| id.to_owned())));
    set.push(("AWS_SECRET_ACCESS_KEY", key.map(|(_, secret)| secret.to_owned())));
    world.environment.extend(set);
    Source { _endpoint: endpoint }
}

/// The session tags that EKS Pod Identity sets.
fn session_tags() -> Vec<(String, String)> {
    let tags = [
        ("eks-cluster-arn", "arn:aws:eks:eu-central-1:123456789012:cluster/my-cluster"),
        ("eks-cluster-name", "my-cluster"),
        ("kubernetes-namespace", "tempcred-system"),
        ("kubernetes-service-account", "tempcred"),
        ("kubernetes-pod-name", "tempcred-7d4b9c6f5d-x2x9k"),
        ("kubernetes-pod-uid", "6a1f0c8e-3f0b-4e55-9a3b-0c5e2f6f1a11"),
    ];
    tags.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec()
}
