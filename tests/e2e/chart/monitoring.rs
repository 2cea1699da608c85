//! How the chart protects `/metrics`, and what the operator may connect to.

use serde_json::{Value, json};

use super::{of_kind, template, try_template, variables};

/// TLS and tokens, as the documentation recommends.
const PROTECTED: &str = "--set=metrics.tls.secretName=cert,metrics.auth.enabled=true,\
                         metrics.serviceMonitor.enabled=true";

fn names(objects: &[Value], kind: &str) -> Vec<String> {
    let objects = of_kind(objects, kind).into_iter();
    objects.map(|object| object["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

/// The container of the operator.
fn container(objects: &[Value]) -> &Value {
    &of_kind(objects, "Deployment")[0]["spec"]["template"]["spec"]["containers"][0]
}

#[test]
fn tls_changes_everything_that_connects_to_the_listener() {
    let enabled = ",metrics.serviceMonitor.enabled=true,metrics.podMonitor.enabled=true,\
                   networkPolicy.enabled=true";
    for (secret, scheme) in [("", "http"), ("cert", "https")] {
        let objects = template(&[&format!("--set=metrics.tls.secretName={secret}{enabled}")]);
        let container = container(&objects);
        for (probe, path) in [("livenessProbe", "/livez"), ("readinessProbe", "/readyz")] {
            let get = &container[probe]["httpGet"];
            let wanted = json!({"path": path, "port": scheme, "scheme": scheme.to_uppercase()});
            assert_eq!(*get, wanted, "{probe}");
        }
        assert_eq!(container["ports"][0]["name"], scheme);
        let service = &of_kind(&objects, "Service")[0]["spec"]["ports"][0];
        assert_eq!((&service["name"], &service["targetPort"]), (&json!(scheme), &json!(scheme)));
        let policy = &of_kind(&objects, "NetworkPolicy")[0]["spec"]["ingress"][0]["ports"];
        assert_eq!(*policy, json!([{"port": scheme, "protocol": "TCP"}]));
        for (kind, endpoints) in
            [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")]
        {
            let endpoint = &of_kind(&objects, kind)[0]["spec"][endpoints][0];
            assert_eq!(endpoint["port"], scheme);
            let tls = json!({
                "serverName": "tempcred-metrics.release.svc",
                "ca": {"secret": {"name": "cert", "key": "ca.crt"}},
            });
            let (wanted_scheme, wanted_tls) = match secret {
                "" => (Value::Null, Value::Null),
                _ => (json!("https"), tls),
            };
            assert_eq!(
                (&endpoint["scheme"], &endpoint["tlsConfig"]),
                (&wanted_scheme, &wanted_tls)
            );
            assert_eq!(endpoint["bearerTokenFile"], Value::Null);
        }
    }
}

#[test]
fn the_certificate_is_mounted_where_the_program_reads_it() {
    let objects = template(&["--set=metrics.tls.secretName=cert"]);
    let folder = container(&objects)["volumeMounts"][0]["mountPath"].as_str().unwrap();
    let pod = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["spec"];
    assert_eq!(pod["volumes"][0]["secret"]["secretName"], "cert");
    let variables = variables(of_kind(&objects, "Deployment")[0]);
    for (name, file) in
        [("TEMPCRED_METRICS_TLS_CERT", "tls.crt"), ("TEMPCRED_METRICS_TLS_KEY", "tls.key")]
    {
        let wanted = (name.to_owned(), format!("{folder}/{file}"));
        assert!(variables.contains(&wanted), "{variables:?}");
    }
    assert!(!variables.iter().any(|(name, _)| name == "TEMPCRED_METRICS_AUTH"));
    // Without a certificate, there is no volume.
    assert_eq!(container(&template(&[]))["volumeMounts"], Value::Null);
}

#[test]
fn rights_to_review_tokens_exist_only_if_they_are_needed() {
    let rights = |args: &[&str]| {
        let objects = template(args);
        (names(&objects, "ClusterRole"), names(&objects, "ClusterRoleBinding"))
    };
    let own = || vec!["tempcred".to_owned()];
    assert_eq!(rights(&[]), (own(), own()));
    let tls = rights(&["--set=metrics.tls.secretName=cert"]);
    assert_eq!(tls, (own(), own()));
    let (review, read) = ("release-tempcred-metrics-auth", "release-tempcred-metrics-reader");
    let (roles, bindings) = rights(&[PROTECTED]);
    assert_eq!(roles, [review, read, "tempcred"]);
    assert_eq!(bindings, [review, "tempcred"], "nobody is a reader by default");
    let reader = "--set=metrics.auth.readers[0].kind=Group,metrics.auth.readers[0].name=sre";
    let objects = template(&[PROTECTED, reader]);
    let binding = of_kind(&objects, "ClusterRoleBinding")[1];
    assert_eq!(binding["roleRef"]["name"], read);
    assert_eq!(binding["subjects"], json!([{"kind": "Group", "name": "sre"}]));
    let none = rights(&[PROTECTED, "--set=rbac.create=false"]);
    assert_eq!(none, (vec![], vec![]));
}

#[test]
fn monitors_send_the_token_of_prometheus_or_one_of_a_secret() {
    let objects = template(&[PROTECTED]);
    let endpoint = &of_kind(&objects, "ServiceMonitor")[0]["spec"]["endpoints"][0];
    let file = "/var/run/secrets/kubernetes.io/serviceaccount/token";
    assert_eq!(endpoint["bearerTokenFile"], file);
    let token = "--set=metrics.auth.tokenSecret.name=prometheus,metrics.auth.tokenSecret.key=token,\
                 metrics.podMonitor.enabled=true";
    let objects = template(&[PROTECTED, token]);
    for (kind, endpoints) in
        [("ServiceMonitor", "endpoints"), ("PodMonitor", "podMetricsEndpoints")]
    {
        let endpoint = &of_kind(&objects, kind)[0]["spec"][endpoints][0];
        let wanted = json!({"credentials": {"name": "prometheus", "key": "token"}});
        assert_eq!(endpoint["authorization"], wanted, "{kind}");
        assert_eq!(endpoint["bearerTokenFile"], Value::Null, "{kind}");
    }
    let pod = "--set=metrics.podMonitor.enabled=true";
    let error = try_template(&[PROTECTED, pod]).unwrap_err();
    assert!(error.contains("needs metrics.auth.tokenSecret"), "{error}");
}

#[test]
fn a_token_is_never_sent_unencrypted() {
    let error = try_template(&["--set=metrics.auth.enabled=true"]).unwrap_err();
    assert!(error.contains("metrics.auth needs metrics.tls.secretName"), "{error}");
}

#[test]
fn the_network_policy_allows_what_the_operator_needs_and_nothing_else() {
    let policy = |args: &[&str]| -> Value {
        let objects = template(&[&["--set=networkPolicy.enabled=true"], args].concat());
        of_kind(&objects, "NetworkPolicy")[0]["spec"].clone()
    };
    let ports = |rule: &Value| -> Vec<u64> {
        let ports = rule["ports"].as_array().unwrap().iter();
        ports.map(|port| port["port"].as_u64().unwrap()).collect()
    };
    let defaults = policy(&[]);
    assert_eq!(defaults["policyTypes"], json!(["Ingress", "Egress"]));
    assert_eq!(defaults["ingress"], json!([{"ports": [{"port": "http", "protocol": "TCP"}]}]));
    let egress = defaults["egress"].as_array().unwrap();
    let found: Vec<_> = egress.iter().map(ports).collect();
    assert_eq!(found, [vec![53, 53], vec![443, 6443], vec![80]]);
    let block = |cidr: &str| json!({"ipBlock": {"cidr": cidr}});
    let sources =
        ["169.254.170.23/32", "fd00:ec2::23/128", "169.254.169.254/32", "fd00:ec2::254/128"];
    assert_eq!(egress[2]["to"], json!(sources.map(block)));
    assert!(egress[..2].iter().all(|rule| rule["to"] == Value::Null), "{egress:?}");

    let limited = policy(&[
        "--set-json=networkPolicy.identityEndpoints=[]",
        "--set=settings.stsEndpoint=https://sts.local:8443",
        "--set=networkPolicy.httpsTo[0].ipBlock.cidr=10.0.0.0/8",
        "--set=networkPolicy.dnsTo[0].namespaceSelector.matchLabels.dns=yes",
        "--set=networkPolicy.ingressFrom[0].namespaceSelector.matchLabels.team=monitoring",
    ]);
    let egress = limited["egress"].as_array().unwrap();
    assert_eq!(egress.len(), 2, "no identity over the network");
    assert_eq!(
        (ports(&egress[1]), &egress[1]["to"]),
        (vec![443, 6443, 8443], &json!([block("10.0.0.0/8")]))
    );
    let dns = json!([{"namespaceSelector": {"matchLabels": {"dns": "yes"}}}]);
    assert_eq!(egress[0]["to"], dns);
    let from = json!([{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]);
    assert_eq!(limited["ingress"][0]["from"], from);
}
