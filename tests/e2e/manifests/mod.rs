//! `tempcred check`: it agrees with the API server about every manifest, and with the operator about grants.

mod agreement;
mod changes;
mod formats;
mod granted;
mod limits;
mod refused;
mod resources;
mod role_grants;
mod text;

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::world::{World, binary};

/// What the command returned.
pub struct Checked {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Checked {
    /// The output as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The findings of the output as JSON.
    pub fn findings(&self) -> Vec<Value> {
        self.json()["findings"].as_array().unwrap().clone()
    }
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "exit code {:?}\n{}\n{}", self.code, self.out, self.err)
    }
}

/// The command, without settings of the machine.
pub fn command(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("TEMPCRED_") || name == "KUBECONFIG" {
            command.env_remove(&*name);
        }
    }
    command.arg("check").args(args);
    command
}

/// Runs `tempcred check` with this standard input.
pub fn check(args: &[&str], input: &str) -> Checked {
    run(&mut command(args), input)
}

/// Runs a command with this standard input.
pub fn run(command: &mut Command, input: &str) -> Checked {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    // A command that reports an error early does not read its input.
    let _ = process.stdin.take().unwrap().write_all(input.as_bytes());
    let output = process.wait_with_output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Checked { code: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// A folder of a test.
pub fn folder(world: &World, name: &str) -> PathBuf {
    let folder = world.rig.dir().join(format!("{}-{name}", world.namespace));
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Writes a file, and returns its path.
pub fn write(folder: &std::path::Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A resource with this spec.
pub fn resource(namespace: &str, name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "TemporaryCredential",
        "metadata": {"name": name, "namespace": namespace}, "spec": spec,
    })
}

/// A grant with this spec.
pub fn grant(name: &str, spec: Value) -> Value {
    json!({
        "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
        "metadata": {"name": name}, "spec": spec,
    })
}

/// These objects as one YAML file.
pub fn yaml(objects: &[Value]) -> String {
    objects
        .iter()
        .map(|object| format!("---\n{}", serde_yaml::to_string(object).unwrap()))
        .collect()
}
