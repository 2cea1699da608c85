//! The image at work: the operator runs with the files of the image, and those that a kubelet adds, and no
//! others. It finds the API server through `/etc/hosts` and STS through DNS. It trusts both only through the
//! CA roots of the image. There is no `/dev` and no `/proc`.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use rig::{Process, Rig};
use serde_json::{Value, json};

use crate::bundle::{output, scratch};
use crate::cluster::rig;
use crate::dns;
use crate::unpacked::{image, inside};

/// The deadline for everything that should happen at once.
const SOON: Duration = Duration::from_secs(60);

/// Names in the certificate that the API server signs for itself: for it, and for the STS.
const API: &str = "kubernetes.default.svc";
const STS: &str = "kubernetes.default";

#[test]
fn it_issues_a_credential_with_the_dns_and_the_ca_roots_of_a_pod() {
    let rig = rig();
    if rig.audit().is_none() {
        // A foreign cluster has its own certificate and names.
        return;
    }
    let (sts, _moto) = start_sts(rig);

    // As released, the image trusts public authorities only, and not this API server.
    let root = pod(rig, "stranger");
    let operator = run(rig, "stranger", &root, &sts);
    wait_until("the operator does not trust the API server", &operator, || {
        operator.output().unwrap().contains("invalid peer certificate: UnknownIssuer")
    });
    drop(operator);

    // With the right authority in that file, the connection succeeds.
    let root = pod(rig, "trusted");
    fs::copy(rig.dir().join("certs/apiserver.crt"), root.join("etc/ssl/certs/ca-certificates.crt"))
        .unwrap();
    let operator = run(rig, "trusted", &root, &sts);
    create(rig);
    wait_until("the Secret is there", &operator, || {
        let get = [
            "get",
            "secret",
            "reports",
            "--namespace",
            "default",
            "--ignore-not-found",
            "--output",
            "name",
        ];
        !rig.kubectl_output(&get).unwrap().is_empty()
    });
}

/// The image's files, and those that a kubelet and an administrator add.
fn pod(rig: &Rig, name: &str) -> PathBuf {
    let root = scratch().join("pods").join(name);
    let _ = fs::remove_dir_all(&root);
    fs::create_dir_all(root.parent().unwrap()).unwrap();
    output(Command::new("cp").arg("-a").arg(&image().root).arg(&root));
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755)).unwrap();
    let mut hosts = format!("127.0.0.1 {API}\n");
    match dns::serve(STS) {
        Some(server) => {
            fs::write(root.join("etc/resolv.conf"), format!("nameserver {server}\n")).unwrap()
        }
        // Only root may listen on port 53.
        None => hosts += &format!("127.0.0.1 {STS}\n"),
    }
    fs::write(root.join("etc/hosts"), hosts).unwrap();
    fs::write(root.join("kubeconfig"), kubeconfig(rig).to_string()).unwrap();
    root
}

/// The kubeconfig of the operator, without the authority that signed the certificate of the API server.
fn kubeconfig(rig: &Rig) -> Value {
    let port = rig.server().rsplit_once(':').unwrap().1;
    let path = rig.kubeconfig_for(rig.operator(), Some(&format!("https://{API}:{port}"))).unwrap();
    let mut config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config["clusters"][0]["cluster"]
        .as_object_mut()
        .unwrap()
        .remove("certificate-authority-data")
        .unwrap();
    config
}

/// An STS behind TLS, with the certificate of the API server.
fn start_sts(rig: &Rig) -> (String, Process) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let certs = rig.dir().join("certs");
    let mut command = Command::new(rig.python());
    command.args(["-m", "moto.server", "-H", "127.0.0.1", "-p", &port.to_string()]);
    command.arg("-c").arg(certs.join("apiserver.crt")).arg("-k").arg(certs.join("apiserver.key"));
    let moto = rig.spawn("moto-tls", &mut command).unwrap();
    wait_until("moto listens", &moto, || TcpStream::connect(("127.0.0.1", port)).is_ok());
    (format!("https://{STS}:{port}"), moto)
}

fn run(rig: &Rig, name: &str, root: &Path, sts: &str) -> Process {
    let mut command = inside(root);
    command.args(["/tempcred", "run", "--http-addr", "127.0.0.1:0", "--namespaces", "default"]);
    command.args(["--sts-endpoint", sts]);
    for (name, _) in std::env::vars_os() {
        let known = name.to_string_lossy();
        if ["AWS_", "TEMPCRED_", "SSL_", "KUBERNETES_"]
            .iter()
            .any(|prefix| known.starts_with(prefix))
        {
            command.env_remove(name);
        }
    }
    command
        .env("KUBECONFIG", "/kubeconfig")
        .env("AWS_ACCESS_KEY_ID", "AKIAOPERATOR00000001")
        .env("AWS_SECRET_ACCESS_KEY", "of-the-test")
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    rig.spawn(name, &mut command).unwrap()
}

fn create(rig: &Rig) {
    let path = rig.dir().join("reports.json");
    let role = "arn:aws:iam::123456789012:role/reports";
    let grant = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant", "metadata": {"name": "reports"},
        "spec": {"namespaces": {"names": ["default"]}, "roleArns": [role]},
    });
    let credential = json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": "reports", "namespace": "default"},
        "spec": {"assumeRole": {"roleArn": role}},
    });
    let object = json!({"apiVersion": "v1", "kind": "List", "items": [grant, credential]});
    fs::write(&path, object.to_string()).unwrap();
    rig.kubectl_output(&["create", "--filename", path.to_str().unwrap()]).unwrap();
}

fn wait_until(what: &str, process: &Process, mut done: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !done() {
        let said = process.output().unwrap();
        assert!(process.is_running(), "it ended before {what}:\n{said}");
        assert!(begin.elapsed() < SOON, "not within {SOON:?}: {what}\n{said}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
