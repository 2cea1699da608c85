//! Every row of the threat model has a test.

use std::fs;
use std::path::Path;

const MODEL: &str = "docs/security/threat-model.md";

/// The folders with the modules of tests.
const ROOTS: [&str; 5] = ["tests/e2e", "tests/fuzz", "tests/release", "src", "core/src"];

/// The rows of the tables that end in a column of tests, with the line of each.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let mut rows = vec![];
    let mut within = false;
    for (number, line) in text.lines().enumerate() {
        let cells: Vec<_> =
            line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect();
        if !line.starts_with('|') {
            within = false;
        } else if cells.last().is_some_and(|last| last == "Test") {
            within = true;
        } else if within && !line.starts_with("|---") {
            rows.push((number + 1, cells));
        }
    }
    rows
}

/// The names of tests between backticks.
fn names(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// Whether there is such a test: `module::name`, by the file that the module is in.
fn exists(name: &str) -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some((modules, test)) = name.rsplit_once("::") else { return false };
    let path = modules.replace("::", "/");
    ROOTS
        .iter()
        .flat_map(|at| [format!("{at}/{path}.rs"), format!("{at}/{path}/mod.rs")])
        .filter_map(|file| fs::read_to_string(root.join(file)).ok())
        .any(|source| source.contains(&format!("fn {test}(")))
}

#[test]
fn every_row_of_the_threat_model_names_tests_that_exist() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(MODEL)).unwrap();
    let rows = rows(&text);
    assert!(rows.len() >= 40, "{} rows", rows.len());
    for (line, cells) in rows {
        let named = names(cells.last().unwrap());
        assert!(!named.is_empty(), "{MODEL}:{line} names no test");
        for name in named {
            assert!(exists(name), "{MODEL}:{line}: there is no test {name}");
        }
    }
    assert!(!exists("threats::no_such_test") && !exists("nothing"));
}
