//! Why no reply of STS arrived.

use std::error::Error;
use std::io;

use aws_sdk_sts::error::SdkError;

/// What prevents a reply of STS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The name of the host does not resolve.
    Name,
    /// The host refuses connections to this port.
    Refused,
    /// There is no route to the host.
    NoRoute,
    /// The certificate of the host is rejected. Contains the reason.
    Certificate(String),
    /// The TLS handshake fails for another reason. Contains it.
    Tls(String),
    /// The connection broke.
    Broken,
    /// Nothing arrived in time.
    Timeout,
}

/// The obstacle of a call that got no reply. `None` if there was a reply, or no request.
pub(super) fn of<E>(error: &SdkError<E>) -> Option<Obstacle> {
    match error {
        SdkError::TimeoutError(_) => Some(Obstacle::Timeout),
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Some(Obstacle::Timeout),
        SdkError::DispatchFailure(failure) => {
            let error = failure.as_connector_error()?;
            Some(in_chain(error).unwrap_or(Obstacle::Broken))
        }
        _ => None,
    }
}

/// The first error in the chain that names an obstacle.
fn in_chain(error: &(dyn Error + 'static)) -> Option<Obstacle> {
    let mut next = Some(error);
    while let Some(error) = next {
        let found = match (error.downcast_ref::<io::Error>(), error.downcast_ref()) {
            (Some(error), _) => of_io(error),
            (_, Some(error)) => Some(of_tls(error)),
            _ => None,
        };
        if found.is_some() {
            return found;
        }
        next = match error.downcast_ref::<io::Error>() {
            // Its `source` is that of its payload, which would be skipped.
            Some(error) => error.get_ref().map(|inner| inner as &(dyn Error + 'static)),
            None => error.source(),
        };
    }
    None
}

fn of_io(error: &io::Error) -> Option<Obstacle> {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Some(Obstacle::Refused),
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::AddrNotAvailable => Some(Obstacle::NoRoute),
        io::ErrorKind::TimedOut => Some(Obstacle::Timeout),
        _ => None,
    }
}

fn of_tls(error: &rustls::Error) -> Obstacle {
    match error {
        rustls::Error::InvalidCertificate(why) => Obstacle::Certificate(why.to_string()),
        other => Obstacle::Tls(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustls::{AlertDescription, CertificateError};

    #[test]
    fn the_cause_in_the_chain_is_found() {
        let tls = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        for (row, error, expected) in [
            ("refused", io::ErrorKind::ConnectionRefused.into(), Some(Obstacle::Refused)),
            ("no route", io::ErrorKind::NetworkUnreachable.into(), Some(Obstacle::NoRoute)),
            ("a reset", io::ErrorKind::ConnectionReset.into(), None),
            (
                "a certificate",
                tls(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer)),
                Some(Obstacle::Certificate(CertificateError::UnknownIssuer.to_string())),
            ),
            (
                "an alert",
                tls(rustls::Error::AlertReceived(AlertDescription::HandshakeFailure)),
                Some(Obstacle::Tls(
                    rustls::Error::AlertReceived(AlertDescription::HandshakeFailure).to_string(),
                )),
            ),
        ] {
            // As the SDK wraps it.
            let wrapped = anyhow::Error::new(error).context("client error (Connect)");
            assert_eq!(in_chain(wrapped.as_ref()), expected, "{row}");
        }
    }
}
