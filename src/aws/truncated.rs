//! Replies that break off.
//!
//! The SDK reads XML that ends anywhere as if it were complete, and takes half a session token for
//! the whole. AWS sends the expiration last, so that a reply cut short lacks it; other STS send the
//! token last.

use aws_sdk_sts::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

/// Refuses a reply of success whose XML is not complete.
#[derive(Debug)]
pub(super) struct OnlyWhole;

impl Intercept for OnlyWhole {
    fn name(&self) -> &'static str {
        "OnlyWhole"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reply = context.response();
        if reply.status().is_success() && !reply.body().bytes().is_some_and(is_whole) {
            return Err("the reply breaks off".into());
        }
        Ok(())
    }
}

/// Whether the last thing in the reply is the end of its outermost element, `…Response`.
fn is_whole(xml: &[u8]) -> bool {
    xml.trim_ascii_end().ends_with(b"Response>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_sts::config::Credentials;
    use std::io::{Read, Write};

    /// In the order of fields that `MinIO` uses.
    const REPLY: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
        <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
        <Expiration>2030-01-01T00:00:00Z</Expiration><SessionToken>half-and-half</SessionToken>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>\n";

    /// Whether the SDK takes this for a reply; the connection ends after it.
    async fn is_taken(body: &'static str) -> bool {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 65536]).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}").unwrap();
        });
        let config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new("eu-central-1"))
            .credentials_provider(Credentials::new("id", "key", None, None, "test"))
            .endpoint_url(format!("http://{address}"))
            .interceptor(OnlyWhole);
        let call = aws_sdk_sts::Client::from_conf(config.build()).assume_role();
        let reply = call.role_arn("arn").role_session_name("name").send().await;
        reply.is_ok()
    }

    #[tokio::test]
    async fn half_a_token_is_not_taken_for_the_whole() {
        assert!(is_taken(REPLY).await);
        let end = REPLY.find("-and-half").unwrap();
        assert!(!is_taken(&REPLY[..end]).await);
        assert!(!is_taken(&REPLY[..REPLY.len() - 2]).await);
    }
}
