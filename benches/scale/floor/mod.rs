//! What the requests cost without an operator: one call to STS, one write of a Secret, one write of a status.

mod api;
mod bare;

use std::time::Instant;

use anyhow::Result;
use aws_sdk_sts::config::retry::RetryConfig;
use aws_sdk_sts::config::{BehaviorVersion, Credentials, Region, SharedCredentialsProvider};
use aws_sdk_sts::operation::assume_role::AssumeRoleOutput;
use aws_sdk_sts::{Client, Config};

use crate::figures::{Figure, Figures};
use crate::process;
use crate::scene::Scene;
use crate::workers;

pub use api::measure as api;
pub use bare::measure as bare;

/// STS, called as by the operator.
#[derive(Clone)]
struct Sts(Client);

impl Sts {
    fn of(scene: &Scene) -> Self {
        let credentials = Credentials::new("AKIASCALE", "secret", None, None, "scale");
        let config = Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(RetryConfig::disabled())
            .endpoint_url(scene.sts.url());
        Self(Client::from_conf(config.build()))
    }

    async fn assume_role(&self, role_arn: &str, session: &str) -> Result<AssumeRoleOutput> {
        let call = self.0.assume_role().role_arn(role_arn).role_session_name(session);
        // The error may contain the reply.
        call.send().await.map_err(|_| anyhow::anyhow!("STS failed"))
    }
}

/// Does `work` for each resource, and returns the credentials per second and the CPU time of the API server.
async fn measure<F, W>(scene: &Scene, rate: Figure, cpu: Figure, work: F) -> Result<Figures>
where
    F: Fn(usize) -> W + Send + Sync + 'static,
    W: Future<Output = Result<()>> + Send,
{
    let (begin, used) = (Instant::now(), process::cpu(scene.api_server()?)?);
    workers::for_each(scene.size, work).await?;
    let (took, size) = (begin.elapsed(), scene.size as f64);
    let used = process::cpu(scene.api_server()?)?.saturating_sub(used);
    let mut figures = Figures::default();
    figures.set(rate, size / took.as_secs_f64());
    figures.set(cpu, used.as_secs_f64() * 1000.0 / size);
    Ok(figures)
}
