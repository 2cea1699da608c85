//! The clients of STS, signed with the operator's own identity.

use std::collections::HashMap;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::Client;
use tempcred_core::problem::{Problem, Reason};

use super::http;
use super::session::Session;
use super::truncated::RejectTruncated;
use crate::telemetry::metrics::Metrics;

/// Timeout for a connection to STS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for one call to STS. The SDK does not retry: the operator backs off and retries, and two layers of retries
/// would multiply the calls.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// STS in every region, with one client for each region that is used.
pub struct Sts {
    base: SdkConfig,
    endpoint: Option<String>,
    clients: Mutex<HashMap<String, Client>>,
    metrics: Arc<Metrics>,
}

impl Sts {
    /// Finds the region and the identity of the operator with the default chain of the SDK.
    ///
    /// `region` and `endpoint` take precedence over the settings that the SDK finds. No request is sent to STS.
    pub async fn load(
        region: Option<String>,
        endpoint: Option<String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(http::client());
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        Self { base: loader.load().await, endpoint, clients: Mutex::default(), metrics }
    }

    /// A session in `region`, or in the region of the operator, signed with the operator's own identity. It counts its
    /// calls in `calls`.
    ///
    /// # Errors
    /// `RegionMissing` if neither region is known.
    pub fn session(&self, region: Option<&str>, calls: Arc<AtomicU32>) -> Result<Session, Problem> {
        let region = region.or_else(|| self.base.region().map(AsRef::as_ref)).ok_or_else(|| {
            Problem::new(
                Reason::RegionMissing,
                format!("No AWS region is known. {}", Reason::RegionMissing.advice()),
            )
        })?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| self.client(region));
        Ok(Session::new(client.clone(), Arc::clone(&self.metrics), calls))
    }

    fn client(&self, region: &str) -> Client {
        let config = aws_sdk_sts::config::Builder::from(&self.base)
            .region(Region::new(region.to_owned()))
            .interceptor(RejectTruncated);
        Client::from_conf(match &self.endpoint {
            Some(endpoint) => config.endpoint_url(endpoint).build(),
            None => config.build(),
        })
    }
}
