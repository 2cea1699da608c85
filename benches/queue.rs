//! What a turn in the queue costs while few resources wait and while many do, in one run: `cargo bench --bench queue`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tempcred_core::key::Key;
use tempcred_core::queue::{BudgetKey, BudgetSigner, Calls, Demand, Next, Queue, Reply};

/// The number of turns that are measured.
const TURNS: u32 = 50_000;

/// A rate that is reached within the first turns.
const RATE: f64 = 1e6;

/// What waits: the namespace and the budget of each resource.
type Shape = fn(usize) -> (String, BudgetKey);

fn operator(region: Option<String>) -> BudgetKey {
    BudgetKey { signer: BudgetSigner::Operator, region }
}

const SHAPES: [(&str, Shape); 4] = [
    ("one namespace", |_| ("team".to_owned(), operator(None))),
    ("a namespace each", |n| (format!("n{n}"), operator(None))),
    ("40 regions", |n| (format!("n{n}"), operator(Some(format!("r{}", n % 40))))),
    ("own keys each", |n| {
        let namespace = format!("n{n}");
        let signer = BudgetSigner::Namespace(namespace.clone());
        (namespace, BudgetKey { signer, region: None })
    }),
];

fn add(queue: &mut Queue, shape: Shape, n: usize, now: Duration) {
    let (namespace, budget) = shape(n);
    let due = Timestamp::UNIX_EPOCH;
    let demand = Demand { due, budget, calls: 1, refused: false };
    queue.add(&Key { namespace, name: n.to_string() }, demand, now);
}

/// Nanoseconds for a turn, its end, and the requeue of its resource, with this number that wait.
fn cost(shape: Shape, size: usize) -> f64 {
    let mut queue = Queue::new(96, RATE);
    let mut now = Duration::ZERO;
    (0..size).for_each(|n| add(&mut queue, shape, n, now));
    let (begin, mut turns) = (Instant::now(), 0);
    while turns < TURNS {
        match queue.next(now) {
            Next::Turn(turn) => {
                let n = turn.key().name.parse().expect("a number");
                queue.end(black_box(turn), Calls { made: 1, reply: Reply::Answered }, now);
                add(&mut queue, shape, n, now);
                turns += 1;
            }
            Next::At(at) => now = at,
            Next::Idle => unreachable!("resources wait"),
        }
    }
    begin.elapsed().as_nanos() as f64 / f64::from(TURNS)
}

fn main() {
    for (name, shape) in SHAPES {
        let (few, many) = (cost(shape, 1_000), cost(shape, 50_000));
        let ratio = many / few;
        println!("{name}: {few:.0} ns with 1,000; {many:.0} ns with 50,000; ratio {ratio:.2}");
    }
}
