//! The clients of STS, signed with the operator's own identity.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::SharedCredentialsProvider;
use aws_sdk_sts::config::retry::RetryPartition;
use lru::LruCache;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::region::Regions;

use super::http;
use super::record::CallRecords;
use super::session::Session;
use super::truncated::RejectTruncated;
use crate::telemetry::metrics::Metrics;

/// Timeout for a connection to STS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Timeout for one call to STS. The SDK does not retry: the operator backs off and retries, and two layers of retries
/// would multiply the calls.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest number of cached clients, one for each region: about as many as AWS has regions. Resources can name any
/// number of regions, and a client that is not cached is only built again.
const MOST_CLIENTS: NonZeroUsize = NonZeroUsize::new(40).unwrap();

/// STS in every region.
pub struct Sts {
    base: SdkConfig,
    endpoint: Option<String>,
    regions: Regions,
    /// The clients of the regions that were used last. They share one HTTP client, which closes idle connections. So a
    /// client that leaves the cache leaves no connection open.
    clients: Mutex<LruCache<String, Client>>,
    metrics: Arc<Metrics>,
}

impl Sts {
    /// Finds the region and the identity of the operator with the default chain of the SDK.
    ///
    /// `region` and `endpoint` take precedence over the settings that the SDK finds. Besides the operator's region,
    /// resources may use the regions in `allowed`, or any region if it is empty. No request is sent to STS.
    pub async fn load(
        region: Option<String>,
        endpoint: Option<String>,
        allowed: impl IntoIterator<Item = String>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_timeout(CALL_TIMEOUT)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .timeout_config(timeouts)
            .http_client(http::client(http::IDLE_TIMEOUT));
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let base = loader.load().await;
        let regions = Regions::new(base.region().map(ToString::to_string), allowed);
        Self { clients: Mutex::new(LruCache::new(MOST_CLIENTS)), base, endpoint, regions, metrics }
    }

    /// The regions that resources may use.
    pub fn regions(&self) -> &Regions {
        &self.regions
    }

    /// A session in `region`, or in the region of the operator, signed with the operator's own identity. It records its
    /// calls in `records`.
    ///
    /// # Errors
    /// `RegionMissing` if neither region is known.
    pub fn session(&self, region: Option<&str>, records: CallRecords) -> Result<Session, Problem> {
        let region = region.or(self.regions.own()).ok_or_else(|| {
            Problem::new(
                Reason::RegionMissing,
                format!("No AWS region is known. {}", Reason::RegionMissing.advice()),
            )
        })?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.get_or_insert_ref(region, || self.client(region));
        Ok(Session::new(client.clone(), Arc::clone(&self.metrics), records))
    }

    /// The provider of the operator's own credentials.
    pub(super) fn credentials(&self) -> Option<SharedCredentialsProvider> {
        self.base.credentials_provider()
    }

    /// A client for a region, signed with the operator's own identity.
    pub(super) fn client(&self, region: &str) -> Client {
        let config = aws_sdk_sts::config::Builder::from(&self.base)
            .region(Region::new(region.to_owned()))
            // By default, the SDK keeps the state of retries for each region until the process ends.
            .retry_partition(RetryPartition::new("sts"))
            .interceptor(RejectTruncated);
        Client::from_conf(match &self.endpoint {
            Some(endpoint) => config.endpoint_url(endpoint).build(),
            None => config.build(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_sdk_sts::config::Credentials;
    use aws_sdk_sts::config::endpoint::{DefaultResolver, Params, ResolveEndpoint};
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use tempcred_core::request::region::partition_of;

    const OWN: &str = "eu-central-1";

    /// STS at this endpoint, with connections that are closed when they are idle for this time.
    fn sts(endpoint: Option<String>, base: &SdkConfig) -> Sts {
        Sts {
            base: base.clone(),
            endpoint,
            regions: Regions::new(Some(OWN.to_owned()), []),
            clients: Mutex::new(LruCache::new(MOST_CLIENTS)),
            metrics: Arc::new(Metrics::new(false)),
        }
    }

    fn base(idle: Duration) -> SdkConfig {
        let credentials = Credentials::new("id", "key", None, None, "test");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .retry_config(RetryConfig::disabled())
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .http_client(http::client(idle))
            .build()
    }

    #[test]
    fn thousands_of_regions_leave_a_bounded_number_of_clients() {
        let sts = sts(None, &base(http::IDLE_TIMEOUT));
        for number in 0..2000 {
            sts.session(Some(&format!("xx-number{number}-1")), CallRecords::default()).unwrap();
            // The operator's own region is used between the others.
            sts.session(None, CallRecords::default()).unwrap();
        }
        let clients = sts.clients.lock().unwrap();
        assert_eq!(clients.len(), MOST_CLIENTS.get());
        assert!(clients.contains(OWN) && clients.contains("xx-number1999-1"));
        assert!(!clients.contains("xx-number0-1"));
        for (region, client) in clients.iter() {
            assert_eq!(client.config().region().map(AsRef::as_ref), Some(region.as_str()));
            // The SDK keeps the state of every partition until the process ends.
            assert_eq!(client.config().retry_partition(), Some(&RetryPartition::new("sts")));
        }
    }

    /// Replies to one call, and returns when the client closes the connection.
    fn serve_one(listener: TcpListener) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 65536]).unwrap();
            let body = "<GetSessionTokenResponse><GetSessionTokenResult></GetSessionTokenResult></GetSessionTokenResponse>";
            write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
                .unwrap();
            let mut rest = vec![];
            stream.read_to_end(&mut rest).unwrap();
        })
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_connection_outlives_its_use_by_more_than_the_idle_timeout() {
        let base = base(Duration::from_millis(100));
        let mut served = vec![];
        for _ in 0..20 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            served.push(serve_one(listener));
            let sts = sts(Some(endpoint), &base);
            let client = sts.client(OWN);
            client.get_session_token().send().await.unwrap();
        }
        let closed = tokio::task::spawn_blocking(|| served.into_iter().all(|s| s.join().is_ok()));
        // The shared HTTP client still exists.
        let closed = tokio::time::timeout(Duration::from_secs(30), closed).await;
        assert!(closed.expect("a connection is still open").unwrap());
        drop(base);
    }

    #[tokio::test]
    async fn the_partitions_are_those_of_the_sdk() {
        for (region, partition) in [
            ("eu-central-1", "aws"),
            ("cn-north-1", "aws-cn"),
            ("cn-northwest-1", "aws-cn"),
            ("aws-cn-global", "aws-cn"),
            ("us-gov-west-1", "aws-us-gov"),
            ("us-iso-east-1", "aws-iso"),
            ("aws-iso-global", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-south-1", "aws-iso-f"),
            ("eusc-de-east-1", "aws-eusc"),
            ("xx-unknown-1", "aws"),
            ("local", "aws"),
        ] {
            assert_eq!(partition_of(region), partition, "{region}");
            let params = Params::builder().region(region).build().unwrap();
            let endpoint = DefaultResolver::new().resolve_endpoint(&params).await.unwrap();
            let suffix = match partition {
                "aws" | "aws-us-gov" => "amazonaws.com",
                "aws-cn" => "amazonaws.com.cn",
                "aws-iso" => "c2s.ic.gov",
                "aws-iso-b" => "sc2s.sgov.gov",
                "aws-iso-e" => "cloud.adc-e.uk",
                "aws-iso-f" => "csp.hci.ic.gov",
                _ => "amazonaws.eu",
            };
            assert!(
                endpoint.url().ends_with(&format!(".{suffix}")),
                "{region}: {}",
                endpoint.url()
            );
        }
    }
}
