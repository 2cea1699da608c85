//! `tempcred completions` and `tempcred man`.

use std::process::Command;

use crate::world::binary;

#[test]
fn completions_and_man_pages_name_every_command() {
    let output = |args: &[&str]| {
        let output = Command::new(binary()).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let all = ["agent", "check", "crds", "exec", "renew", "run", "status"];
    for shell in ["bash", "zsh", "fish"] {
        let script = output(&["completions", shell]);
        assert!(all.iter().all(|name| script.contains(name)), "{shell}");
    }
    let page = output(&["man"]);
    assert!(page.starts_with(".ie") && all.iter().all(|name| page.contains(name)), "{page}");
}
