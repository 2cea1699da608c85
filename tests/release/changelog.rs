//! The changelog has a format that programs can read.

use std::fs;

use parse_changelog::Parser;
use tempcred::telemetry::version::VERSION;

use crate::bundle::workspace;

const UNRELEASED: &str = "Unreleased";

/// The kinds of changes of Keep a Changelog.
const KINDS: [&str; 6] = ["Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"];

#[test]
fn it_is_in_the_format_of_keep_a_changelog() {
    let text = fs::read_to_string(workspace().join("CHANGELOG.md")).unwrap();
    let changelog = Parser::new().parse(&text).unwrap();
    let mut last: Option<[u64; 3]> = None;
    for (at, (name, release)) in changelog.iter().enumerate() {
        if *name == UNRELEASED {
            assert_eq!(at, 0, "what is not released comes first");
        } else {
            let number = number(name);
            assert!(
                last.is_none_or(|last| last > number),
                "{name} is not older than the one above"
            );
            last = Some(number);
            let date = release.title.rsplit(' ').next().unwrap();
            assert!(date.parse::<jiff::civil::Date>().is_ok(), "{}: no date", release.title);
        }
        assert!(release.notes.contains("\n- "), "{name} lists no change");
        for line in release.notes.lines() {
            if let Some(kind) = line.strip_prefix("### ") {
                assert!(KINDS.contains(&kind), "{name}: no kind of change is called {kind}");
            }
        }
    }
    assert!(
        changelog.contains_key(UNRELEASED) || changelog.contains_key(VERSION),
        "it has neither what is unreleased nor {VERSION}"
    );
    assert!(
        last.is_none_or(|last| last <= number(VERSION)),
        "Cargo.toml has {VERSION}, but a later version was released"
    );
}

fn number(version: &str) -> [u64; 3] {
    let parts: Vec<_> = version.split('.').map(|part| part.parse().unwrap()).collect();
    parts.try_into().unwrap()
}
