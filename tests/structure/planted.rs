//! Planted mistakes are found, and nothing else is reported.

use crate::imports::imports;
use crate::{Sources, circles, dependencies, folders};

/// Files, each with its text.
type Files<'a> = &'a [(&'a str, &'a str)];

/// With the roots of both crates, unless they are among them.
fn sources(files: Files) -> Sources {
    let roots = [("core/src/lib.rs", ""), ("src/lib.rs", "")];
    let all = roots.iter().chain(files);
    all.map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

#[test]
fn an_import_is_found_however_it_is_written() {
    let text = ("src/text.rs", "pub fn one_line() {} pub struct Line;");
    let rows: &[(&str, Files, &[&str])] = &[
        (
            "by its path",
            &[text, ("src/a.rs", "use crate::text::one_line;")],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "in nested braces, renamed",
            &[text, ("src/a.rs", "use crate::{text::{Line as Row, one_line}};")],
            &["src/a.rs → src/text.rs: Line, one_line"],
        ),
        (
            "relative to its own module",
            &[("src/a/mod.rs", "use self::b::B; mod b;"), ("src/a/b.rs", "pub struct B;")],
            &["src/a/mod.rs → src/a/b.rs: B"],
        ),
        (
            "of a child, as its parent may write it",
            &[("src/a/mod.rs", "fn f(_: b::B) {} mod b;"), ("src/a/b.rs", "pub struct B;")],
            &["src/a/mod.rs → src/a/b.rs: B"],
        ),
        (
            "relative to the parent",
            &[
                ("src/a/mod.rs", "mod b; mod c;"),
                ("src/a/b.rs", "use super::c::C;"),
                ("src/a/c.rs", "pub struct C;"),
            ],
            &["src/a/b.rs → src/a/c.rs: C"],
        ),
        (
            "from a module within a file",
            &[text, ("src/a.rs", "mod inner { use super::super::text::Line; }")],
            &["src/a.rs → src/text.rs: Line"],
        ),
        (
            "inline",
            &[text, ("src/a.rs", "fn f() -> crate::text::Line { crate::text::one_line() }")],
            &["src/a.rs → src/text.rs: Line, one_line"],
        ),
        (
            "through an imported module",
            &[text, ("src/a.rs", "use crate::text; fn f() { text::one_line() }")],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "as a module alone",
            &[text, ("src/a.rs", "use crate::text;")],
            &["src/a.rs → src/text.rs: text"],
        ),
        (
            "within a function",
            &[text, ("src/a.rs", "fn f() { use crate::text::one_line; one_line() }")],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "in a call of a macro",
            &[text, ("src/a.rs", "fn f() { println!(\"{}\", (crate::text::one_line(), 1)) }")],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "in a macro",
            &[
                text,
                (
                    "src/a.rs",
                    "macro_rules! m { ($m:ident) => { mod $m; $crate::text::one_line() } }",
                ),
            ],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "in an attribute",
            &[text, ("src/a.rs", "#[serde(with = \"crate::text::one_line\")] struct A;")],
            &["src/a.rs → src/text.rs: one_line"],
        ),
        (
            "all of a module",
            &[text, ("src/a.rs", "use crate::text::*;")],
            &["src/a.rs → src/text.rs: *"],
        ),
        (
            "of the other crate",
            &[
                ("core/src/text.rs", "pub fn one_line() {}"),
                ("src/a.rs", "use tempcred_core::text::one_line;"),
            ],
            &["src/a.rs → core/src/text.rs: one_line"],
        ),
        (
            "of the library, by the binary",
            &[
                text,
                ("src/lib.rs", "pub mod text;"),
                ("src/main.rs", "fn main() { tempcred::text::one_line() }"),
            ],
            &["src/main.rs → src/text.rs: one_line"],
        ),
        (
            "through re-exports, which are none where they are",
            &[
                ("src/a/mod.rs", "//! Docs.\nmod b;\npub use b::B;\npub(crate) use b::f;"),
                ("src/a/b.rs", "pub struct B; pub fn f() {}"),
                ("src/c.rs", "pub use crate::a::B as Renamed;"),
                ("src/d.rs", "use crate::{a::f, c::Renamed};"),
            ],
            &["src/c.rs → src/a/b.rs: B", "src/d.rs → src/a/b.rs: B, f"],
        ),
        (
            "through a re-export that a macro makes",
            &[
                ("src/a/mod.rs", "table!(b B;);"),
                ("src/a/b.rs", "pub struct B;"),
                ("src/c.rs", "use crate::a::B;"),
            ],
            &["src/c.rs → src/a/b.rs: B"],
        ),
        (
            "all of a module that re-exports",
            &[
                ("src/a/mod.rs", "mod b; pub use b::B;"),
                ("src/a/b.rs", "pub struct B;"),
                ("src/c.rs", "use crate::a::*;"),
            ],
            &["src/c.rs → src/a/b.rs: B"],
        ),
        (
            "of what a module re-exports and uses itself",
            &[
                ("src/a/mod.rs", "mod b; pub use b::B; fn f() -> B { B }"),
                ("src/a/b.rs", "pub struct B;"),
            ],
            &["src/a/mod.rs → src/a/b.rs: B"],
        ),
        (
            "not of other crates, even those that are called like a file",
            &[
                text,
                (
                    "src/a.rs",
                    "use text::Other; use ::text::More; fn f() { other::text::one_line() }",
                ),
            ],
            &[],
        ),
        (
            "not in what a path is visible to",
            &[text, ("src/a.rs", "pub(in crate::text) fn f() {}")],
            &[],
        ),
        (
            "not in tests",
            &[
                text,
                (
                    "src/a/mod.rs",
                    "#[cfg(test)] mod helpers; #[cfg(all(test, unix))] mod t { use crate::text::Line; }",
                ),
                ("src/a/helpers.rs", "use crate::text::Line;"),
                ("src/a/tests.rs", "use crate::text::Line;"),
                ("src/b.rs", "impl B { #[cfg(test)] fn f() { crate::text::one_line() } }"),
            ],
            &[],
        ),
    ];
    for (row, files, wanted) in rows {
        let found: Vec<_> = imports(&sources(files))
            .iter()
            .flat_map(|(from, imported)| imported.iter().map(move |(to, names)| (from, to, names)))
            .map(|(from, to, names)| {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                format!("{from} → {to}: {}", names.join(", "))
            })
            .collect();
        assert_eq!(found, *wanted, "{row}");
    }
}

#[test]
fn a_planted_circle_is_found_and_named() {
    let rows: &[(&str, Files, &[&str])] = &[
        (
            "two files",
            &[
                ("src/a.rs", "use crate::b::B; pub struct A;"),
                ("src/b.rs", "use crate::a::A; pub struct B;"),
            ],
            &["src/a.rs → src/b.rs → src/a.rs", "src/a.rs → src/b.rs: B", "src/b.rs → src/a.rs: A"],
        ),
        (
            "three files of the core",
            &[
                ("core/src/a.rs", "use crate::b::B; pub struct A;"),
                ("core/src/b.rs", "use crate::c::C; pub struct B;"),
                ("core/src/c.rs", "fn c() { crate::a::A }  pub struct C;"),
            ],
            &["core/src/a.rs → core/src/b.rs → core/src/c.rs → core/src/a.rs"],
        ),
        (
            "a module and its child",
            &[
                ("src/a/mod.rs", "mod b; use b::B; pub struct A;"),
                ("src/a/b.rs", "use super::A; pub struct B;"),
            ],
            &["src/a/b.rs → src/a/mod.rs → src/a/b.rs"],
        ),
        (
            "through a re-export",
            &[
                ("src/a/mod.rs", "mod b; pub use b::B;"),
                ("src/a/b.rs", "use crate::c::C; pub struct B;"),
                ("src/c.rs", "use crate::a::B; pub struct C;"),
            ],
            &["src/a/b.rs → src/c.rs → src/a/b.rs"],
        ),
    ];
    for (row, files, wanted) in rows {
        let report = circles::report(&imports(&sources(files)));
        for line in *wanted {
            assert!(report.contains(line), "{row}: no {line:?} in\n{report}");
        }
    }
    let none: &[(&str, Files)] = &[
        (
            "a child that takes from its parent, which only re-exports it",
            &[
                ("src/a/mod.rs", "mod b; pub use b::B; pub struct A;"),
                ("src/a/b.rs", "use super::A; pub struct B;"),
            ],
        ),
        (
            "siblings that import each other's module through it",
            &[
                ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
                ("src/a/b.rs", "use super::C; pub struct B;"),
                ("src/a/c.rs", "pub struct C;"),
            ],
        ),
        (
            "tests",
            &[
                ("src/a.rs", "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }"),
                ("src/b.rs", "use crate::a::A; pub struct B;"),
            ],
        ),
    ];
    for (row, files) in none {
        assert_eq!(circles::report(&imports(&sources(files))), "", "{row}");
    }
}

#[test]
fn a_planted_import_in_the_wrong_direction_is_found_and_named() {
    let code = [
        ("core/src/text.rs", "pub struct Text;"),
        ("src/telemetry/mod.rs", "pub struct Metrics;"),
        ("src/aws/mod.rs", "pub struct Session;"),
        ("src/cluster/mod.rs", "pub struct Cluster;"),
        ("src/controller/mod.rs", "pub struct Controller;"),
        ("src/commands/mod.rs", "pub mod run;"),
        ("src/commands/run.rs", "pub struct Run;"),
    ];
    let rows = [
        (
            "up",
            "src/telemetry/http.rs",
            "use crate::aws::Session;",
            Some("src/aws/mod.rs: Session"),
        ),
        (
            "beside",
            "src/aws/call.rs",
            "use crate::cluster::Cluster;",
            Some("src/cluster/mod.rs: Cluster"),
        ),
        (
            "beside",
            "src/cluster/lease.rs",
            "use crate::aws::Session;",
            Some("src/aws/mod.rs: Session"),
        ),
        (
            "far up",
            "src/cluster/lease.rs",
            "fn f(_: crate::commands::run::Run) {}",
            Some("src/commands/run.rs: Run"),
        ),
        (
            "up",
            "src/controller/act.rs",
            "use crate::commands::run;",
            Some("src/commands/run.rs: run"),
        ),
        ("down", "src/controller/act.rs", "use crate::{aws::Session, cluster::Cluster};", None),
        (
            "far down",
            "src/cli.rs",
            "use crate::telemetry::Metrics; use tempcred_core::text::Text;",
            None,
        ),
        ("within", "src/aws/call.rs", "use super::Session;", None),
    ];
    for (row, path, text, wanted) in rows {
        let mut sources = sources(&code);
        sources.insert(path.to_owned(), text.to_owned());
        let report = folders::report(sources.keys(), &imports(&sources));
        match wanted {
            Some(wanted) => {
                let line = format!("{path} → {wanted}\n");
                assert!(report.starts_with(&line), "{row}: no {line:?} in\n{report}");
            }
            None => assert_eq!(report, "", "{row}"),
        }
    }
}

#[test]
fn a_file_at_an_unknown_place_is_found() {
    let sources = sources(&[("src/helpers.rs", ""), ("src/util/mod.rs", "")]);
    let report = folders::report(sources.keys(), &imports(&sources));
    assert!(report.contains("src/helpers.rs is in no folder"), "{report}");
    assert!(report.contains("src/util/mod.rs is in no folder"), "{report}");
}

#[test]
fn a_planted_dependency_is_found() {
    let rows: [(&str, &str, &[&str]); 5] = [
        ("a runtime", "tempcred-core v0.1.0 (/x/core)\ntokio v1.54.1\n", &["tokio"]),
        (
            "behind another",
            "kube v5.0.0\nkube-client v5.0.0\nhyper v1.7.0\n",
            &["hyper", "kube-client"],
        ),
        ("seen before", "aws-config v1.13.0 (*)\n", &["aws-config"]),
        (
            "others that are called alike",
            "tokio-util v0.7.20\nhyperloop v1.0.0\nkube-core v5.0.0\n",
            &[],
        ),
        ("none", "", &[]),
    ];
    for (row, list, wanted) in rows {
        assert_eq!(dependencies::forbidden(list), wanted, "{row}");
    }
}
