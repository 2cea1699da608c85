//! Where a program runs: its mounted files, its agent, and its variables.

use std::fs;
use std::path::PathBuf;

use rig::Mount;
use rig::sts::Responder;

use crate::agent::{Agent, unique};
use crate::world::rig;

/// How a program gets the credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// From the mounted credentials file.
    File,
    /// From `credential_process`, which prints the mounted `credentials.json`.
    Process,
    /// From the agent, with a token.
    Agent,
}

/// What the Pod of a program has.
pub struct Place {
    /// The mounted Secret.
    pub mount: Mount,
    folder: PathBuf,
    endpoint: String,
    agent: Agent,
}

impl Place {
    /// A place without credentials, in which programs call this STS.
    pub async fn new(sts: &Responder) -> Self {
        let rig = tokio::task::spawn_blocking(rig).await.unwrap();
        let folder = rig.dir().join(format!("sdk-{}", unique()));
        let mount = Mount::new(&folder.join("mount")).unwrap();
        let token = folder.join("token");
        fs::write(&token, "token-of-the-pod").unwrap();
        fs::write(folder.join("empty"), "").unwrap();
        let process = format!("cat {}", mount.path("credentials.json"));
        let config = format!("[default]\ncredential_process = {process}\n");
        fs::write(folder.join("config"), config).unwrap();
        let agent = Agent::start(&[
            format!("--file={}", mount.path("credentials.json")),
            format!("--authorization-token-file={}", token.display()),
        ])
        .await;
        Self { mount, folder, endpoint: sts.url(), agent }
    }

    /// The variables of a program. Files of the machine have no effect.
    pub fn variables(&self, delivery: Delivery) -> Vec<(&'static str, String)> {
        let path = |name: &str| self.folder.join(name).display().to_string();
        let (mut config, mut credentials) = (path("empty"), path("empty"));
        let mut variables = vec![
            ("AWS_ENDPOINT_URL_STS", self.endpoint.clone()),
            ("AWS_REGION", "eu-central-1".to_owned()),
            ("AWS_DEFAULT_REGION", "eu-central-1".to_owned()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("HOME", path("")),
        ];
        match delivery {
            Delivery::File => credentials = self.mount.path("credentials"),
            Delivery::Process => config = path("config"),
            Delivery::Agent => variables.extend([
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("http://{}/", self.agent.address)),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path("token")),
            ]),
        }
        variables
            .extend([("AWS_CONFIG_FILE", config), ("AWS_SHARED_CREDENTIALS_FILE", credentials)]);
        variables
    }
}
