//! Asks the API server who the operator is, and which tokens it accepts.

use k8s_openapi::api::authentication::v1::{
    SelfSubjectReview, TokenReview, TokenReviewSpec, TokenReviewStatus, UserInfo,
};
use kube::api::PostParams;
use kube::{Api, Client};
use tempcred_core::problem::{Problem, Reason};

use super::client::Cluster;
use super::errors::{Failed, request};

impl Cluster {
    /// The user name of the operator in the cluster. It is requested once.
    ///
    /// # Errors
    /// `ClusterRefused` or `ApiServerUnavailable`. The next call requests it again.
    pub(super) async fn user(&self) -> Result<&str, Problem> {
        let user = self.user.get_or_try_init(|| async {
            let api: Api<SelfSubjectReview> = Api::all(self.client.clone());
            let review = SelfSubjectReview::default();
            let params = PostParams::default();
            let what = "Requesting the user name of the operator";
            let reply = request(what, Reason::ClusterRefused, api.create(&params, &review)).await;
            let status = reply.map_err(|failed| not_served(what, failed))?.status;
            let UserInfo { username, .. } =
                status.unwrap_or_default().user_info.unwrap_or_default();
            Ok(username.unwrap_or_default())
        });
        user.await.map(String::as_str)
    }

    /// Whether the API server accepts a token.
    ///
    /// # Errors
    /// `ClusterRefused` or `ApiServerUnavailable`.
    pub(super) async fn is_accepted(&self, token: &str) -> Result<bool, Problem> {
        let what = "Checking that the API server does not accept a token for STS";
        let status = review_token(&self.values, token, what).await;
        let status = status.map_err(|failed| not_served(what, failed))?;
        Ok(status.authenticated.unwrap_or_default())
    }
}

/// Asks the API server whether it accepts a token. `values` is the client for requests whose replies contain secret
/// values, because the reply repeats the token. `what` describes the request.
pub(super) async fn review_token(
    values: &Client,
    token: &str,
    what: &str,
) -> Result<TokenReviewStatus, Failed> {
    let api: Api<TokenReview> = Api::all(values.clone());
    // Without audiences, the API server compares those of the token with its own.
    let spec = TokenReviewSpec { token: Some(token.to_owned()), audiences: None };
    let review = TokenReview { spec, ..TokenReview::default() };
    let params = PostParams::default();
    let reply = request(what, Reason::ClusterRefused, api.create(&params, &review)).await?;
    Ok(reply.status.unwrap_or_default())
}

/// Converts a conflict: the API server does not know the type of the request.
fn not_served(what: &str, failed: Failed) -> Problem {
    match failed {
        Failed::Problem(problem) => problem,
        Failed::Conflict => Problem::new(
            Reason::ClusterRefused,
            format!(
                "{what} failed: the API server does not serve this request. {}",
                Reason::ClusterRefused.advice()
            ),
        ),
    }
}
