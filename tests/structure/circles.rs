//! Circles among imports.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt::Write as _;

use crate::imports::Imports;

/// How many of the circles through the same files a report shows, shortest first.
const SHOWN: usize = 20;

/// The files that import each other, directly or not: groups of two and more.
pub fn circles(imports: &Imports) -> Vec<BTreeSet<&str>> {
    let reachable: BTreeMap<_, _> =
        imports.keys().map(|file| (file.as_str(), reachable(imports, file))).collect();
    let group = |file: &str| -> BTreeSet<&str> {
        let others = reachable[file].iter().copied();
        others.filter(|other| reachable.get(other).is_some_and(|r| r.contains(file))).collect()
    };
    let groups: BTreeSet<_> = imports.keys().map(|file| group(file)).collect();
    groups.into_iter().filter(|group| group.len() > 1).collect()
}

/// A report of the circles; empty if there are none.
pub fn report(imports: &Imports) -> String {
    let mut report = String::new();
    for group in circles(imports) {
        let mut ways: Vec<_> = ways(imports, &group).into_iter().collect();
        ways.sort_by_key(Vec::len);
        let _ = writeln!(report, "{} files import each other:\n", group.len());
        for way in ways.iter().take(SHOWN) {
            let names = [&way[..], &way[..1]].concat();
            let _ = writeln!(report, "  {}", names.join(" → "));
            for pair in names.windows(2) {
                let names: Vec<_> = imports[pair[0]][pair[1]].iter().map(String::as_str).collect();
                let _ = writeln!(report, "      {} → {}: {}", pair[0], pair[1], names.join(", "));
            }
        }
        if ways.len() > SHOWN {
            let _ = writeln!(report, "  and {} longer ones", ways.len() - SHOWN);
        }
        report.push('\n');
    }
    report
}

/// What a file imports, directly or not.
fn reachable<'a>(imports: &'a Imports, from: &str) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next: Vec<_> = imports[from].keys().map(String::as_str).collect();
    while let Some(file) = next.pop() {
        if seen.insert(file) {
            next.extend(imports.get(file).into_iter().flatten().map(|(to, _)| to.as_str()));
        }
    }
    seen
}

/// For each import within a group the shortest circle through it, without the return to its first file.
fn ways<'a>(imports: &'a Imports, group: &BTreeSet<&'a str>) -> BTreeSet<Vec<&'a str>> {
    let mut ways = BTreeSet::new();
    for from in group {
        for to in imports[*from].keys().filter(|to| group.contains(to.as_str())) {
            let mut way = shortest(imports, to, from);
            // A circle has no beginning: the same one is found from each of its imports.
            let first = (0..way.len()).min_by_key(|at| way[*at]).unwrap();
            way.rotate_left(first);
            ways.insert(way);
        }
    }
    ways
}

/// The shortest way from one file to another, both named. There must be one.
fn shortest<'a>(imports: &'a Imports, from: &'a str, to: &str) -> Vec<&'a str> {
    let mut queue = VecDeque::from([vec![from]]);
    let mut seen = BTreeSet::new();
    while let Some(way) = queue.pop_front() {
        let last = way[way.len() - 1];
        if last == to {
            return way;
        }
        for next in imports.get(last).into_iter().flatten().map(|(next, _)| next.as_str()) {
            if seen.insert(next) {
                queue.push_back([&way[..], &[next]].concat());
            }
        }
    }
    unreachable!("both are in one group")
}
