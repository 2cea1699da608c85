//! Tests of the queue.

mod cost;
mod simulation;
mod sts;

use super::*;
use proptest::prelude::*;

const START: Duration = Duration::ZERO;

fn key(text: &str) -> Key {
    let (namespace, name) = text.split_once('/').unwrap();
    Key { namespace: namespace.to_owned(), name: name.to_owned() }
}

fn operator() -> BudgetKey {
    BudgetKey { signer: BudgetSigner::Operator, region: None }
}

fn own(namespace: &str, region: &str) -> BudgetKey {
    let region = Some(region.to_owned());
    BudgetKey { signer: BudgetSigner::Namespace(namespace.to_owned()), region }
}

/// One call of the operator.
fn one(second: i64) -> Demand {
    Demand { due: due(second), budget: operator(), calls: 1, refused: false }
}

/// Calls that STS answered.
fn answered(made: u32) -> Calls {
    Calls { made, reply: Reply::Answered }
}

fn due(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn seconds(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

impl Queue {
    fn wait(&mut self, text: &str, second: i64) {
        self.add(&key(text), one(second), START);
    }

    /// The next turn, if there is one now.
    fn turn(&mut self, now: Duration) -> Option<Turn> {
        match self.next(now) {
            Next::Turn(turn) => Some(turn),
            Next::At(at) => {
                assert!(at > now, "a timer for now would never end");
                None
            }
            Next::Idle => None,
        }
    }

    /// The next turns. Each ends before the next one begins.
    fn order(&mut self, count: usize) -> Vec<String> {
        let turn = |_| {
            let turn = self.turn(START)?;
            let name = format!("{}/{}", turn.key().namespace, turn.key().name);
            self.end(turn, answered(1), START);
            Some(name)
        };
        (0..count).map_while(turn).collect()
    }
}

#[test]
fn the_resource_that_is_due_first_goes_first() {
    let mut queue = Queue::unlimited(8);
    for (name, second) in [("a/3", 30), ("a/1", 10), ("a/2", 20), ("a/2b", 20)] {
        queue.wait(name, second);
    }
    queue.wait("a/3", 5);
    queue.wait("a/1", 50);
    assert_eq!(queue.len(), 4);
    assert_eq!(queue.order(9), ["a/3", "a/1", "a/2", "a/2b"]);
    assert!(queue.is_empty());
}

#[test]
fn namespaces_take_turns() {
    let mut queue = Queue::unlimited(8);
    for name in ["greedy/1", "greedy/2", "greedy/3", "greedy/4"] {
        queue.wait(name, 0);
    }
    queue.wait("modest/1", 100);
    queue.wait("modest/2", 101);
    let order = queue.order(9);
    assert_eq!(order, ["greedy/1", "modest/1", "greedy/2", "modest/2", "greedy/3", "greedy/4"]);
}

#[test]
fn a_namespace_that_leaves_and_comes_back_does_not_go_first_again() {
    let mut queue = Queue::unlimited(8);
    for name in ["a/1", "a/2", "a/3", "a/4"] {
        queue.wait(name, 10);
    }
    let mut order = vec![];
    for _ in 0..4 {
        // One resource that waits again at once, and is more urgent than all others.
        queue.wait("b/again", 0);
        order.extend(queue.order(1));
    }
    assert_eq!(order.iter().filter(|name| name.starts_with("a/")).count(), 2, "{order:?}");
}

#[test]
fn a_namespace_does_not_save_turns() {
    let mut queue = Queue::unlimited(8);
    (0..100).for_each(|n| queue.wait(&format!("busy/{n}"), 0));
    queue.order(50);
    (0..100).for_each(|n| queue.wait(&format!("late/{n}"), 0));
    let order = queue.order(10);
    assert_eq!(order.iter().filter(|name| name.starts_with("late/")).count(), 5, "{order:?}");
}

#[test]
fn slow_calls_of_one_namespace_leave_workers_to_others() {
    let mut queue = Queue::unlimited(8);
    for namespace in ["slow", "also-slow", "c", "d", "e"] {
        for n in 0..100 {
            queue.wait(&format!("{namespace}/{n}"), 0);
        }
    }
    let mut slow = Queue::unlimited(8);
    (0..100).for_each(|n| slow.wait(&format!("slow/{n}"), 0));
    let held: Vec<_> = std::iter::from_fn(|| slow.turn(START)).collect();
    assert_eq!(held.len(), 4, "one namespace gets half of the workers");
    slow.wait("other/1", 1000);
    assert_eq!(slow.turn(START).unwrap().key(), &key("other/1"));
    let held: Vec<_> = std::iter::from_fn(|| queue.turn(START)).collect();
    assert_eq!(held.len(), 7, "five namespaces leave one worker free");
    for workers in 1..4 {
        let mut few = Queue::unlimited(workers);
        (0..9).for_each(|n| few.wait(&format!("only/{n}"), 0));
        assert!(few.turn(START).is_some(), "{workers}");
    }
}

#[test]
fn only_calls_that_are_made_are_charged() {
    let mut queue = Queue::new(100, 10.0);
    (0..40).for_each(|n| queue.wait(&format!("a/{n}"), 0));
    // Ten turns without a call, and then the burst.
    for calls in std::iter::repeat_n(0, 10).chain([1]) {
        let turn = queue.turn(START).unwrap();
        queue.end(turn, answered(calls), START);
    }
    assert!(queue.turn(START).is_none(), "the budget is used up");
    assert!(queue.turn(seconds(0.099)).is_none());
    assert!(queue.turn(seconds(0.101)).is_some());
}

#[test]
fn the_calls_of_a_chain_are_taken_before_they_are_made() {
    let mut queue = Queue::new(100, 50.0);
    for n in 0..20 {
        queue.add(&key(&format!("chains/{n}")), Demand { calls: 5, ..one(0) }, START);
    }
    let turns: Vec<_> = std::iter::from_fn(|| queue.turn(START)).collect();
    assert_eq!(turns.len(), 1, "the budget is used up by one chain of five calls");
    queue.wait("other/1", 100);
    let at = seconds(0.021);
    assert_eq!(queue.turn(at).unwrap().key(), &key("other/1"), "the next call is another's");
    for turn in turns {
        queue.end(turn, answered(1), at);
    }
    assert!(queue.turn(seconds(0.045)).is_some(), "what a chain does not use is given back");
    let mut slow = Queue::new(100, 1.0);
    slow.add(&key("a/1"), Demand { calls: 5, ..one(0) }, START);
    assert!(slow.turn(START).is_some(), "a chain may be longer than the burst");
    slow.wait("a/2", 0);
    assert!(slow.turn(seconds(4.9)).is_none());
    assert!(slow.turn(seconds(5.1)).is_some());
}

#[test]
fn a_namespace_with_keys_of_its_own_does_not_delay_those_that_wait_for_the_operator() {
    let mut queue = Queue::new(100, 10.0);
    (0..2000).for_each(|n| queue.wait(&format!("backlog/{n}"), 0));
    for n in 0..5000 {
        let demand = Demand { budget: own("hostile", "r"), ..one(0) };
        queue.add(&key(&format!("hostile/{n}")), demand, START);
    }
    let mut now = START;
    // Turns without a call cost the namespace nothing but their number.
    for _ in 0..4000 {
        match queue.next(now) {
            Next::Turn(turn) => {
                let calls = u32::from(turn.key().namespace == "backlog");
                queue.end(turn, answered(calls), now);
            }
            Next::At(at) => now = at,
            Next::Idle => panic!("idle"),
        }
    }
    queue.add(&key("late/1"), one(5000), now);
    let mut before = 0;
    loop {
        match queue.next(now) {
            Next::Turn(turn) if turn.key().namespace == "late" => break,
            Next::Turn(turn) => {
                before += u32::from(turn.key().namespace == "backlog");
                queue.end(turn, answered(1), now);
            }
            Next::At(at) => now = at,
            Next::Idle => panic!("idle"),
        }
    }
    assert!(before <= 2, "{before} turns of the backlog went first");
}

#[test]
fn a_namespace_that_was_not_allowed_to_begin_does_not_go_first_for_long() {
    let mut queue = Queue::unlimited(4);
    (0..2000).for_each(|n| queue.wait(&format!("slow/{n}"), 0));
    let held: Vec<_> = std::iter::from_fn(|| queue.turn(START)).collect();
    (0..2000).for_each(|n| queue.wait(&format!("busy/{n}"), 10));
    queue.order(500);
    held.into_iter().for_each(|turn| queue.end(turn, answered(1), START));
    let order = queue.order(10);
    assert!(order.iter().filter(|name| name.starts_with("slow/")).count() <= 6, "{order:?}");
}

#[test]
fn a_turn_begins_at_once_only_if_nothing_waits() {
    let mut queue = Queue::unlimited(2);
    let first = queue.begin(&key("a/1"), one(0), START).unwrap();
    assert!(queue.begin(&key("a/2"), one(0), START).is_none(), "half of the workers");
    assert!(queue.begin(&key("b/1"), one(0), START).is_none(), "another one waits");
    assert_eq!(queue.turn(START).unwrap().key(), &key("b/1"));
    queue.end(first, answered(1), START);
    assert_eq!(queue.len(), 1);
}

#[test]
fn a_budget_that_is_used_up_does_not_delay_others() {
    let mut queue = Queue::new(100, 1.0);
    let add = |queue: &mut Queue, name: &str, budget| {
        queue.add(&key(name), Demand { budget, ..one(0) }, START);
    };
    add(&mut queue, "a/1", operator());
    add(&mut queue, "a/2", operator());
    add(&mut queue, "a/own", own("a", "r"));
    add(&mut queue, "b/own", own("b", "r"));
    let mut names: Vec<_> =
        std::iter::from_fn(|| queue.turn(START)).map(|turn| turn.key().name.clone()).collect();
    names.sort();
    assert_eq!(names, ["1", "own", "own"]);
    let Next::At(at) = queue.next(START) else { panic!("no timer") };
    assert!(queue.turn(at).is_some());
}

#[test]
fn a_resource_with_a_turn_does_not_wait_again_until_the_turn_ends() {
    let mut queue = Queue::unlimited(2);
    queue.wait("a/1", 0);
    let turn = queue.turn(START).unwrap();
    queue.wait("a/1", 0);
    assert!(queue.is_empty());
    queue.end(turn, answered(1), START);
    queue.wait("a/1", 0);
    queue.remove(&key("a/1"));
    queue.remove(&key("a/1"));
    assert!(queue.turn(START).is_none() && queue.is_empty());
}

#[test]
fn nothing_is_kept_for_what_does_not_wait() {
    let mut queue = Queue::new(4, 100.0);
    for n in 0..5000 {
        let (namespace, now) = (format!("n{n}"), seconds(f64::from(n)));
        let name = key(&format!("{namespace}/x"));
        let budget = if n % 2 == 0 { operator() } else { own(&namespace, &n.to_string()) };
        queue.add(&name, Demand { budget, ..one(0) }, now);
        let turn = queue.turn(now).unwrap();
        queue.end(turn, answered(1), now);
    }
    assert!(queue.busy.is_empty() && queue.rotation.is_empty());
    assert!(queue.budgets.len() <= FEW_BUDGETS, "{}", queue.budgets.len());
    let lanes = queue.budgets.values().map(Budget::lanes).max();
    assert!(lanes < Some(20), "{lanes:?}");
    // While calls hang, no turn ends.
    for n in 0..5000 {
        let now = seconds(1e6 + f64::from(n));
        let demand = Demand { budget: own("n", &n.to_string()), ..one(0) };
        queue.add(&key("n/x"), demand, now);
    }
    assert!(queue.budgets.len() <= FEW_BUDGETS + 1, "{}", queue.budgets.len());
}

#[derive(Clone, Debug)]
enum Step {
    Add { namespace: u8, name: u8, due: i64, own: bool },
    Remove { namespace: u8, name: u8 },
    Begin,
    End { which: usize, calls: u32, throttled: bool },
    Pass { millis: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..4u8, 0..6u8, 0..50i64, any::<bool>())
            .prop_map(|(namespace, name, due, own)| Step::Add { namespace, name, due, own }),
        1 => (0..4u8, 0..6u8).prop_map(|(namespace, name)| Step::Remove { namespace, name }),
        4 => Just(Step::Begin),
        3 => (any::<usize>(), 0..4u32, any::<bool>())
            .prop_map(|(which, calls, throttled)| Step::End { which, calls, throttled }),
        2 => (0..400u64).prop_map(|millis| Step::Pass { millis }),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    #[test]
    fn every_waiting_resource_gets_its_turn_within_the_limits(steps in steps(), workers in 1..6usize, rate in 1..20u32) {
        let mut queue = Queue::new(workers, rate.into());
        let (mut now, mut turns, mut calls) = (START, vec![], 0u32);
        let mut waiting = HashSet::new();
        for step in steps {
            match step {
                Step::Add { namespace, name, due: second, own: is_own } => {
                    let key = key(&format!("n{namespace}/r{name}"));
                    let budget = if is_own { own("n", "r") } else { operator() };
                    queue.add(&key, Demand { due: due(second), budget, calls: 1 + u32::from(name % 3), refused: name % 2 == 0 }, now);
                    if !turns.iter().any(|turn: &Turn| turn.key() == &key) {
                        waiting.insert(key);
                    }
                }
                Step::Remove { namespace, name } => {
                    let key = key(&format!("n{namespace}/r{name}"));
                    queue.remove(&key);
                    waiting.remove(&key);
                }
                Step::Begin => if let Some(turn) = queue.turn(now) {
                    prop_assert!(waiting.remove(turn.key()), "it did not wait");
                    turns.push(turn);
                },
                Step::End { which, calls: made, throttled } => if !turns.is_empty() {
                    let turn = turns.swap_remove(which % turns.len());
                    let made = made.min(turn.resource.calls);
                    let reply = if throttled { Reply::Throttled } else { Reply::Answered };
                    queue.end(turn, Calls { made, reply }, now);
                    calls += made;
                },
                Step::Pass { millis } => now += Duration::from_millis(millis),
            }
            prop_assert!(turns.len() <= workers);
            prop_assert_eq!(queue.len(), waiting.len());
            // Two budgets, each with a burst, and with a debt of at most one chain.
            let most = 2.0 * (f64::from(rate) * (1.0 + now.as_secs_f64()) + 3.0);
            prop_assert!(f64::from(calls) <= most, "{calls} calls");
        }
        for turn in turns {
            queue.end(turn, answered(0), now);
        }
        for _ in 0..1000 {
            match queue.next(now) {
                Next::Turn(turn) => {
                    waiting.remove(turn.key());
                    queue.end(turn, answered(1), now);
                }
                Next::At(at) => now = at,
                Next::Idle => break,
            }
        }
        prop_assert!(waiting.is_empty() && queue.is_empty(), "{waiting:?}");
    }
}
