//! The command lines of the injected agent do what they should.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use super::{Injection, alone, pod};
use crate::world::{SOON, wait_until};

/// Where the Secret is mounted.
const FOLDER: &str = "/var/run/secrets/tempcred.dev";

/// The address of the agent.
const ADDRESS: &str = "127.0.0.1:9911";

#[tokio::test]
async fn the_agent_of_a_pod_starts_and_its_probe_waits_for_the_secret() {
    let injection = Injection::new().await;
    let injected = injection.create(&pod("reports", "agent", alone())).await.unwrap();
    let container = &injected["spec"]["initContainers"][0];
    // As in the Pod, but beside other tests.
    let folder = injection.world.rig.dir().join(format!("{}-agent", injection.world.namespace));
    fs::create_dir(&folder).unwrap();
    let address = format!("127.0.0.1:{}", rig::free_port().unwrap());
    let words = |list: &Value| -> Vec<String> {
        let words = list.as_array().unwrap().iter().map(|word| word.as_str().unwrap());
        words
            .map(|word| {
                word.replace(FOLDER, &folder.display().to_string()).replace(ADDRESS, &address)
            })
            .collect()
    };
    // By its path in the image.
    assert_eq!(container["command"], json!(["/tempcred-agent"]));
    let program = env!("CARGO_BIN_EXE_tempcred-agent");
    let mut agent = Command::new(program);
    agent.args(words(&container["args"]));
    let process = injection.world.rig.spawn("injected-agent", &mut agent).unwrap();
    let probe = words(&container["startupProbe"]["exec"]["command"]);
    assert_eq!(probe[0], "/tempcred-agent");
    let ready = || {
        assert!(process.is_running(), "{}", process.output().unwrap());
        Command::new(program).args(&probe[1..]).output().unwrap().status.success()
    };
    assert!(!ready(), "ready without the Secret");
    let credentials = json!({
        "Version": 1, "AccessKeyId": "ASIAINJECTED00000001", "SecretAccessKey": "secret",
        "SessionToken": "token", "Expiration": "2999-01-01T00:00:00Z",
    });
    fs::write(folder.join("credentials.json"), credentials.to_string()).unwrap();
    wait_until("the agent is ready", SOON, || async { ready().then_some(()) }).await;
}
