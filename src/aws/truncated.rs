//! Rejects truncated replies.
//!
//! The SDK accepts truncated XML, so it can return a truncated session token. In replies of AWS the expiration is last,
//! so a truncated reply has none. Other implementations of STS send the token last.

use aws_sdk_sts::config::interceptors::AfterDeserializationInterceptorContextRef;
use aws_sdk_sts::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_sts::error::BoxError;

/// An interceptor that rejects successful replies whose XML is truncated.
#[derive(Debug)]
pub(super) struct RejectTruncated;

impl Intercept for RejectTruncated {
    fn name(&self) -> &'static str {
        "RejectTruncated"
    }

    fn read_after_deserialization(
        &self,
        context: &AfterDeserializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let reply = context.response();
        if reply.status().is_success() && !reply.body().bytes().is_some_and(is_complete) {
            return Err("the reply is truncated".into());
        }
        Ok(())
    }
}

/// Whether the reply ends with the end tag of its outermost element, `…Response`.
fn is_complete(xml: &[u8]) -> bool {
    xml.trim_ascii_end().ends_with(b"Response>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_config::{BehaviorVersion, Region};
    use aws_sdk_sts::config::Credentials;
    use std::io::{Read, Write};

    /// A reply in the order of fields that `MinIO` uses.
    const REPLY: &str = "<AssumeRoleResponse><AssumeRoleResult><Credentials>\
        <AccessKeyId>ASIAEXAMPLE</AccessKeyId><SecretAccessKey>secret</SecretAccessKey>\
        <Expiration>2030-01-01T00:00:00Z</Expiration><SessionToken>half-and-half</SessionToken>\
        </Credentials></AssumeRoleResult></AssumeRoleResponse>\n";

    /// Whether the SDK accepts this body as a reply. The connection is closed after it.
    async fn is_accepted(body: &'static str) -> bool {
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
            .interceptor(RejectTruncated);
        let call = aws_sdk_sts::Client::from_conf(config.build()).assume_role();
        let reply = call.role_arn("arn").role_session_name("name").send().await;
        reply.is_ok()
    }

    #[tokio::test]
    async fn a_truncated_reply_is_rejected() {
        assert!(is_accepted(REPLY).await);
        let end = REPLY.find("-and-half").unwrap();
        assert!(!is_accepted(&REPLY[..end]).await);
        assert!(!is_accepted(&REPLY[..REPLY.len() - 2]).await);
    }
}
