//! Which tokens of ServiceAccounts the operator may request.

use k8s_openapi::api::authentication::v1::TokenRequest;
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::api::PostParams;
use kube::{Api, Client};
use serde_json::json;

use super::Guard;

/// A ServiceAccount other than the operator's.
pub const TENANT: &str = "tenant";

/// The audience that AWS expects.
const STS: &str = "sts.amazonaws.com";

/// Requests a token of a ServiceAccount, given by namespace and name.
pub async fn request_as(
    client: Client,
    (namespace, account): (&str, &str),
    audiences: &[&str],
    seconds: i64,
) -> kube::Result<()> {
    let spec = json!({"spec": {"audiences": audiences, "expirationSeconds": seconds}});
    let wanted: TokenRequest = serde_json::from_value(spec).unwrap();
    let api: Api<ServiceAccount> = Api::namespaced(client, namespace);
    let given = api.create_token_request(account, &PostParams::default(), &wanted).await?;
    assert!(!given.status.unwrap().token.is_empty());
    Ok(())
}

/// The same as the operator, of a tenant's ServiceAccount.
pub async fn request(guard: &Guard, audiences: &[&str], seconds: i64) -> kube::Result<()> {
    let account = (guard.world.namespace.as_str(), TENANT);
    request_as(guard.client.clone(), account, audiences, seconds).await
}

#[tokio::test]
async fn a_stolen_operator_token_gets_only_tokens_of_other_accounts_for_aws() {
    let guard = Guard::new(&[]).await;
    request(&guard, &[STS], 600).await.unwrap();
    let issuer = guard.world.rig.server();
    for (row, audiences) in [
        ("the API server's", &[issuer][..]),
        ("none, which is the API server's", &[]),
        ("two, the second foreign", &[STS, issuer]),
        ("two, the first foreign", &["vault", STS]),
        ("another", &["vault"]),
        ("one that begins like it", &["sts.amazonaws.com.example.com"]),
        ("empty", &[""]),
    ] {
        let said = guard.refused("token-audience", row, request(&guard, audiences, 600).await);
        assert!(said.contains(&format!("for {STS} only")), "{row}: {said}");
        for audience in audiences {
            assert!(said.contains(audience), "{row}: {said}");
        }
        assert!(said.contains("admissionPolicies.tokenAudiences"), "{row}: {said}");
    }
    let long = guard.refused("token-audience", "long", request(&guard, &[STS], 601).await);
    assert!(long.contains("600 seconds"), "{long}");

    // Not of its own ServiceAccount, which AWS knows as the operator.
    let account = (guard.world.namespace.as_str(), "tempcred");
    let tried = request_as(guard.client.clone(), account, &[STS], 600).await;
    let said = guard.refused("token-audience", "its own", tried);
    assert!(said.contains("no token of its own ServiceAccount"), "{said}");
    request(&guard, &[STS], 600).await.unwrap();

    // Other users request tokens as before.
    for audiences in [&[issuer][..], &[], &["vault"]] {
        request_as(guard.world.client.clone(), account, audiences, 86400).await.unwrap();
    }
}

#[tokio::test]
async fn other_audiences_can_be_allowed() {
    let china = "sts.amazonaws.com.cn";
    let set = format!("--set=admissionPolicies.tokenAudiences={{{STS},{china}}}");
    let guard = Guard::new(&[&set]).await;
    for audiences in [&[STS][..], &[china], &[china, STS]] {
        request(&guard, audiences, 600).await.unwrap();
    }
    let said = guard.refused("token-audience", "vault", request(&guard, &["vault"], 600).await);
    assert!(said.contains(&format!("for {STS}, {china} only")), "{said}");
}
