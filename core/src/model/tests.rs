//! The model is explored: without a bug no property fails, and each planted bug makes one fail.

use std::collections::BTreeSet;

use stateright::{Checker, HasDiscoveries, Model as _};

use super::Model;
use super::bugs::Bug;
use super::world::Budget;

/// Explores every state within the budget, in which no property must fail.
fn explore(sole: bool, budget: Budget) -> usize {
    let model = Model { sole, budget, bug: None };
    let checker = model.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    println!("{budget:?}, one process: {sole}: {states} states, at most {depth} steps deep");
    checker.assert_properties();
    assert!(checker.is_done());
    states
}

#[test]
fn no_property_fails_while_two_processes_take_turns() {
    let budget = Budget { faults: 1, users: 1, ticks: 2 };
    assert!(explore(false, budget) >= 100_000);
}

#[test]
fn no_property_fails_while_there_is_one_process() {
    explore(true, Budget { faults: 1, users: 1, ticks: 1 });
}

/// Millions of states, in some minutes: `cargo test -p tempcred-core --lib further -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes"]
fn no_property_fails_further_on() {
    for (faults, users, ticks) in [(2, 1, 1), (2, 2, 0), (1, 3, 0), (0, 3, 1)] {
        for sole in [false, true] {
            explore(sole, Budget { faults, users, ticks });
        }
    }
}

#[test]
fn each_planted_bug_makes_a_property_fail() {
    for bug in Bug::ALL {
        let (property, (faults, users, ticks)) = bug.found_by();
        let budget = Budget { faults, users, ticks };
        let model = Model { sole: false, budget, bug: Some(bug) };
        let finish = HasDiscoveries::AnyOf(BTreeSet::from([property]));
        let checker = model.checker().finish_when(finish).spawn_bfs().join();
        let states = checker.unique_state_count();
        let path = checker.discovery(property);
        let path = path.unwrap_or_else(|| panic!("{bug:?} was not found in {states} states"));
        println!("{bug:?}: not {property:?} after {states} states: {:?}", path.into_actions());
    }
}
