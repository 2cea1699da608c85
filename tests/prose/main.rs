//! The rules for prose in `.ci/vale`: each reports what it should, and none reports plain English.
#![expect(clippy::unwrap_used, reason = "in a test, a failure to unwrap is the failure to show")]

mod samples;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rig::Tool;
use serde_json::Value;

use samples::{PLAIN, PLANTED};

/// The rules that each file breaks, by the name of the file.
type Report = BTreeMap<String, BTreeSet<String>>;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What Vale reports of these files, given by name and content.
fn check(test: &str, files: &[(String, String)]) -> Report {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("prose").join(test);
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    for (name, text) in files {
        fs::write(dir.join(name), text).unwrap();
    }
    let mut vale = Command::new(Tool::Vale.ready().unwrap());
    vale.args(["--no-global", "--no-exit", "--output=JSON", "--config"]);
    vale.arg(repository().join(".vale.ini")).arg(&dir).current_dir(repository());
    vale.env_remove("VALE_CONFIG_PATH").env_remove("VALE_STYLES_PATH");
    let output = vale.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let found: BTreeMap<PathBuf, Vec<Value>> = serde_json::from_slice(&output.stdout).unwrap();
    let rules = |alerts: Vec<Value>| -> BTreeSet<String> {
        alerts.iter().map(|alert| alert["Check"].as_str().unwrap().to_owned()).collect()
    };
    let name = |path: PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
    found.into_iter().map(|(path, alerts)| (name(path), rules(alerts))).collect()
}

/// The same sentence in each place where prose is, and broken over as many lines as it has words.
fn everywhere(name: &str, sentence: &str) -> Vec<(String, String)> {
    let words = sentence.replace(' ', "\n");
    let comment = |mark: &str| {
        let lines: Vec<_> = words.lines().map(|word| format!("{mark} {word}\n")).collect();
        lines.concat()
    };
    vec![
        (format!("{name}-line.md"), format!("# A heading\n\n{sentence}\n")),
        (format!("{name}-words.md"), format!("# A heading\n\n{words}\n")),
        (format!("{name}-table.md"), format!("| Key | Means |\n|---|---|\n| `a` | {sentence} |\n")),
        (format!("{name}-text.txt"), format!("{sentence}\n")),
        (format!("{name}-yaml.yaml"), format!("{}kind: Pod # a comment\n", comment("#"))),
        (format!("{name}-module.rs"), comment("//!")),
        (format!("{name}-item.rs"), format!("{}fn item() {{}}\n", comment("///"))),
        (format!("{name}-code.rs"), format!("fn item() {{\n    // {sentence}\n}}\n")),
    ]
}

#[test]
fn every_rule_has_a_sample() {
    let rules = fs::read_dir(repository().join(".ci/vale/Words")).unwrap();
    let rules: BTreeSet<_> = rules
        .map(|rule| rule.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .map(|rule| format!("Words.{rule}"))
        .chain(["Vale.Repetition".to_owned()])
        .collect();
    let planted: BTreeSet<_> = PLANTED.iter().map(|(rule, _)| (*rule).to_owned()).collect();
    assert_eq!(rules, planted);
}

#[test]
fn each_planted_sentence_is_reported_wherever_it_stands() {
    let mut files = Vec::new();
    let mut expected = Report::new();
    for (rule, sentences) in PLANTED {
        for (number, sentence) in sentences.iter().enumerate() {
            for (name, text) in everywhere(&format!("{rule}-{number}"), sentence) {
                // Comments in YAML are not split into sentences.
                if *rule == "Words.SentenceLength" && name.ends_with(".yaml") {
                    continue;
                }
                expected.insert(name.clone(), BTreeSet::from([(*rule).to_owned()]));
                files.push((name, text));
            }
        }
    }
    let reported = check("planted", &files);
    let wrong: Vec<_> = files
        .iter()
        .filter(|(name, _)| reported.get(name) != expected.get(name))
        .map(|(name, text)| (name, text, reported.get(name)))
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn plain_english_passes() {
    let files: Vec<_> = PLAIN
        .iter()
        .enumerate()
        .flat_map(|(number, sentence)| everywhere(&number.to_string(), sentence))
        .collect();
    let reported = check("plain", &files);
    let wrong: Vec<_> =
        files.iter().filter_map(|(name, text)| Some((name, text, reported.get(name)?))).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn code_is_not_prose() {
    let word = "mint";
    let files = [
        ("span.md", format!("Calls `{word}` once.\n")),
        ("block.md", format!("An example:\n\n```sh\n{word}\n```\n")),
        ("span.rs", format!("/// Calls [`{word}`] once.\nfn item() {{}}\n")),
        ("block.rs", format!("//! An example:\n//!\n//! ```text\n//! {word}\n//! ```\n")),
        ("string.rs", format!("fn item() {{\n    println!(\"{word}\");\n}}\n")),
        ("value.yaml", format!("# An example.\nkind: {word}\n")),
        ("NOTES.txt", format!("It has {{{{ .{word} }}}} replicas.\n")),
    ];
    let reported = check("code", &files.map(|(name, text)| (name.to_owned(), text)));
    assert_eq!(reported, Report::new());
}
