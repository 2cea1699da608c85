//! The HTTP client for STS: the SDK's own, but for how long a connection that nobody uses is kept.

use std::time::Duration;

use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

/// How long an idle connection is kept for the next call. It keeps the last reply in its buffers,
/// decrypted: what comes in a burst shares connections, and after it nothing stays.
const IDLE: Duration = Duration::from_secs(5);

/// A client that every session shares, whoever signs it.
pub(super) fn client() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder()
            .pool_idle_timeout(IDLE)
            .tls_provider(Provider::Rustls(CryptoMode::AwsLc));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(|components| components.sleep_impl()));
        connector.set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}
