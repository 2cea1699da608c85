//! Fetches the inputs of a request, immediately before the request. They are not stored.

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use kube::Api;
use kube::api::PostParams;
use secrecy::SecretString;

use super::client::Cluster;
use super::errors::{Failed, request};
use tempcred_core::fields::SecretKeyRef;
use tempcred_core::problem::{Problem, Reason};
use tempcred_core::request::inputs::{Input, Inputs, input_missing};
use tempcred_core::request::tokens;

/// Requested lifetime of a ServiceAccount token, in seconds: the shortest that Kubernetes accepts.
const TOKEN_LIFETIME: i64 = 600;

impl Cluster {
    /// Fetches the values of inputs.
    ///
    /// # Errors
    /// `InputMissing` if an input does not exist, `InvalidSpec` if it must not be sent to STS, `ClusterRefused` if the
    /// operator may not read it, and `ApiServerUnavailable`.
    pub async fn inputs(&self, namespace: &str, inputs: Vec<Input>) -> Result<Inputs, Problem> {
        let mut values = Inputs::default();
        for input in inputs {
            let value = match &input {
                Input::SecretKey(key) => self.secret_key(namespace, key).await?,
                Input::ServiceAccountToken { service_account, audience } => {
                    self.token(namespace, service_account, audience).await?
                }
            };
            values.insert(input, value);
        }
        Ok(values)
    }

    async fn secret_key(
        &self,
        namespace: &str,
        wanted: &SecretKeyRef,
    ) -> Result<SecretString, Problem> {
        let SecretKeyRef { name, key } = wanted;
        let api: Api<Secret> = Api::namespaced(self.values.clone(), namespace);
        let what = format!("Reading Secret {name}");
        let absent = format!("Secret {name} does not exist; the request needs its key {key}");
        let secret = request(&what, Reason::ClusterRefused, api.get_opt(name)).await;
        let secret = secret.map_err(|failed| missing_on_conflict(failed, &absent))?;
        let secret = secret.ok_or_else(|| input_missing(&absent))?;
        tokens::check_secret(name, secret.type_.as_deref())?;
        let value = secret.data.and_then(|mut data| data.remove(key));
        let value =
            value.ok_or_else(|| input_missing(&format!("Secret {name} has no key {key}")))?;
        let text = String::from_utf8(value.0);
        Ok(text
            .map_err(|_| input_missing(&format!("Key {key} of Secret {name} is not UTF-8 text")))?
            .into())
    }

    async fn token(
        &self,
        namespace: &str,
        name: &str,
        audience: &str,
    ) -> Result<SecretString, Problem> {
        tokens::check_account(namespace, name, self.user().await?)?;
        let api: Api<ServiceAccount> = Api::namespaced(self.values.clone(), namespace);
        let wanted = TokenRequest {
            spec: TokenRequestSpec {
                audiences: vec![audience.to_owned()],
                expiration_seconds: Some(TOKEN_LIFETIME),
                bound_object_ref: None,
            },
            ..TokenRequest::default()
        };
        let what = format!("Requesting a token for ServiceAccount {name}");
        let absent = format!("ServiceAccount {name} does not exist");
        let params = PostParams::default();
        let create = api.create_token_request(name, &params, &wanted);
        let reply = request(&what, Reason::ClusterRefused, create).await;
        let reply = reply.map_err(|failed| missing_on_conflict(failed, &absent))?;
        let token = reply.status.map(|status| status.token).unwrap_or_default();
        if tokens::needs_review(audience) && self.is_accepted(&token).await? {
            return Err(tokens::accepted_by_api_server(audience));
        }
        Ok(token.into())
    }
}

/// Converts a conflict: the object that contains the input does not exist.
fn missing_on_conflict(failed: Failed, absent: &str) -> Problem {
    match failed {
        Failed::Problem(problem) => problem,
        Failed::Conflict => input_missing(absent),
    }
}
