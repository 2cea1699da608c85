//! Asks the API server whether the user of a token may read a path.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec, UserInfo};
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use tempcred_core::problem::Reason;

use super::errors::{Failed, request};
use crate::telemetry::http::{Review, ReviewFailed, Reviewer};

/// Timeout for a review. Prometheus waits 10 s for a scrape by default.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Makes a TokenReview, and then a SubjectAccessReview for the user of the token.
pub struct TokenReviewer {
    values: Client,
}

impl TokenReviewer {
    /// Uses the client for requests whose replies contain secret values: a TokenReview repeats the token.
    pub fn new(values: Client) -> Self {
        Self { values }
    }

    async fn review(
        &self,
        token: SecretString,
        path: &'static str,
    ) -> Result<Review, ReviewFailed> {
        let Some(user) = self.user(token).await? else { return Ok(Review::Unauthenticated) };
        let name = user.username.clone().unwrap_or_default();
        match self.may_read(user, path).await? {
            true => Ok(Review::Allowed),
            false => Ok(Review::Forbidden { user: name }),
        }
    }

    /// The user of a token. `None` if the token is not valid.
    async fn user(&self, token: SecretString) -> Result<Option<UserInfo>, ReviewFailed> {
        let spec = TokenReviewSpec { token: Some(token.expose_secret().into()), audiences: None };
        let review = TokenReview { spec, ..TokenReview::default() };
        let api: Api<TokenReview> = Api::all(self.values.clone());
        let params = PostParams::default();
        let create = api.create(&params, &review);
        let reviewed = request("Reviewing a token for /metrics", Reason::ClusterRefused, create);
        let reviewed = reviewed.await.map_err(|failed| no_answer(&failed))?;
        let status = reviewed.status.unwrap_or_default();
        Ok(status.user.filter(|_| status.authenticated == Some(true)))
    }

    async fn may_read(&self, user: UserInfo, path: &str) -> Result<bool, ReviewFailed> {
        let attributes =
            NonResourceAttributes { path: Some(path.to_owned()), verb: Some("get".to_owned()) };
        let spec = SubjectAccessReviewSpec {
            user: user.username,
            uid: user.uid,
            groups: user.groups,
            extra: user.extra,
            non_resource_attributes: Some(attributes),
            ..SubjectAccessReviewSpec::default()
        };
        let review = SubjectAccessReview { spec, ..SubjectAccessReview::default() };
        let api: Api<SubjectAccessReview> = Api::all(self.values.clone());
        let params = PostParams::default();
        let create = api.create(&params, &review);
        let reviewed = request("Reviewing access to /metrics", Reason::ClusterRefused, create);
        let reviewed = reviewed.await.map_err(|failed| no_answer(&failed))?;
        let status = reviewed.status.unwrap_or_default();
        Ok(status.allowed && status.denied != Some(true))
    }
}

impl Reviewer for TokenReviewer {
    fn review(
        &self,
        token: SecretString,
        path: &'static str,
    ) -> BoxFuture<'_, Result<Review, ReviewFailed>> {
        let review = tokio::time::timeout(TIMEOUT, self.review(token, path));
        let late = "Reviewing a token for /metrics failed: the API server did not reply in time";
        review.map(|done| done.unwrap_or_else(|_| Err(ReviewFailed(late.to_owned())))).boxed()
    }
}

fn no_answer(failed: &Failed) -> ReviewFailed {
    ReviewFailed(match failed {
        Failed::Problem(problem) => problem.message.clone(),
        Failed::Conflict => {
            "Reviewing a token for /metrics failed: the API server has no such resource".to_owned()
        }
    })
}
