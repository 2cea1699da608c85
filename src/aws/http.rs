//! The HTTP client for STS: that of the SDK, with a shorter timeout for idle connections.

use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How long an idle connection is kept open. An idle connection keeps the last reply in its buffers, decrypted. With a
/// short timeout, the calls of a burst share connections, and none of them stays open after the burst.
pub(super) const IDLE_TIMEOUT: Duration = Duration::from_secs(5);

/// A client that all sessions share, regardless of their region and signer. It keeps idle connections open for this
/// time.
pub(super) fn client(idle_timeout: Duration) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .pool_idle_timeout(idle_timeout)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
