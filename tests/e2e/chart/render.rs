//! A real API server accepts what the chart renders.

use std::fs;
use std::sync::OnceLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use rig::{Rig, prometheus_crds};
use serde_json::{Value, json};

use super::{ALL, CHART, helm, of_kind, template, variables};
use crate::examples;

/// The namespaces of the objects: they must exist, even for a dry run.
const NAMESPACES: [&str; 3] = ["release", "team-a", "team-b"];

/// A control plane with the CRDs of the Prometheus operator, which other tests do not need.
pub fn chart_rig() -> &'static Rig {
    static RIG: OnceLock<Rig> = OnceLock::new();
    RIG.get_or_init(|| {
        let rig = Rig::start().unwrap();
        let crds = prometheus_crds().unwrap();
        let mut create = vec!["create".to_owned()];
        for kind in ["servicemonitors", "podmonitors", "prometheusrules"] {
            let crd = crds.join(format!("monitoring.coreos.com_{kind}.yaml"));
            create.extend(["--filename".to_owned(), crd.display().to_string()]);
        }
        rig.kubectl_output(&create).unwrap();
        rig.wait_for_crds(&["crd", "--all"]).unwrap();
        for namespace in NAMESPACES {
            rig.kubectl_output(&["create", "namespace", namespace]).unwrap();
        }
        rig
    })
}

/// Fails unless the API server accepts every object in a dry run.
fn accepted(rows: &[(String, Vec<Value>)]) {
    let rig = chart_rig();
    let mut apply = ["apply", "--server-side", "--dry-run=server", "--force-conflicts"]
        .map(str::to_owned)
        .to_vec();
    apply.push("--validate=strict".to_owned());
    for (row, objects) in rows {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        // Errors name the file. kubectl splits an argument at commas.
        let path = rig.dir().join(format!("{}.json", row.replace([' ', '/', ','], "-")));
        fs::write(&path, list.to_string()).unwrap();
        apply.extend(["--filename".to_owned(), path.display().to_string()]);
    }
    let said = rig.kubectl_output(&apply).unwrap();
    let count: usize = rows.iter().map(|(_, objects)| objects.len()).sum();
    assert_eq!(said.lines().count(), count, "{said}");
}

#[test]
fn helm_lint_reports_nothing() {
    for values in [&[][..], &["--values", ALL]] {
        let output = helm(&[&["lint", "--strict", CHART], values].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn the_api_server_accepts_the_rendered_objects() {
    let namespaced = "--set=settings.namespaces={team-a,team-b}";
    let rows = [
        ("defaults", &[][..]),
        ("everything", &["--values", ALL]),
        ("namespaced", &[namespaced]),
        ("everything, namespaced", &["--values", ALL, namespaced]),
        ("no leader election", &["--set=replicas=1,settings.leaderElect=false"]),
        ("one replica", &["--set=replicas=1"]),
        ("no replica", &["--set=replicas=0"]),
        ("no CRDs", &["--set=crds.install=false"]),
        ("CRDs that are not kept", &["--set=crds.keep=false"]),
        ("no tokens", &["--set=features.serviceAccountTokens=false"]),
        ("no rights", &["--set=rbac.create=false,serviceAccount.create=false"]),
        ("OpenShift", &["--set=podSecurityContext.runAsUser=null,podSecurityContext.fsGroup=null"]),
        ("another strategy", &["--set=strategy.type=Recreate"]),
        ("a percentage", &["--set=podDisruptionBudget.maxUnavailable=25%"]),
        (
            "a long name",
            &[
                "--set=fullnameOverride=a123456789012345678901234567890123456789012345678901234567890",
            ],
        ),
        ("network policy", &["--set=networkPolicy.enabled=true"]),
        (
            "metrics with TLS and tokens",
            &[
                "--set=metrics.tls.secretName=a,metrics.auth.enabled=true,metrics.serviceMonitor.enabled=true",
            ],
        ),
        ("no policies", &["--set=admissionPolicies.enabled=false"]),
        ("injection", &["--set=injection.enabled=true"]),
        ("policies that warn", &["--set=admissionPolicies.actions={Warn,Audit}"]),
        ("signed for some", &["--set=admissionPolicies.signedByOperator.groups={a,b}"]),
    ];
    accepted(&rows.map(|(row, args)| (row.to_owned(), template(args))));
}

#[test]
fn the_api_server_accepts_the_values_of_the_documentation() {
    let found = examples::values_in_documentation();
    assert!(found.len() >= 4, "{found:?}");
    let render = |(place, yaml): (String, String)| {
        let path = chart_rig().dir().join("documentation.yaml");
        fs::write(&path, yaml).unwrap();
        (place, template(&["--values", &path.display().to_string()]))
    };
    accepted(&found.into_iter().map(render).collect::<Vec<_>>());
}

#[test]
fn the_crds_match_the_program_and_are_kept_by_default() {
    let keep = |args: &[&str]| -> Value {
        let objects = template(args);
        let rendered = of_kind(&objects, "CustomResourceDefinition");
        let mut wanted = tempcred_core::api::crds();
        wanted.sort_by_key(|crd| crd.metadata.name.clone());
        assert_eq!(rendered.len(), wanted.len());
        for (crd, wanted) in rendered.iter().zip(&wanted) {
            let crd: CustomResourceDefinition = serde_json::from_value((*crd).clone()).unwrap();
            assert_eq!(crd.metadata.name, wanted.metadata.name);
            assert_eq!(crd.spec, wanted.spec);
        }
        rendered[0]["metadata"]["annotations"]["helm.sh/resource-policy"].clone()
    };
    assert_eq!(keep(&[]), "keep");
    assert_eq!(keep(&["--set=crds.keep=false"]), Value::Null);
    let annotated = template(&["--set=crds.annotations.a=b"]);
    for crd in of_kind(&annotated, "CustomResourceDefinition") {
        let expected = json!({"a": "b", "helm.sh/resource-policy": "keep"});
        assert_eq!(crd["metadata"]["annotations"], expected);
    }
}

#[test]
fn the_pod_satisfies_the_restricted_security_standard() {
    let objects = template(&[]);
    let pod = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"];
    let context = &pod["securityContext"];
    assert_eq!((&context["runAsNonRoot"], &context["runAsUser"]), (&json!(true), &json!(65532)));
    assert_eq!(context["seccompProfile"], json!({"type": "RuntimeDefault"}));
    let container = &pod["containers"][0]["securityContext"];
    assert_eq!(
        *container,
        json!({
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        })
    );
    // The strictest of the Pod Security Standards of Kubernetes.
    let rig = chart_rig();
    let level = "pod-security.kubernetes.io/enforce=restricted";
    rig.kubectl_output(&["create", "namespace", "strict"]).unwrap();
    rig.kubectl_output(&["label", "namespace", "strict", level]).unwrap();
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "strict", "namespace": "strict"}});
    pod["spec"] = of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"].clone();
    accepted(&[("restricted".to_owned(), vec![pod.clone()])]);
    pod["spec"]["containers"][0]["securityContext"] = json!({});
    let path = rig.dir().join("lax.json");
    fs::write(&path, pod.to_string()).unwrap();
    let lax = ["create", "--dry-run=server", "--filename", &path.display().to_string()];
    let refusal = rig.kubectl_output(&lax).unwrap_err().to_string();
    assert!(refusal.contains("violates PodSecurity"), "{refusal}");
}

#[test]
fn disabled_features_are_not_rendered() {
    let names = |args: &[&str]| -> Vec<String> {
        let name = |object: &Value| {
            format!(
                "{} {}",
                object["kind"].as_str().unwrap(),
                object["metadata"]["name"].as_str().unwrap()
            )
        };
        let mut names: Vec<_> = template(args).iter().map(name).collect();
        names.sort();
        names
    };
    assert_eq!(
        names(&[]),
        [
            "ClusterRole tempcred",
            "ClusterRoleBinding tempcred",
            "CustomResourceDefinition rolegrants.tempcred.dev",
            "CustomResourceDefinition temporarycredentials.tempcred.dev",
            "Deployment tempcred",
            "PodDisruptionBudget tempcred",
            "Role tempcred-leader",
            "RoleBinding tempcred-leader",
            "Service tempcred-metrics",
            "ServiceAccount tempcred",
            "ValidatingAdmissionPolicy tempcred-own-secrets.release",
            "ValidatingAdmissionPolicy tempcred-secret-notes.release",
            "ValidatingAdmissionPolicy tempcred-token-audience.release",
            "ValidatingAdmissionPolicyBinding tempcred-own-secrets.release",
            "ValidatingAdmissionPolicyBinding tempcred-secret-notes.release",
            "ValidatingAdmissionPolicyBinding tempcred-token-audience.release",
        ]
    );
    let least = "--set=replicas=1,settings.leaderElect=false,crds.install=false,rbac.create=false,\
                 serviceAccount.create=false,metrics.service.enabled=false,\
                 admissionPolicies.enabled=false";
    assert_eq!(names(&[least]), ["Deployment tempcred"]);
    let namespaced = names(&["--set=settings.namespaces={team-a,team-b},crds.install=false"]);
    assert_eq!(namespaced.iter().filter(|name| *name == "Role tempcred").count(), 2);
    let beyond: Vec<_> = namespaced.iter().filter(|n| n.starts_with("ClusterRole ")).collect();
    assert_eq!(beyond, ["ClusterRole release-tempcred-grants"]);
}

#[test]
fn every_object_has_the_common_labels_and_annotations() {
    for object in template(&["--values", ALL, "--set=settings.namespaces={team-a}"]) {
        let metadata = &object["metadata"];
        assert_eq!(metadata["labels"]["team"], "platform", "{object}");
        assert_eq!(metadata["annotations"]["example.com/owner"], "platform", "{object}");
        assert_eq!(metadata["labels"]["app.kubernetes.io/instance"], "tempcred", "{object}");
    }
}

#[test]
fn the_default_image_is_that_of_the_version() {
    let image = |args: &[&str]| -> String {
        let objects = template(args);
        let pod = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"];
        pod["containers"][0]["image"].as_str().unwrap().to_owned()
    };
    let version = env!("CARGO_PKG_VERSION");
    let digest = "sha256:".to_owned() + &"0".repeat(64);
    let repository = "ghcr.io/tempcred/tempcred";
    assert_eq!(image(&[]), format!("{repository}:{version}"));
    assert_eq!(image(&["--set=image.tag=v9"]), format!("{repository}:v9"));
    let set = format!("--set=image.digest={digest}");
    assert_eq!(image(&[&set]), format!("{repository}:{version}@{digest}"));
}

#[test]
fn numbers_and_addresses_are_written_as_the_program_reads_them() {
    let objects = template(&["--values", ALL]);
    let variables = variables(of_kind(&objects, "Deployment")[0]);
    for (name, value) in [
        ("TEMPCRED_STS_RATE", "1000000"),
        ("TEMPCRED_HTTP_ADDR", "[::]:9090"),
        ("TEMPCRED_RESOURCE_METRICS", "false"),
        ("TEMPCRED_LEASE_NAME", "aws-credentials-lease"),
    ] {
        assert!(variables.contains(&(name.to_owned(), value.to_owned())), "{variables:?}");
    }
    let policy = of_kind(&objects, "NetworkPolicy")[0].to_string();
    for port in [53, 443, 6443, 8443, 4317, 3128] {
        assert!(policy.contains(&format!("\"port\":{port}")), "{policy}");
    }
}
