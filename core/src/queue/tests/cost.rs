//! Counts what the operations of the queue examine. Besides that, they only use maps, whose cost grows with the logarithm.

use super::looks::LOOKS;
use super::*;

const WORKERS: usize = 96;
const OPERATIONS: u32 = 2000;

/// What waits: the namespace and the budget of each resource.
type Shape = fn(usize) -> (String, BudgetKey);

fn demand(budget: BudgetKey) -> Demand {
    Demand { budget, ..one(0) }
}

/// The average looks of an operation, if this number of resources waits. `held` turns do not end, and the calls of each
/// namespace with one are slow.
fn looks(size: usize, shape: Shape, held: usize, rate: f64) -> f64 {
    let mut queue = Queue::new(WORKERS, rate);
    let slow = |n: usize| key(&format!("slow-{n}/r"));
    for n in 0..held {
        queue.add(&slow(n), demand(operator()), START);
    }
    let mut now = seconds(10.0);
    let mut turns = vec![];
    while turns.len() < held {
        turns.extend(queue.turn(now));
        now += seconds(1.0 / rate);
    }
    for n in 0..size {
        let (namespace, budget) = shape(n);
        queue.add(&key(&format!("{namespace}/{n}")), demand(budget), now);
    }
    // Namespaces that may not begin, and that are ahead of the others.
    for n in 0..held {
        let budget = shape(n).1;
        queue.add(&key(&format!("slow-{n}/again")), demand(budget), now);
    }
    LOOKS.set(0);
    for n in 0..OPERATIONS {
        match queue.next(now) {
            Next::Turn(turn) => {
                let (namespace, budget) = shape(turn.key().name.parse().unwrap());
                let again = key(&format!("{namespace}/{}", turn.key().name));
                queue.end(turn, answered(1), now);
                queue.add(&again, demand(budget.clone()), now);
                let other = key(&format!("{namespace}/{}", size + n as usize));
                queue.add(&other, demand(budget), now);
                queue.remove(&other);
            }
            Next::At(at) => now = at,
            Next::Idle => panic!("idle"),
        }
    }
    LOOKS.get() as f64 / f64::from(OPERATIONS)
}

#[test]
fn an_operation_costs_the_same_with_50_000_that_wait_as_with_1_000() {
    let in_one: Shape = |_| ("team".to_owned(), operator());
    let in_many: Shape = |n| (format!("n{n}"), operator());
    let regions: Shape = |n| {
        let region = Some(format!("r{}", n % 40));
        (format!("n{n}"), BudgetKey { region, ..operator() })
    };
    let own_keys: Shape = |n| (format!("n{n}"), own(&format!("n{n}"), "r"));
    for (row, shape, held, rate) in [
        ("one namespace", in_one, 0, 1e6),
        ("one namespace, at the rate", in_one, 0, 5.0),
        ("a namespace each", in_many, 0, 1e6),
        ("a namespace each, at the rate", in_many, 0, 5.0),
        ("40 budgets", regions, 0, 1e6),
        ("40 budgets, at the rate", regions, 0, 5.0),
        ("a budget each", own_keys, 0, 1e6),
        ("a budget each, at the rate", own_keys, 0, 5.0),
        ("one worker is free", in_many, WORKERS - 1, 1e6),
        ("one worker is free, 40 budgets", regions, WORKERS - 1, 1e6),
    ] {
        let (few, many) = (looks(1_000, shape, held, rate), looks(50_000, shape, held, rate));
        assert!(many <= few + 1.0, "{row}: {few} with 1,000, {many} with 50,000");
        let most = 10.0 + 4.0 * held as f64;
        assert!(many <= most, "{row}: {many}, more than {most}");
    }
}

#[test]
fn a_queue_that_drains_does_not_look_at_all_namespaces_again_and_again() {
    let mut queue = Queue::unlimited(WORKERS);
    (0..50_000).for_each(|n| queue.wait(&format!("n{n}/r"), 0));
    LOOKS.set(0);
    assert_eq!(queue.order(60_000).len(), 50_000);
    assert!(LOOKS.get() < 500_000, "{} looks", LOOKS.get());
}

#[test]
fn one_namespace_with_slow_calls_in_many_regions_costs_others_nothing() {
    let mut queue = Queue::unlimited(WORKERS);
    for n in 0..10_000 {
        queue.add(&key(&format!("slow/{n}")), demand(own("slow", &n.to_string())), START);
    }
    let held: Vec<_> = std::iter::from_fn(|| queue.turn(START)).collect();
    assert_eq!(held.len(), WORKERS / 2);
    (0..1000).for_each(|n| queue.wait(&format!("other/{n}"), 0));
    LOOKS.set(0);
    assert_eq!(queue.order(1000).len(), 1000);
    assert!(LOOKS.get() < 5_000, "{} looks", LOOKS.get());
    held.into_iter().for_each(|turn| queue.end(turn, answered(1), START));
    assert_eq!(queue.order(10_000).len(), 10_000 - WORKERS / 2, "blocked for ever");
}
