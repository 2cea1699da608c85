//! The least that any operator does: a small Secret, and the status of a resource without a schema.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams};
use serde_json::json;

use super::Sts;
use crate::figures::{Figure, Figures};
use crate::scene::{Scene, name, namespace, role_arn};

/// Measures it.
pub async fn measure(scene: &Scene) -> Result<Figures> {
    scene.create_resources().await?;
    let (client, sts, kind) = (scene.admin.clone(), Sts::of(scene), scene.kind());
    super::measure(scene, Figure::BareFloorRate, Figure::BareFloorCpu, move |number| {
        let (client, sts, kind) = (client.clone(), sts.clone(), kind.clone());
        async move {
            let (namespace, name) = (namespace(number), name(number));
            let reply = sts.assume_role(&role_arn(number), &name).await?;
            let credentials = reply.credentials.context("no credentials")?;
            let expiration = credentials.expiration.to_string();
            let secret = json!({
                "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
                "stringData": {
                    "AWS_ACCESS_KEY_ID": credentials.access_key_id,
                    "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
                    "AWS_SESSION_TOKEN": credentials.session_token,
                },
            });
            Api::<Secret>::namespaced(client.clone(), &namespace)
                .patch(&name, &PatchParams::apply("scale").force(), &Patch::Apply(secret))
                .await?;
            Api::<DynamicObject>::namespaced_with(client, &namespace, &kind)
                .patch_status(
                    &name,
                    &PatchParams::default(),
                    &Patch::Merge(json!({"status": {"expiration": expiration}})),
                )
                .await?;
            Ok(())
        }
    })
    .await
}
