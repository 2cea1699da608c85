//! STS over the wire: one client per region, each call counted and bounded in time, and every error
//! turned into a [`Problem`] at the door.

pub mod codes;
mod errors;
mod http;
mod whole;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_config::identity::IdentityCache;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Credentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tracing::Instrument;

use self::whole::OnlyWhole;
use crate::failure::Problem;
use crate::metrics::Metrics;
use crate::minted::{Keys, Minted, Reply, Values};
use crate::reason::Reason;
use crate::traces;

/// How long a connection to STS may take to come up.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long one call to STS may take as a whole. The SDK does not retry by itself: retrying is the
/// backoff's business, and two layers of it would multiply.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// STS, in every region.
pub struct Sts {
    base: SdkConfig,
    endpoint: Option<String>,
    clients: Mutex<HashMap<String, Client>>,
    metrics: Arc<Metrics>,
}

/// Where the next call goes and who signs it.
#[derive(Clone)]
pub struct Session {
    client: Client,
    metrics: Arc<Metrics>,
}

impl Sts {
    /// Finds the operator's region and identity by the SDK's default chain.
    ///
    /// `region` and `endpoint` come before what the SDK finds. Nothing is asked of AWS yet.
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

    /// A session in `region`, or in the operator's, signed by the operator's own identity.
    ///
    /// # Errors
    /// `RegionMissing` if neither is known.
    pub fn session(&self, region: Option<&str>) -> Result<Session, Problem> {
        let region = region.or_else(|| self.base.region().map(AsRef::as_ref)).ok_or_else(|| {
            Problem::new(
                Reason::RegionMissing,
                format!("No AWS region is known. {}", Reason::RegionMissing.advice()),
            )
        })?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let client = clients.entry(region.to_owned()).or_insert_with(|| self.client(region));
        Ok(Session { client: client.clone(), metrics: Arc::clone(&self.metrics) })
    }

    fn client(&self, region: &str) -> Client {
        let config = aws_sdk_sts::config::Builder::from(&self.base)
            .region(Region::new(region.to_owned()))
            .interceptor(OnlyWhole);
        Client::from_conf(match &self.endpoint {
            Some(endpoint) => config.endpoint_url(endpoint).build(),
            None => config.build(),
        })
    }
}

impl Session {
    /// The same place, signed with an access key that STS just gave.
    ///
    /// # Errors
    /// `InvalidReply` if it gave something else.
    pub fn signed_by(&self, minted: &Minted) -> Result<Self, Problem> {
        let other = || Problem::new(Reason::InvalidReply, "STS gave no access key to go on with");
        let keys = minted.keys().ok_or_else(other)?;
        let token = Some(&keys.session_token);
        Ok(self.signed_with(&keys.access_key_id, &keys.secret_access_key, token))
    }

    /// The same place, signed with these credentials. They live as long as the session.
    pub fn signed_with(
        &self,
        id: &str,
        secret: &SecretString,
        token: Option<&SecretString>,
    ) -> Self {
        let exposed = |value: &SecretString| value.expose_secret().trim().to_owned();
        let credentials =
            Credentials::new(id, exposed(secret), token.map(exposed), None, "tempcred");
        let config = self.client.config().to_builder();
        // The cache of the operator's identity would keep these for ever.
        let config =
            config.identity_cache(IdentityCache::no_cache()).credentials_provider(credentials);
        Self { client: Client::from_conf(config.build()), metrics: Arc::clone(&self.metrics) }
    }

    /// Makes one call. `target` names for a person what is asked for.
    ///
    /// # Errors
    /// A [`Problem`] in words that hold no value of the request or the reply.
    pub async fn call<O, E, F>(
        &self,
        action: &'static str,
        target: &str,
        call: impl FnOnce(Client) -> F,
    ) -> Result<O, Problem>
    where
        F: Future<Output = Result<O, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let (span, begin) = (traces::sts(action, target), Instant::now());
        let result = call(self.client.clone())
            .instrument(span.clone())
            .await
            .map_err(|error| errors::problem(action, target, &error));
        if let Err(problem) = &result {
            traces::failed(&span, problem.reason);
        }
        let failure = result.as_ref().err().map(Problem::class);
        self.metrics.sts_call(action, begin.elapsed(), failure);
        result
    }
}

/// The credentials in the reply to a call, checked: nothing else is written, or signed with.
///
/// # Errors
/// `InvalidReply` if there are none, or they are not whole or have expired.
pub fn checked(
    action: &str,
    target: &str,
    asked_at: Timestamp,
    credentials: Option<aws_sdk_sts::types::Credentials>,
    principal_arn: Option<String>,
    packed_policy_size: Option<i32>,
) -> Result<Minted, Problem> {
    let lacks = |what: &str| {
        Problem::of_call(
            Reason::InvalidReply,
            action,
            target,
            &format!("the reply of STS has no {what}; it was not used"),
        )
    };
    let credentials = credentials.ok_or_else(|| lacks("credentials"))?;
    let expiration = Timestamp::from_second(credentials.expiration.secs());
    let values = Values::Keys(Keys {
        access_key_id: credentials.access_key_id,
        secret_access_key: credentials.secret_access_key.into(),
        session_token: credentials.session_token.into(),
    });
    let reply = Reply {
        values,
        expiration: expiration.map_err(|_| lacks("valid expiration"))?,
        principal_arn: principal_arn.filter(|arn| !arn.is_empty()),
        packed_policy_size,
    };
    usable(action, target, asked_at, reply)
}

/// A reply, checked.
///
/// # Errors
/// `InvalidReply` if it is not whole or has expired.
pub fn usable(
    action: &str,
    target: &str,
    asked_at: Timestamp,
    reply: Reply,
) -> Result<Minted, Problem> {
    Minted::check(reply, asked_at, Timestamp::now()).map_err(|unusable| {
        Problem::of_call(Reason::InvalidReply, action, target, &unusable.to_string())
    })
}
