//! The control plane of the rig: start, outage, restart, and removal.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rig::{Proxy, Rig};

fn output(command: &mut Command) -> Result<String> {
    let done = command.output()?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    ensure!(done.status.success(), "{command:?}: {}", text(&done.stderr));
    Ok(text(&done.stdout))
}

fn kubectl(rig: &Rig, args: &[&str]) -> Result<String> {
    output(rig.kubectl().args(args))
}

const CRD: &str = r#"{
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": "owners.rig.test"},
    "spec": {
        "group": "rig.test",
        "scope": "Namespaced",
        "names": {"plural": "owners", "singular": "owner", "kind": "Owner"},
        "versions": [{
            "name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object"}}
        }]
    }
}"#;

fn apply(rig: &Rig, manifest: &str) -> Result<()> {
    let path = rig.dir().join("manifest.json");
    std::fs::write(&path, manifest)?;
    output(rig.kubectl().args(["apply", "--filename"]).arg(&path)).map(drop)
}

/// The processes with this folder on their command line.
fn processes_of(dir: &Path) -> Result<Vec<String>> {
    let dir = dir.display().to_string();
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc")? {
        // Processes may end while they are listed.
        let Ok(line) = std::fs::read(entry?.path().join("cmdline")) else {
            continue;
        };
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        if line.contains(&dir) {
            found.push(line);
        }
    }
    Ok(found)
}

#[test]
fn two_rigs_run_side_by_side_and_leave_nothing() -> Result<()> {
    let (one, two) = std::thread::scope(|scope| {
        let two = scope.spawn(Rig::start_unaudited);
        (Rig::start(), two.join())
    });
    let (one, two) = (one?, two.ok().context("a thread panicked")??);
    ensure!(one.server() != two.server());
    ensure!(one.dir() != two.dir());
    ensure!(one.audit().is_some() && two.audit().is_none());
    ensure!(!two.dir().join("audit.log").exists());
    ensure!(one.api_server_pid() != two.api_server_pid());
    for rig in [&one, &two] {
        ensure!(kubectl(rig, &["get", "--raw", "/readyz"])? == "ok");
        ensure!(!processes_of(rig.dir())?.is_empty());
    }
    kubectl(&one, &["create", "namespace", "only-in-one"])?;
    ensure!(kubectl(&two, &["get", "namespace", "only-in-one"]).is_err());

    let dirs = [one.dir().to_owned(), two.dir().to_owned()];
    drop((one, two));
    for dir in &dirs {
        let left = processes_of(dir)?;
        ensure!(left.is_empty(), "still there: {left:?}");
        ensure!(!dir.exists(), "{} is still there", dir.display());
    }
    Ok(())
}

#[test]
fn one_rig_serves_users_an_audit_log_and_a_server_that_goes_down() -> Result<()> {
    let rig = Rig::start()?;
    let audit = rig.audit().context("this rig has a control plane of its own")?;
    kubectl(&rig, &["create", "namespace", "team"])?;

    // The tenant may do what is bound to it, and nothing else.
    let tenant = rig.kubeconfig_for(rig.tenant(), None)?;
    let as_tenant = |args: &[&str]| output(rig.kubectl().env("KUBECONFIG", &tenant).args(args));
    let get = ["get", "secrets", "--namespace", "team"];
    ensure!(as_tenant(&get).is_err());
    let name = format!("--user={}", rig.tenant().name());
    let bind =
        ["create", "rolebinding", "tenant", "--clusterrole=admin", "--namespace=team", &name];
    kubectl(&rig, &bind)?;
    // Aggregated roles and bindings take effect a moment after they are written.
    let deadline = Instant::now() + Duration::from_secs(20);
    while as_tenant(&get).is_err() {
        ensure!(Instant::now() < deadline, "the binding has no effect");
    }

    let codes = |audit: &rig::Audit| -> Result<Vec<u16>> {
        let all = audit.requests(rig.tenant().name(), Some("team"))?;
        let lists = all.iter().filter(|r| r.verb == "list" && r.resource == "secrets");
        Ok(lists.map(|request| request.code).collect())
    };
    let seen = codes(&audit)?;
    ensure!(seen.first() == Some(&403) && seen.last() == Some(&200), "{seen:?}");
    ensure!(seen.iter().filter(|code| **code == 200).count() == 1, "{seen:?}");
    ensure!(codes(&audit.from_now()?)?.is_empty());

    // A connection through the proxy can be cut; the others stay.
    let proxy = Proxy::to(rig.server())?;
    let through = rig.kubeconfig_for(rig.admin(), Some(&proxy.url()))?;
    let readyz = ["get", "--raw", "/readyz"];
    let ready = || output(rig.kubectl().env("KUBECONFIG", &through).args(readyz));
    ensure!(ready()? == "ok");
    proxy.cut();
    ensure!(ready().is_err());
    ensure!(kubectl(&rig, &readyz)? == "ok");
    proxy.restore();
    ensure!(ready()? == "ok");

    // A server that was killed comes back with its data at the same address.
    rig.stop_api_server()?;
    ensure!(kubectl(&rig, &readyz).is_err());
    rig.start_api_server()?;
    ensure!(kubectl(&rig, &["get", "namespace", "team", "--output=name"])? == "namespace/team\n");

    // A kind that is new: owner references to it count.
    apply(&rig, CRD)?;
    kubectl(&rig, &["wait", "--for=condition=Established", "crd/owners.rig.test"])?;
    rig.restart_controllers()?;
    let owner = r#"{"apiVersion": "rig.test/v1", "kind": "Owner",
        "metadata": {"name": "one", "namespace": "team"}}"#;
    apply(&rig, owner)?;
    let get_uid = ["get", "owner", "one", "--namespace=team", "--output=jsonpath={.metadata.uid}"];
    let uid = kubectl(&rig, &get_uid)?;
    let owned = r#"{"apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": "owned", "namespace": "team", "ownerReferences":
            [{"apiVersion": "rig.test/v1", "kind": "Owner", "name": "one", "uid": "UID"}]}}"#;
    apply(&rig, &owned.replace("UID", &uid))?;
    kubectl(&rig, &["delete", "owner", "one", "--namespace=team"])?;
    // Less than the 30 s after which the collector discovers new kinds by itself.
    let gone = ["wait", "--for=delete", "secret/owned", "--namespace=team", "--timeout=20s"];
    kubectl(&rig, &gone)?;
    kubectl(&rig, &["delete", "namespace", "team", "--timeout=60s"])?;

    let sts = rig.moto()?;
    ensure!(sts == rig.moto()?);
    let code = format!(
        "import boto3\n\
         sts = boto3.client('sts', endpoint_url='{sts}', region_name='eu-west-1',\n\
             aws_access_key_id='AKIDEXAMPLE', aws_secret_access_key='example')\n\
         reply = sts.assume_role(RoleArn='arn:aws:iam::123456789012:role/r', RoleSessionName='me')\n\
         print(reply['AssumedRoleUser']['Arn'])"
    );
    let arn = output(Command::new(rig.python()).args(["-c", &code]))?;
    ensure!(arn == "arn:aws:sts::123456789012:assumed-role/r/me\n", "{arn}");
    Ok(())
}

#[test]
fn a_process_is_terminated_or_killed() -> Result<()> {
    let rig = Rig::start()?;
    let script = "trap 'echo bye; exit 7' TERM; echo hello; while :; do sleep 0.05; done";
    let polite = rig.spawn("polite", Command::new("sh").args(["-c", script]))?;
    let deadline = Instant::now() + Duration::from_secs(10);
    while polite.output()? != "hello\n" {
        ensure!(Instant::now() < deadline, "it never said hello");
        std::thread::sleep(Duration::from_millis(10));
    }
    ensure!(polite.is_running());
    polite.terminate()?;
    ensure!(polite.wait(Duration::from_secs(10))?.code() == Some(7));
    ensure!(polite.output()? == "hello\nbye\n");

    let stubborn = rig.spawn("stubborn", Command::new("sleep").arg("1000"))?;
    ensure!(stubborn.wait(Duration::from_millis(50)).is_err());
    stubborn.kill()?;
    ensure!(!stubborn.wait(Duration::from_secs(10))?.success());

    let absent = rig.spawn("absent", &mut Command::new("/no/such/program"))?;
    ensure!(absent.wait(Duration::from_secs(10))?.code() == Some(127));
    Ok(())
}
