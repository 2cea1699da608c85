//! Records what one call exchanged with STS: where it went, and the clock of STS in the reply.

use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_sts::config::interceptors::{
    BeforeDeserializationInterceptorContextRef, BeforeTransmitInterceptorContextRef,
};
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;
use jiff::Timestamp;

/// What a call exchanged with STS. It contains no secret value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Exchange {
    /// Scheme, host and port of the request. `None` if no request was sent.
    pub endpoint: Option<String>,
    /// The reply. `None` if there was none.
    pub reply: Option<ReplyHead>,
}

/// The head of a reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplyHead {
    /// The HTTP status.
    pub status: u16,
    /// The header `Date`.
    pub date: Option<String>,
    /// When the head was received, by the clock of this machine.
    pub received_at: Timestamp,
}

/// An interceptor that records the exchange. Clones share it.
#[derive(Clone, Debug, Default)]
pub(super) struct Recorder(Arc<Mutex<Exchange>>);

impl Recorder {
    /// What was exchanged so far.
    pub(super) fn exchange(&self) -> Exchange {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn record(&self, record: impl FnOnce(&mut Exchange)) {
        record(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Intercept for Recorder {
    fn name(&self) -> &'static str {
        "Recorder"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let endpoint = origin(context.request().uri());
        self.record(|exchange| exchange.endpoint = Some(endpoint));
        Ok(())
    }

    fn read_before_deserialization(
        &self,
        context: &BeforeDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let response = context.response();
        let reply = ReplyHead {
            status: response.status().as_u16(),
            date: response.headers().get("date").map(str::to_owned),
            received_at: Timestamp::now(),
        };
        self.record(|exchange| exchange.reply = Some(reply));
        Ok(())
    }
}

/// Scheme, host and port of a URL: neither credentials nor a query.
fn origin(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("https", url));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_neither_a_path_nor_credentials() {
        for (url, expected) in [
            ("https://sts.eu-central-1.amazonaws.com/", "https://sts.eu-central-1.amazonaws.com"),
            ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
            ("https://user:hush@example.com:8443/sts?token=hush", "https://example.com:8443"),
        ] {
            assert_eq!(origin(url), expected);
        }
    }
}
