//! The server behind the interceptor.

use anyhow::{Context, Result};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};

/// A client of one server.
pub(super) struct Upstream {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    base: String,
}

impl Upstream {
    /// `base` is `http://HOST:PORT` or `https://HOST:PORT`. `ca` is the PEM file of its authority.
    ///
    /// # Errors
    /// If `ca` is not a certificate.
    pub(super) fn new(base: &str, ca: Option<&[u8]>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        // The file of an API server that signed its own certificate contains both that and its authority.
        for certificate in CertificateDer::pem_slice_iter(ca.unwrap_or_default()) {
            roots.add(certificate.context("the CA is no PEM file")?)?;
        }
        let tls = ClientConfig::builder_with_provider(default_provider().into())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Ok(Self { client, base: base.trim_end_matches('/').to_owned() })
    }

    /// Makes a request. Its URI has only a path and a query.
    pub(super) async fn send(&self, request: Request<Bytes>) -> Result<Response<Incoming>> {
        let (Parts { method, uri, version: _, headers, .. }, body) = request.into_parts();
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        let uri: Uri = format!("{}{path}", self.base).parse()?;
        let mut outgoing = Request::builder().method(method).uri(uri).body(Full::new(body))?;
        *outgoing.headers_mut() = headers;
        // The header names the interceptor. STS signs it, so it stays if it is there.
        Ok(self.client.request(outgoing).await?)
    }

    /// The status and the whole body of a reply.
    pub(super) async fn whole(&self, reply: Response<Incoming>) -> Result<(StatusCode, Bytes)> {
        let status = reply.status();
        Ok((status, reply.into_body().collect().await?.to_bytes()))
    }
}
