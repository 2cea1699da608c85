//! The policy for the injection that the chart renders. `injection` has what it does.

use serde_json::json;

use super::{of_kind, template, try_template};

const ENABLED: &str = "--set=injection.enabled=true";

/// The expression that adds the agent.
fn agent(args: &[&str]) -> String {
    let objects = template(&[&[ENABLED], args].concat());
    let policy = of_kind(&objects, "MutatingAdmissionPolicy")[0];
    policy["spec"]["mutations"][2]["jsonPatch"]["expression"].as_str().unwrap().to_owned()
}

#[test]
fn a_cluster_that_is_too_old_is_an_error_that_names_the_alternative() {
    let error = try_template(&[ENABLED, "--kube-version=1.35.9"]).unwrap_err();
    assert!(error.contains("Kubernetes 1.36") && error.contains("examples/inject"), "{error}");
    template(&[ENABLED, "--kube-version=1.36.0"]);
    template(&["--kube-version=1.35.9"]);
    let policies = |args: &[&str]| of_kind(&template(args), "MutatingAdmissionPolicy").len();
    assert_eq!((policies(&[]), policies(&[ENABLED])), (0, 1));
}

#[test]
fn the_agent_has_the_image_resources_and_security_context_of_the_values() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let image = format!("--set=image.repository=registry.example.com/a,image.digest={digest}");
    let expected =
        format!("dyn(\"registry.example.com/a:{}@{digest}\")", env!("CARGO_PKG_VERSION"));
    assert!(agent(&[&image]).contains(&expected), "{}", agent(&[&image]));
    let always = agent(&["--set=image.pullPolicy=Always"]);
    assert!(always.contains(r#""imagePullPolicy": dyn("Always")"#), "{always}");
    let limit = agent(&["--set=injection.agent.resources.limits.memory=20Mi"]);
    assert!(limit.contains(r#""limits": dyn({"memory": dyn("20Mi")})"#), "{limit}");
    // As on OpenShift, which chooses the user.
    let context = "injection.agent.securityContext";
    let free = agent(&[&format!("--set={context}.runAsUser=null,{context}.runAsGroup=null")]);
    assert!(agent(&[]).contains("runAsUser") && !free.contains("runAsUser"), "{free}");
    assert!(free.contains(r#""runAsNonRoot": dyn(true)"#), "{free}");
    let none = agent(&["--set-json=injection.agent={\"resources\":null,\"securityContext\":null}"]);
    assert!(!none.contains("resources") && !none.contains("securityContext"), "{none}");
}

#[test]
fn text_in_a_value_is_no_code() {
    let text = r#"--set-json=injection.agent.resources={"limits":{"a\"})":"<&>' + '"}}"#;
    let agent = agent(&[text]);
    assert!(agent.contains(r#""a\"})": dyn("\u003c\u0026\u003e' + '")"#), "{agent}");
}

#[test]
fn injection_is_limited_to_the_served_and_selected_namespaces() {
    let select = "--set-json=injection.namespaceSelector={\"matchLabels\":{\"team\":\"data\"},\"matchExpressions\":null}";
    let objects = template(&[ENABLED, select, "--set=settings.namespaces={team-a,team-b}"]);
    let ours = |kind: &str| {
        let found = of_kind(&objects, kind).into_iter();
        let named = |name: &str| name.starts_with("tempcred-injection");
        found.filter(|o| named(o["metadata"]["name"].as_str().unwrap())).collect::<Vec<_>>()
    };
    for kind in ["MutatingAdmissionPolicy", "ValidatingAdmissionPolicy"] {
        let [policy] = ours(kind)[..] else { panic!("{kind}") };
        let selector = &policy["spec"]["matchConstraints"]["namespaceSelector"];
        assert_eq!(*selector, json!({"matchLabels": {"team": "data"}}), "{kind}");
        let [binding] = ours(&format!("{kind}Binding"))[..] else { panic!("{kind}") };
        assert_eq!(binding["spec"]["policyName"], policy["metadata"]["name"]);
        let served = &binding["spec"]["matchResources"]["namespaceSelector"]["matchExpressions"][0];
        assert_eq!(served["values"], json!(["team-a", "team-b"]), "{kind}");
    }
    let objects = template(&[ENABLED]);
    for binding in of_kind(&objects, "MutatingAdmissionPolicyBinding") {
        assert!(binding["spec"]["matchResources"].is_null(), "{binding}");
    }
}
