//! The certificate of the listener. Its files are read again when they change, because a certificate is replaced while
//! the operator runs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

/// How often the files are read, at most. They are read only when a connection arrives.
const READ_EVERY: Duration = Duration::from_secs(1);

/// A certificate and its private key, in PEM files.
pub struct Certificates {
    certificate: PathBuf,
    key: PathBuf,
    current: Mutex<Current>,
}

struct Current {
    acceptor: TlsAcceptor,
    /// Of the content that was last read, valid or not: an invalid one is reported once.
    digest: [u8; 32],
    read_at: Instant,
}

impl Certificates {
    /// Reads the files.
    ///
    /// # Errors
    /// If a file cannot be read, or the files contain no certificate with its key.
    pub fn read(certificate: PathBuf, key: PathBuf) -> anyhow::Result<Self> {
        let files = Files::read(&certificate, &key)?;
        let acceptor = files.acceptor()?;
        let current =
            Mutex::new(Current { acceptor, digest: files.digest(), read_at: Instant::now() });
        Ok(Self { certificate, key, current })
    }

    /// Accepts TLS connections with the current certificate. While the files are invalid, that is the last valid one:
    /// the two files may not change at the same moment.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if current.read_at.elapsed() >= READ_EVERY {
            current.read_at = Instant::now();
            if let Err(error) = current.reread(&self.certificate, &self.key) {
                tracing::warn!(
                    error = format!("{error:#}"),
                    "the new certificate for /metrics is not used: correct the files of --metrics-tls-cert and --metrics-tls-key"
                );
            }
        }
        current.acceptor.clone()
    }
}

impl Current {
    fn reread(&mut self, certificate: &Path, key: &Path) -> anyhow::Result<()> {
        let files = match Files::read(certificate, key) {
            Ok(files) => files,
            // Reported once, until the files can be read again.
            Err(_) if self.digest == [0; 32] => return Ok(()),
            Err(error) => {
                self.digest = [0; 32];
                return Err(error);
            }
        };
        let digest = files.digest();
        if digest != self.digest {
            self.digest = digest;
            self.acceptor = files.acceptor()?;
            tracing::info!("the certificate for /metrics was replaced");
        }
        Ok(())
    }
}

/// The content of the files.
struct Files {
    certificate: Vec<u8>,
    key: Vec<u8>,
}

impl Files {
    fn read(certificate: &Path, key: &Path) -> anyhow::Result<Self> {
        let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {path:?}"));
        Ok(Self { certificate: read(certificate)?, key: read(key)? })
    }

    fn digest(&self) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.certificate.len().to_be_bytes());
        digest.update(&self.certificate);
        digest.update(&self.key);
        digest.finalize().into()
    }

    /// Accepts connections with this certificate. The errors of the parser do not quote the files.
    fn acceptor(&self) -> anyhow::Result<TlsAcceptor> {
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&self.certificate).collect();
        let chain = chain.context("the certificate is not valid PEM")?;
        ensure!(!chain.is_empty(), "there is no certificate in the file");
        let key = PrivateKeyDer::from_pem_slice(&self.key)
            .context("the file of the key contains no private key in PEM")?;
        let mut config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .context("the certificate and the key cannot be used together")?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Each connection serves one request. Without resumption, a peer cannot make the operator remember sessions.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(TlsAcceptor::from(Arc::new(config)))
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertifiedKey, generate_simple_self_signed};

    use super::*;

    fn generated() -> (String, String) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec!["tempcred".to_owned()]).unwrap();
        (cert.pem(), signing_key.serialize_pem())
    }

    #[test]
    fn rejects_files_that_do_not_belong_together_and_shows_no_key() {
        let ((certificate, key), (_, other)) = (generated(), generated());
        let cut = key[..key.len() / 2].to_owned();
        let rows = [
            ("both", &certificate, &key, None),
            ("the key of another", &certificate, &other, Some("cannot be used together")),
            ("half a key", &certificate, &cut, Some("no private key")),
            ("no key", &certificate, &certificate, Some("no private key")),
            ("no certificate", &key, &key, Some("no certificate")),
            ("empty", &String::new(), &String::new(), Some("no certificate")),
        ];
        for (row, certificate, key, complaint) in rows {
            let files = Files { certificate: certificate.clone().into(), key: key.clone().into() };
            match (files.acceptor(), complaint) {
                (Ok(_), None) => {}
                (Err(error), Some(complaint)) => {
                    let error = format!("{error:#} {error:?}");
                    assert!(error.contains(complaint), "{row}: {error}");
                    let body = key.lines().nth(1).unwrap_or("empty");
                    assert!(!error.contains(body), "{row}");
                }
                (accepted, _) => panic!("{row}: {}", accepted.is_ok()),
            }
        }
    }
}
