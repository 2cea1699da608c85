//! Flags that cannot work, and the probe.

use jiff::SignedDuration;

use super::{Agent, after, clean, credentials, mount};
use crate::world::binary;

/// The exit code and the error output of the command.
fn run(flags: &[&str]) -> (Option<i32>, String) {
    let output = clean(&binary()).arg("agent").args(flags).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn flags_that_cannot_work_are_errors_that_say_what_to_change() {
    for (flags, code, error) in [
        (&[][..], 2, "--file"),
        (&["--file=/a/f", "--listen=0.0.0.0:9911"], 2, "Use 127.0.0.1 or [::1]"),
        (&["--file=/a/f", "--listen=localhost"], 2, "not an IP address with a port"),
        (&["--file=readyz=/a/f"], 2, "reserved"),
        (&["--file=/a/x/f", "--file=/b/x/f"], 1, "set different names with --file NAME=PATH"),
        (&["--file=/f"], 1, "set --file NAME=/f"),
        (&["--check=http://example.com:80/readyz"], 2, "loopback address"),
        (&["--check=http://127.0.0.1:9911/readyz", "--file=/a/f"], 2, "cannot be used with"),
    ] {
        let (ended, said) = run(flags);
        assert!(ended == Some(code) && said.contains(error), "{flags:?}: {ended:?} {said}");
    }
}

#[tokio::test]
async fn the_probe_succeeds_only_while_the_agent_is_ready() {
    let mount = mount("reports").await;
    let nobody = format!("--check=http://127.0.0.1:{}/readyz", rig::free_port().unwrap());
    let (code, said) = run(&[&nobody]);
    assert!(code == Some(1) && said.contains("no agent listens"), "{said}");

    let file = format!("--file={}", mount.path("credentials.json"));
    let agent = Agent::start(std::slice::from_ref(&file)).await;
    let probe = format!("--check=http://{}/readyz", agent.address);
    let (code, said) = run(&[&probe]);
    assert!(code == Some(1) && said.contains("cannot read"), "{said}");
    mount.put(credentials("ASIAONE", after(SignedDuration::from_hours(1)))).unwrap();
    assert_eq!(run(&[&probe]), (Some(0), String::new()));

    let taken = format!("--listen={}", agent.address);
    let (code, said) = run(&[&file, &taken]);
    assert!(code == Some(1) && said.contains("choose a free port with --listen"), "{said}");
}
