//! The checks of the cluster: [`gather`] makes the requests, and [`judge`] decides.

mod connection;
mod crds;
mod features;
mod leader;
mod namespaces;
mod request;
mod rights;
mod schema;

use futures::future::OptionFuture;
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::PostParams;
use kube::{Api, Client};
use tempcred_core::api::StoredGrant;

use self::connection::{Connection, Server};
use self::request::{Failed, bounded};
use super::args::Doctor;
use super::check::{Check, Finding};
use super::clock::Difference;
use super::grant::{self, GrantFacts};
use crate::commands::kubernetes::pages;

/// Grants in a page.
const PAGE: u32 = 500;

/// What was found out about the cluster.
pub enum Facts {
    /// Without a configuration, no request is made.
    Unconfigured(Finding),
    /// The API server does not reply to the first request.
    Unreachable(Box<Connection>, Failed),
    /// The replies.
    Reached(Box<Reached>),
}

/// The replies of the API server.
pub struct Reached {
    connection: Connection,
    server: Server,
    user: Result<String, Failed>,
    crds: crds::Facts,
    answers: Vec<rights::Answer>,
    features: features::Facts,
    namespaces: Vec<namespaces::Served>,
    grants: Result<Vec<GrantFacts>, Failed>,
    /// `None` without leader election.
    lease: Option<Result<Option<Lease>, Failed>>,
}

impl Facts {
    /// The difference to the clock of the API server.
    pub fn clock(&self) -> Option<Difference> {
        match self {
            Self::Reached(reached) => reached.server.clock,
            Self::Unconfigured(_) | Self::Unreachable(..) => None,
        }
    }

    /// The grants. None if they are not known.
    pub fn grants(&self) -> &[GrantFacts] {
        match self {
            Self::Reached(reached) => reached.grants.as_deref().unwrap_or_default(),
            Self::Unconfigured(_) | Self::Unreachable(..) => &[],
        }
    }
}

/// Makes all requests to the cluster. Only reviews are created, which the API server does not store.
pub async fn gather(args: &Doctor) -> Facts {
    let connection = match connection::connect(args).await {
        Ok(connection) => connection,
        Err(finding) => return Facts::Unconfigured(finding),
    };
    let Connection { client, namespace, .. } = &connection;
    let server = match connection::server(client).await {
        Ok(server) => server,
        Err(failed) => return Facts::Unreachable(Box::new(connection), failed),
    };
    let lease = args.leader_elect.then(|| leader::gather(client, namespace, &args.lease_name));
    let permissions = async {
        let answers = rights::ask(client, rights::questions(args, namespace)).await;
        let features = features::gather(client, args, &answers).await;
        (answers, features)
    };
    let (user, crds, (answers, features), namespaces, grants, lease) = tokio::join!(
        user(client),
        crds::gather(client),
        permissions,
        namespaces::gather(client, &args.namespaces),
        grants(client, args.cluster_name.as_deref()),
        OptionFuture::from(lease),
    );
    Facts::Reached(Box::new(Reached {
        server,
        user,
        crds,
        answers,
        features,
        namespaces,
        grants,
        lease,
        connection,
    }))
}

/// The name of the user.
async fn user(client: &Client) -> Result<String, Failed> {
    let api = Api::<SelfSubjectReview>::all(client.clone());
    let review = bounded(api.create(&PostParams::default(), &SelfSubjectReview::default())).await?;
    let user = review.status.and_then(|status| status.user_info);
    Ok(user.and_then(|user| user.username).unwrap_or_default())
}

async fn grants(client: &Client, cluster_name: Option<&str>) -> Result<Vec<GrantFacts>, Failed> {
    let api = Api::<StoredGrant>::all(client.clone());
    let stored = bounded(pages(&api, PAGE)).await?;
    Ok(grant::facts(&stored, cluster_name))
}

/// Judges the replies, for an operator in this region.
pub fn judge(facts: &Facts, region: Option<&str>, now: Timestamp) -> Vec<Finding> {
    let (first, reached) = match facts {
        Facts::Unconfigured(finding) => (finding.clone(), None),
        Facts::Unreachable(connection, failed) => {
            (connection::judge(connection, &Err(failed.clone())), None)
        }
        Facts::Reached(reached) => {
            let server = Ok(reached.server.clone());
            (connection::judge(&reached.connection, &server), Some(reached))
        }
    };
    let Some(reached) = reached else {
        let of_cluster = Check::ALL.iter().filter(|check| check.group() == first.check.group());
        let skipped = of_cluster
            .filter(|check| **check != first.check)
            .map(|check| Finding::skipped(*check, "The API server cannot be used."));
        return std::iter::once(first.clone()).chain(skipped).collect();
    };
    let mut findings = vec![first, of_user(&reached.user)];
    findings.extend(crds::judge(&reached.crds));
    let user = reached.user.as_deref().unwrap_or("This user");
    findings.extend(rights::judge(user, &reached.answers));
    findings.extend(features::judge(&reached.features));
    findings.extend(namespaces::judge(&reached.namespaces));
    findings.extend(match &reached.grants {
        Ok(grants) => grant::judge(grants, region),
        Err(Failed { why, .. }) => vec![Finding::problem(
            Check::Grants,
            format!("They cannot be listed: {why}."),
            "See the checks CRDs and RBAC: without the grants, the operator does not use its AWS identity.",
        )],
    });
    findings.push(match &reached.lease {
        Some(lease) => leader::judge(lease, now),
        None => Finding::skipped(Check::Leader, "Leader election is not enabled (--leader-elect)."),
    });
    findings
}

/// The user whose permissions are checked.
fn of_user(user: &Result<String, Failed>) -> Finding {
    let check = Check::User;
    match user {
        Ok(user) if user.starts_with("system:serviceaccount:") => {
            Finding::ok(check, format!("{user}."))
        }
        Ok(user) => Finding::warning(
            check,
            format!(
                "{user} is not a ServiceAccount. The permissions are those of this user, which may not be the user of the operator."
            ),
            "Run it in the Pod of the operator, or add --as system:serviceaccount:NAMESPACE:NAME with the ServiceAccount of the operator.",
        ),
        Err(Failed { why, .. }) => Finding::warning(
            check,
            format!("The API server does not say who this user is: {why}."),
            "Check that the user may create SelfSubjectReviews (ClusterRole system:basic-user).",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::doctor::check::Level;

    #[test]
    fn without_a_cluster_every_other_check_is_skipped() {
        let first = Finding::problem(Check::ApiServer, "There is none.", "Set KUBECONFIG.");
        let findings = judge(&Facts::Unconfigured(first.clone()), None, Timestamp::UNIX_EPOCH);
        assert_eq!((findings.len(), &findings[0]), (8, &first));
        assert!(findings[1..].iter().all(|finding| finding.level == Level::Skipped));
    }

    #[test]
    fn a_user_that_is_no_service_account_may_be_another_than_the_operators() {
        let level = |user: &str| of_user(&Ok(user.to_owned())).level;
        assert_eq!(level("system:serviceaccount:tempcred-system:tempcred"), Level::Ok);
        assert_eq!(level("alice"), Level::Warning);
    }
}
