//! Connections that end with their reply.
//!
//! One that is kept for the next call keeps the last reply in its buffers, decrypted, for as long as it
//! idles. Renewals are too rare for it to be worth that.

use aws_sdk_sts::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

/// Asks STS to end the connection after the reply.
#[derive(Debug)]
pub(super) struct OnlyOnce;

impl Intercept for OnlyOnce {
    fn name(&self) -> &'static str {
        "OnlyOnce"
    }

    // After signing: a proxy may change this header, and the signature shall not depend on it.
    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("connection", "close");
        Ok(())
    }
}
