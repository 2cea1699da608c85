//! What an injected Pod looks like.

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams, PostParams};
use serde_json::{Value, json};

use super::{GUIDE, Injection, alone, create, crowded, pod, shown, status, unlabelled};
use crate::world::{SOON, wait_until};

/// Each kind of Pod, with its mode.
fn rows() -> [(&'static str, &'static str, Value); 4] {
    [
        ("files_in_one_container", "files", alone()),
        ("files_in_many_containers", "files", crowded()),
        ("an_agent_for_one_container", "agent", alone()),
        ("an_agent_for_many_containers", "agent", crowded()),
    ]
}

#[tokio::test]
async fn every_container_gets_the_credentials_as_the_guide_says() {
    let injection = Injection::new().await;
    for (row, mode, spec) in rows() {
        let asked = pod("reports", mode, spec);
        let injected = injection.create(&asked).await.unwrap();
        insta::assert_snapshot!(row, shown(&injected));
        assert_eq!(status(&injected), Some("injected"), "{row}");
        let added = &injected["spec"]["containers"][0]["env"].as_array().unwrap().last().unwrap();
        let text = |field: &str| added[field].as_str().unwrap().to_owned();
        let variable = format!("`{}={}`", text("name"), text("value"));
        assert!(GUIDE.contains(&variable), "the guide does not say {variable}");
    }
}

#[tokio::test]
async fn a_pod_that_is_injected_already_stays_as_it_is() {
    let injection = Injection::new().await;
    for (row, mode, spec) in rows() {
        let mut pod = pod(&row.replace('_', "-"), mode, spec);
        let first = create(&injection.pods(), &pod, false).await.unwrap();
        // A copy, as users make them with `kubectl get --output yaml`.
        pod["metadata"]["annotations"] = first["metadata"]["annotations"].clone();
        pod["metadata"]["name"] = "copy".into();
        pod["spec"] = first["spec"].clone();
        let second = injection.create(&pod).await.unwrap();
        assert_eq!(second["spec"], first["spec"], "{row}");
        assert_eq!(second["metadata"]["annotations"], first["metadata"]["annotations"], "{row}");
    }
}

#[tokio::test]
async fn a_pod_without_a_mode_gets_files() {
    let injection = Injection::new().await;
    let files = pod("reports", "files", crowded());
    let mut default = files.clone();
    default["metadata"]["labels"].as_object_mut().unwrap().remove("tempcred.dev/inject-mode");
    let files = injection.create(&files).await.unwrap();
    let default = injection.create(&default).await.unwrap();
    assert_eq!(files["spec"], default["spec"]);
}

#[tokio::test]
async fn a_profile_may_be_one_of_the_mounted_file() {
    let injection = Injection::new().await;
    let mut spec = alone();
    spec["containers"][0]["env"] = json!([{"name": "AWS_PROFILE", "value": "reports"}]);
    let injected = injection.create(&pod("reports", "files", spec)).await.unwrap();
    assert_eq!(status(&injected), Some("injected"));
}

#[tokio::test]
async fn a_container_that_another_policy_adds_is_injected_too() {
    let mut injection = Injection::new().await;
    let own = injection.world.namespace.clone();
    let object = |kind: &str, spec: Value| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": kind,
            "metadata": {"name": format!("zz-late.{own}")}, "spec": spec,
        })
    };
    let late = "Object{spec: Object.spec{containers: [Object.spec.containers{name: 'late', image: 'late'}]}}";
    let policy = json!({
        "reinvocationPolicy": "Never",
        "matchConstraints": {"resourceRules": [{
            "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"],
        }]},
        "mutations": [{"patchType": "ApplyConfiguration", "applyConfiguration": {"expression": late}}],
    });
    let binding = json!({
        "policyName": format!("zz-late.{own}"),
        "matchResources": {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": own}}},
    });
    injection.install(&[
        object("MutatingAdmissionPolicy", policy),
        object("MutatingAdmissionPolicyBinding", binding),
    ]);
    for (mode, variable) in
        [("files", "AWS_SHARED_CREDENTIALS_FILE"), ("agent", "AWS_CONTAINER_CREDENTIALS_FULL_URI")]
    {
        let pod = pod("reports", mode, alone());
        let containers = wait_until("the container is added", SOON, || async {
            let created = injection.create(&pod).await.unwrap();
            let containers = created["spec"]["containers"].as_array().unwrap().clone();
            (containers.len() == 2).then_some(containers)
        })
        .await;
        for container in containers {
            assert_eq!(container["env"][0]["name"], variable, "{container}");
        }
    }
}

#[tokio::test]
async fn the_pods_of_a_deployment_are_injected() {
    let injection = Injection::new().await;
    let template = pod("reports", "agent", alone());
    let mut labels = template["metadata"]["labels"].clone();
    labels["app"] = "reports".into();
    let deployment = json!({
        "metadata": {"name": "reports"},
        "spec": {
            "selector": {"matchLabels": {"app": "reports"}},
            "template": {"metadata": {"labels": labels}, "spec": template["spec"]},
        },
    });
    let client = injection.world.client.clone();
    let deployments = Api::<Deployment>::namespaced(client, &injection.world.namespace);
    let deployment = serde_json::from_value(deployment).unwrap();
    deployments.create(&PostParams::default(), &deployment).await.unwrap();
    let found = wait_until("the Pod of the Deployment", SOON, || async {
        let all =
            injection.pods().list(&ListParams::default().labels("app=reports")).await.unwrap();
        all.items.into_iter().next()
    })
    .await;
    let found = serde_json::to_value(found).unwrap();
    assert_eq!(found["spec"]["initContainers"][0]["name"], "tempcred-agent", "{found}");
    assert_eq!(status(&found), Some("injected"));
}

#[tokio::test]
async fn the_agent_satisfies_the_restricted_security_standard() {
    let injection = Injection::new().await;
    let level = "pod-security.kubernetes.io/enforce=restricted";
    injection.world.kubectl(&["label", "namespace", &injection.world.namespace, level]);
    let lax = pod("lax", "agent", alone());
    let refusal = wait_until("the standard is enforced", SOON, || async {
        injection.create(&lax).await.err().map(|error| error.to_string())
    })
    .await;
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
    let mut spec = alone();
    spec["containers"][0]["securityContext"] = json!({
        "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true,
        "seccompProfile": {"type": "RuntimeDefault"},
    });
    for mode in ["files", "agent"] {
        let injected = injection.create(&pod("strict", mode, spec.clone())).await.unwrap();
        assert_eq!(status(&injected), Some("injected"), "{mode}");
    }
}

#[tokio::test]
async fn an_ephemeral_container_gets_no_credentials() {
    let injection = Injection::new().await;
    let pod = pod("reports", "files", alone());
    create(&injection.pods(), &pod, false).await.unwrap();
    let debug = json!({"spec": {"ephemeralContainers": [{"name": "debug", "image": "debug"}]}});
    let params = PatchParams::default();
    let pods: Api<Pod> = injection.pods();
    let patched = pods
        .patch_ephemeral_containers("reports", &params, &Patch::Strategic(debug))
        .await
        .unwrap();
    let patched = serde_json::to_value(patched).unwrap();
    let debug = &patched["spec"]["ephemeralContainers"][0];
    assert_eq!((&debug["name"], &debug["env"]), (&json!("debug"), &Value::Null));
    assert_eq!(debug["volumeMounts"], Value::Null);
}

#[tokio::test]
async fn other_pods_and_other_namespaces_stay_as_they_are() {
    let injection = Injection::new().await;
    let asked = pod("reports", "agent", crowded());
    let plain = injection.create(&unlabelled(&asked)).await.unwrap();
    assert_eq!((status(&plain), &plain["spec"]["containers"][0]["env"][2]), (None, &Value::Null));
    // The release does not serve this one.
    let elsewhere = crate::world::World::new().await;
    let pods = Api::namespaced(elsewhere.client.clone(), &elsewhere.namespace);
    assert_eq!(create(&pods, &asked, true).await.unwrap()["spec"], plain["spec"]);
    // This one opts out.
    let own = &injection.world.namespace;
    injection.world.kubectl(&["label", "namespace", own, "tempcred.dev/inject=disabled"]);
    wait_until("the namespace has opted out", SOON, || async {
        (injection.create(&asked).await.unwrap()["spec"] == plain["spec"]).then_some(())
    })
    .await;
}
