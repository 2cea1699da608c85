//! What a package depends on.

use std::process::Command;

/// What the core must do without: a runtime, HTTP, and the clients of AWS and Kubernetes.
const FORBIDDEN: &[&str] =
    &["tokio", "hyper", "aws-sdk-sts", "aws-config", "kube-client", "kube-runtime"];

/// The normal dependencies of a package and theirs, a line each: name and version.
pub fn of(package: &str) -> String {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--offline", "--locked", "--package", package])
        .args(["--edges", "normal", "--prefix", "none"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Which of a list of dependencies are forbidden.
pub fn forbidden(list: &str) -> Vec<&'static str> {
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    FORBIDDEN.iter().copied().filter(|forbidden| names.contains(forbidden)).collect()
}
