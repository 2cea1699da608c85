//! `tempcred completions` and `tempcred man`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::world::binary;

fn output(args: &[&str]) -> String {
    let output = Command::new(binary()).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn completions_and_man_pages_name_every_command() {
    let all = ["agent", "check", "crds", "exec", "renew", "run", "status"];
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = output(&["completions", shell]);
        assert!(all.iter().all(|name| script.contains(name)), "{shell}");
    }
    let page = output(&["man"]);
    assert!(page.starts_with(".ie") && all.iter().all(|name| page.contains(name)), "{page}");
    let words = output(&["completions", "kubectl", "--", ""]);
    assert!(all.iter().all(|name| words.contains(&format!("{name}\t"))), "{words}");
}

/// The man page of a command, as a person reads it in the source.
#[test]
fn a_man_page_has_sections_for_exit_codes_and_examples() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("man");
    output(&["man", "--output", folder.to_str().unwrap()]);
    let page = fs::read_to_string(folder.join("tempcred-renew.1")).unwrap();
    insta::assert_snapshot!(page.replace(env!("CARGO_PKG_VERSION"), "VERSION"));
}
