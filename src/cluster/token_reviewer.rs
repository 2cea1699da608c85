//! Asks the API server whether the user of a token may read a path.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use k8s_openapi::api::authentication::v1::UserInfo;
use k8s_openapi::api::authorization::v1::{
    NonResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec,
};
use kube::api::PostParams;
use kube::{Api, Client};
use secrecy::{ExposeSecret, SecretString};
use tempcred_core::problem::Reason;

use super::errors::{Failed, request};
use super::reviews::review_token;
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
        let what = "Reviewing a token for /metrics";
        let status = review_token(&self.values, token.expose_secret(), what).await;
        let status = status.map_err(|failed| no_answer(&failed))?;
        let user = status.user.filter(|_| status.authenticated == Some(true));
        let Some(user) = user else { return Ok(Review::Unauthenticated) };
        let name = user.username.clone().unwrap_or_default();
        match self.may_read(user, path).await? {
            true => Ok(Review::Allowed),
            false => Ok(Review::Forbidden { user: name }),
        }
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
