//! The HTTP listener: TLS, tokens, and peers that mean harm.

pub mod access;
mod flood;
mod tls;

use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

use crate::world::{SOON, World, wait_until};

/// The name in the certificates.
const NAME: &str = "tempcred-metrics.test.svc";

/// The two files of a certificate, in a folder, as Kubernetes mounts a Secret.
pub struct Files {
    folder: PathBuf,
}

impl Files {
    fn new(world: &World) -> Self {
        let folder = world.rig.dir().join(format!("{}-certificate", world.namespace));
        fs::create_dir(&folder).unwrap();
        Self { folder }
    }

    fn path(&self, file: &str) -> String {
        self.folder.join(file).display().to_string()
    }

    /// The flags of the operator.
    fn flags(&self) -> [String; 4] {
        let flag = str::to_owned;
        let (certificate, key) = (self.path("tls.crt"), self.path("tls.key"));
        [flag("--metrics-tls-cert"), certificate, flag("--metrics-tls-key"), key]
    }

    /// Replaces the certificate and its key by new ones. Returns the certificate.
    fn replace(&self) -> String {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(vec![NAME.to_owned()]).unwrap();
        write(Path::new(&self.path("tls.key")), &signing_key.serialize_pem());
        write(Path::new(&self.path("tls.crt")), &cert.pem());
        cert.pem()
    }
}

/// Writes a file at once, as the kubelet does.
fn write(path: &Path, content: &str) {
    let new = path.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, path).unwrap();
}

/// A client that trusts one certificate, or uses no TLS.
#[derive(Clone)]
pub struct Scraper {
    address: SocketAddr,
    tls: Option<TlsConnector>,
}

/// A status code and a body.
pub type Answer = (u16, String);

impl Scraper {
    pub fn new(address: SocketAddr, certificate: Option<&str>) -> Self {
        let tls = certificate.map(|pem| {
            let mut roots = RootCertStore::empty();
            let certificate = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes());
            roots.add(certificate.unwrap()).unwrap();
            let provider = rustls::crypto::aws_lc_rs::default_provider();
            let config = ClientConfig::builder_with_provider(Arc::new(provider))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            TlsConnector::from(Arc::new(config))
        });
        Self { address, tls }
    }

    /// Gets a page. None if there is no answer.
    pub async fn get(&self, path: &str, token: Option<&str>) -> Option<Answer> {
        let stream = TcpStream::connect(self.address).await.ok()?;
        self.ask(stream, path, token).await
    }

    async fn ask(&self, stream: TcpStream, path: &str, token: Option<&str>) -> Option<Answer> {
        let token = token.map(|token| format!("Authorization: Bearer {token}\r\n"));
        let token = token.unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\n{token}\r\n");
        match &self.tls {
            None => exchange(stream, &request).await,
            Some(tls) => {
                let name = ServerName::try_from(NAME).unwrap();
                exchange(tls.connect(name, stream).await.ok()?, &request).await
            }
        }
    }

    /// The same from another address of this host.
    async fn get_from(&self, from: IpAddr, path: &str) -> Option<Answer> {
        self.ask(connect_from(from, self.address).await?, path, None).await
    }

    async fn wait_until_ready(&self) {
        wait_until("the operator is ready", SOON, || async {
            self.get("/readyz", None).await.filter(|(status, _)| *status == 200)
        })
        .await;
    }
}

async fn exchange(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    request: &str,
) -> Option<Answer> {
    stream.write_all(request.as_bytes()).await.ok()?;
    let mut reply = String::new();
    // A server that closes the connection without the last message of TLS is no error here: the length is checked.
    let _ = stream.read_to_string(&mut reply).await;
    let (head, body) = reply.split_once("\r\n\r\n")?;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    let status = head.strip_prefix("HTTP/1.1 ")?.get(..3)?.parse().ok()?;
    (body.len() == length.parse::<usize>().ok()?).then(|| (status, body.to_owned()))
}

/// Connects from an address of this host.
async fn connect_from(from: IpAddr, to: SocketAddr) -> Option<TcpStream> {
    let socket = TcpSocket::new_v4().ok()?;
    socket.bind((from, 0).into()).ok()?;
    socket.connect(to).await.ok()
}
