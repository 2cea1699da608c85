//! Connects to the API server: where its address comes from, its version and its clock.

use axum::http::Request;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::version::Info;
use kube::client::Body;
use kube::config::Kubeconfig;
use kube::{Client, Config};

use super::request::{Failed, bounded};
use crate::cluster::clients;
use crate::commands::doctor::args::Doctor;
use crate::commands::doctor::check::{Check, Finding};
use crate::commands::doctor::clock::Difference;
use crate::commands::kubernetes;

/// Requests at the same time, about.
const CONNECTIONS: u16 = 8;

/// The oldest version of Kubernetes that tempcred supports, as in the chart.
const OLDEST: (u32, u32) = (1, 33);

/// A client, and where its configuration comes from.
pub struct Connection {
    /// The client.
    pub client: Client,
    /// The URL of the API server.
    pub server: String,
    /// Where its address comes from.
    pub origin: String,
    /// The namespace of the operator.
    pub namespace: String,
    /// Whether it impersonates a user.
    pub impersonates: bool,
}

/// Connects to the cluster of the flags. No request is made yet.
///
/// # Errors
/// If no cluster is configured.
pub async fn connect(args: &Doctor) -> Result<Connection, Finding> {
    let unusable = |error: anyhow::Error| {
        Finding::problem(
            Check::ApiServer,
            format!("No Kubernetes cluster is configured: {error:#}."),
            "Run it in the Pod of the operator, or set KUBECONFIG, --kubeconfig or --context.",
        )
    };
    let found = kubernetes::config(args.context.as_deref(), args.kubeconfig.as_deref()).await;
    let mut config = found.map_err(unusable)?;
    config.default_retry = false;
    if let Some(user) = &args.impersonate {
        config.auth_info.impersonate = Some(user.clone());
    }
    let server = without_user(&config.cluster_url.to_string());
    let namespace = args.namespace.as_ref().unwrap_or(&config.default_namespace).clone();
    let origin = origin(args, &config);
    let clients = clients(config, CONNECTIONS).map_err(|error| match error {
        // The error contains the URL of the proxy, which may contain a password.
        kube::Error::ProxyProtocolDisabled { .. } | kube::Error::ProxyProtocolUnsupported { .. } => {
            Finding::problem(
                Check::ApiServer,
                "The Kubernetes client of tempcred supports no proxy, but HTTPS_PROXY or the kubeconfig sets one.",
                "Unset HTTPS_PROXY and proxy-url, or run it in the Pod of the operator: with the ServiceAccount of a Pod, the client ignores HTTPS_PROXY.",
            )
        }
        other => unusable(other.into()),
    })?;
    let impersonates = args.impersonate.is_some();
    Ok(Connection { client: clients.watches, server, origin, namespace, impersonates })
}

/// A URL without a user name and password.
fn without_user(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}{path}")
}

/// Where the configuration comes from.
fn origin(args: &Doctor, config: &Config) -> String {
    let kubeconfig = match &args.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    // Without a kubeconfig, the client uses the ServiceAccount of the Pod.
    let Ok(kubeconfig) = kubeconfig else { return "the ServiceAccount of the Pod".to_owned() };
    let context = args.context.clone().or(kubeconfig.current_context).unwrap_or_default();
    let place = match (&args.kubeconfig, std::env::var("KUBECONFIG")) {
        (Some(path), _) => path.display().to_string(),
        (None, Ok(paths)) if !paths.is_empty() => paths,
        (None, _) => "~/.kube/config".to_owned(),
    };
    let user = match &config.auth_info.impersonate {
        Some(user) => format!(" as {user}"),
        None => String::new(),
    };
    format!("{place}, context {context}{user}")
}

/// What the API server says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Its version, such as `v1.36.3`.
    pub version: String,
    /// Major and minor version, if they can be read.
    pub number: Option<(u32, u32)>,
    /// The difference to its clock.
    pub clock: Option<Difference>,
}

/// Asks the API server for its version.
///
/// # Errors
/// If the request fails.
pub async fn server(client: &Client) -> Result<Server, Failed> {
    bounded(async {
        let request = Request::get("/version").body(Body::from(Vec::new()));
        let reply = client.send(request.map_err(kube::Error::HttpError)?).await?;
        let received_at = Timestamp::now();
        let date = reply.headers().get("date").and_then(|date| date.to_str().ok());
        let clock = date.and_then(|date| Difference::of(date, received_at));
        if reply.status().is_success() {
            let body = reply.into_body().collect_bytes().await?;
            let info = serde_json::from_slice(&body).map_err(kube::Error::SerdeError)?;
            return Ok(of_info(&info, clock));
        }
        // For the error in the body.
        let request = Request::get("/version").body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request::<Info>(request).await.map(|info| of_info(&info, clock))
    })
    .await
}

fn of_info(info: &Info, clock: Option<Difference>) -> Server {
    // A provider may write `33+`.
    let digits = |text: &str| text.trim_end_matches('+').parse().ok();
    let number = digits(&info.major).zip(digits(&info.minor));
    Server { version: info.git_version.clone(), number, clock }
}

/// Judges whether the API server can be used.
pub fn judge(connection: &Connection, server: &Result<Server, Failed>) -> Finding {
    let check = Check::ApiServer;
    let Connection { server: url, origin, impersonates, .. } = connection;
    match server {
        Ok(Server { version, number: Some(number), .. }) if *number < OLDEST => Finding::problem(
            check,
            format!("{url} runs Kubernetes {version}, which tempcred does not support ({origin})."),
            format!("Upgrade the cluster to Kubernetes {}.{} or later.", OLDEST.0, OLDEST.1),
        ),
        Ok(Server { version, .. }) => {
            Finding::ok(check, format!("{url}, Kubernetes {version} ({origin})."))
        }
        Err(Failed { code: Some(401), .. }) => Finding::problem(
            check,
            format!("{url} does not accept the credentials of this user ({origin})."),
            "Log in again, or check that the token of the ServiceAccount is mounted and the ServiceAccount exists.",
        ),
        Err(Failed { code: Some(403), why }) if *impersonates => Finding::problem(
            check,
            format!("{url} rejects the request ({origin}): {why}."),
            "Ask for the permission to impersonate this user, or run it in the Pod of the operator.",
        ),
        Err(Failed { code: Some(_), why }) => Finding::problem(
            check,
            format!("{url} rejects the request ({origin}): {why}."),
            "Change what the message names.",
        ),
        Err(Failed { code: None, why }) => Finding::problem(
            check,
            format!("{url} cannot be reached ({origin}): {why}."),
            "Check the address in the kubeconfig, and the network path to the API server: network policies (chart value networkPolicy.httpsTo), firewalls and proxies.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_version_is_that_of_the_chart() {
        let chart = include_str!("../../../../charts/tempcred/Chart.yaml");
        let (major, minor) = OLDEST;
        assert!(chart.contains(&format!("kubeVersion: \">={major}.{minor}.0-0\"")), "{chart}");
    }

    #[test]
    fn the_url_of_the_server_has_no_password() {
        for (url, expected) in [
            ("https://10.0.0.1:6443/", "https://10.0.0.1:6443"),
            (
                "https://rancher.example.com/k8s/clusters/c-1",
                "https://rancher.example.com/k8s/clusters/c-1",
            ),
            ("https://me:hush@10.0.0.1/", "https://10.0.0.1"),
        ] {
            assert_eq!(without_user(url), expected);
        }
    }

    #[test]
    fn the_versions_of_providers_are_read() {
        let info = |minor: &str| Info { major: "1".into(), minor: minor.into(), ..Info::default() };
        for (minor, expected) in [("33", Some((1, 33))), ("31+", Some((1, 31))), ("x", None)] {
            assert_eq!(of_info(&info(minor), None).number, expected, "{minor}");
        }
    }

    #[tokio::test]
    async fn an_old_cluster_and_a_refused_user_are_reported() {
        let config = Config::new("https://10.0.0.1".parse().unwrap());
        let connection = Connection {
            client: Client::try_from(config).unwrap(),
            server: "https://10.0.0.1".to_owned(),
            origin: "the ServiceAccount of the Pod".to_owned(),
            namespace: "a".to_owned(),
            impersonates: false,
        };
        let server = |minor| {
            Ok(Server { version: format!("v1.{minor}.0"), number: Some((1, minor)), clock: None })
        };
        let failed = |code| Err(Failed { code, why: "why".to_owned() });
        for (server, part) in [
            (server(33), "Kubernetes v1.33.0 (the ServiceAccount"),
            (server(32), "does not support"),
            (failed(Some(401)), "does not accept"),
            (failed(Some(403)), "rejects the request"),
            (failed(None), "cannot be reached (the ServiceAccount of the Pod): why."),
        ] {
            let finding = judge(&connection, &server);
            assert!(finding.message.contains(part), "{finding:?}");
        }
    }
}
