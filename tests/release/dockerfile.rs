//! The Dockerfile, as far as it can be checked without an engine: that its builder stage has all files
//! and makes the same content is checked in `reproducible.rs`.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::bundle::workspace;
use crate::unpacked::image;

#[test]
fn its_last_stage_matches_the_release_image() {
    let stage = last_stage();
    let given = |name: &str| {
        let found: Vec<_> = stage.iter().filter(|(word, _)| word == name).collect();
        assert_eq!(found.len(), 1, "{name}: {found:?}");
        found[0].1.clone()
    };
    let config = &image().config["config"];
    assert_eq!(given("FROM"), "scratch");
    assert_eq!(given("COPY"), "--from=build /image/ /");
    assert_eq!(given("USER"), config["User"].as_str().unwrap());
    for (word, field) in [("ENTRYPOINT", "Entrypoint"), ("CMD", "Cmd")] {
        let list: Value = serde_json::from_str(&given(word)).unwrap();
        assert_eq!(list, config[field]);
    }
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(config["Labels"].clone()).unwrap();
    // Labels that differ between builds are arguments.
    for (name, argument) in
        [("version", "$VERSION"), ("revision", "$REVISION"), ("created", "$CREATED")]
    {
        labels.insert(format!("org.opencontainers.image.{name}"), argument.to_owned());
    }
    let label = given("LABEL");
    let said: BTreeMap<_, _> = label
        .split(" org.")
        .map(|pair| pair.split_once('=').unwrap())
        .map(|(name, value)| {
            (format!("org.{}", name.trim_start_matches("org.")), value.trim_matches('"').to_owned())
        })
        .collect();
    assert_eq!(said, labels);
}

#[test]
fn its_builder_has_the_required_version_of_rust() {
    let file = dockerfile();
    let from = file.iter().find(|(word, _)| word == "FROM").unwrap();
    let rust = env!("CARGO_PKG_RUST_VERSION");
    assert!(from.1.starts_with(&format!("rust:{rust}")), "{from:?}");
    assert!(from.1.ends_with(" AS build"), "{from:?}");
}

fn last_stage() -> Vec<(String, String)> {
    let mut file = dockerfile();
    let at = file.iter().rposition(|(word, _)| word == "FROM").unwrap();
    file.split_off(at)
}

/// The instructions and their arguments, with continued lines joined.
fn dockerfile() -> Vec<(String, String)> {
    let text = fs::read_to_string(workspace().join("Dockerfile")).unwrap().replace("\\\n", " ");
    text.lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_once(' ').unwrap())
        .map(|(word, rest)| {
            (word.to_owned(), rest.split_whitespace().collect::<Vec<_>>().join(" "))
        })
        .collect()
}
