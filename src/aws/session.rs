//! A session: the endpoint of the next calls, and the identity that signs them.

use std::sync::Arc;
use std::time::Instant;

use aws_config::identity::IdentityCache;
use aws_sdk_sts::Client;
use aws_sdk_sts::config::Credentials as SdkCredentials;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sts::operation::RequestId;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tempcred_core::credentials::{Credentials, Reply};
use tempcred_core::problem::{Problem, Reason};
use tracing::Instrument;

use super::errors;
use super::record::{self, CallRecord, CallRecords};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::traces;

/// The endpoint of the next calls, and the identity that signs them. Cheap to clone.
#[derive(Clone)]
pub struct Session {
    client: Client,
    metrics: Arc<Metrics>,
    records: CallRecords,
}

/// What a call is for. It contains no secret value.
#[derive(Clone, Copy)]
pub(super) struct SessionCall<'a> {
    /// The STS action.
    pub(super) action: &'static str,
    /// The target of the request, for messages: usually the ARN of the role.
    pub(super) target: &'a str,
    /// Name of the session. `None` if the request sets none.
    pub(super) session_name: Option<&'a str>,
}

impl Session {
    pub(super) fn new(client: Client, metrics: Arc<Metrics>, records: CallRecords) -> Self {
        Self { client, metrics, records }
    }

    /// A session in the same region that an issued access key signs.
    ///
    /// # Errors
    /// `InvalidReply` if STS issued a token instead of an access key.
    pub fn signed_by(&self, credentials: &Credentials) -> Result<Self, Problem> {
        let other = || {
            Problem::new(
                Reason::InvalidReply,
                "STS issued no access key to sign the next call with",
            )
        };
        let key = credentials.access_key().ok_or_else(other)?;
        let token = Some(&key.session_token);
        Ok(self.signed_with(&key.access_key_id, &key.secret_access_key, token))
    }

    /// A session in the same region that these credentials sign. They are dropped with the session.
    pub fn signed_with(
        &self,
        id: &str,
        secret: &SecretString,
        token: Option<&SecretString>,
    ) -> Self {
        let exposed = |value: &SecretString| value.expose_secret().trim().to_owned();
        let credentials =
            SdkCredentials::new(id, exposed(secret), token.map(exposed), None, "tempcred");
        let config = self.client.config().to_builder();
        // The identity cache of the operator would keep these credentials until the process ends.
        let config =
            config.identity_cache(IdentityCache::no_cache()).credentials_provider(credentials);
        Self { client: Client::from_conf(config.build()), ..self.clone() }
    }

    /// Makes one call, and checks the credentials in its reply: no others are written or used to sign. `read` reads the
    /// reply, or names what it lacks.
    ///
    /// # Errors
    /// A [`Problem`] that contains no value of the request or the reply.
    pub(super) async fn issue<O, E, F>(
        &self,
        call: SessionCall<'_>,
        send: impl FnOnce(Client) -> F,
        read: impl FnOnce(O) -> Result<Reply, &'static str>,
    ) -> Result<Credentials, Problem>
    where
        O: RequestId,
        F: Future<Output = Result<O, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        // The issue time is the time of the request, so a slow reply does not make credentials seem newer.
        let requested_at = Timestamp::now();
        let output = self.call(call, send).await?;
        let checked = match read(output) {
            Ok(reply) => Credentials::check(reply, requested_at, Timestamp::now())
                .map_err(|invalid| invalid.to_string()),
            Err(part) => Err(format!("the reply of STS contains no {part}; it was not used")),
        };
        checked
            .map_err(|what| Problem::of_call(Reason::InvalidReply, call.action, call.target, &what))
    }

    /// Makes one call, counts it, traces it and records it.
    async fn call<O, E, F>(
        &self,
        call: SessionCall<'_>,
        send: impl FnOnce(Client) -> F,
    ) -> Result<O, Problem>
    where
        O: RequestId,
        F: Future<Output = Result<O, SdkError<E>>>,
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let SessionCall { action, target, session_name } = call;
        let (span, begin) = (traces::sts(action, target, session_name), Instant::now());
        let record = self.records.begin(CallRecord {
            role: Some(target).filter(|target| target.starts_with("arn:")).map(str::to_owned),
            session_name: session_name.map(str::to_owned),
            request_id: None,
        });
        let result = send(self.client.clone()).instrument(span.clone()).await;
        let request_id = record::request_id(result.request_id());
        traces::replied(&span, request_id.as_deref());
        self.records.replied(record, request_id);
        let result = result.map_err(|error| errors::problem(action, target, &error));
        if let Err(problem) = &result {
            traces::failed(&span, problem.reason.as_str());
        }
        let failure = result.as_ref().err().map(Problem::class);
        self.metrics.sts_call(action, begin.elapsed(), failure);
        result
    }
}
