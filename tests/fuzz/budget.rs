//! Runs a target until its time is used up.

use std::fmt::Debug;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};

/// How long each target runs, in seconds, unless `TEMPCRED_FUZZ_SECONDS` says otherwise.
const SECONDS: u64 = 5;

/// How many inputs are tried from one seed, before the time is checked again.
const ROUND: u32 = 32;

/// Tries inputs of `strategy` until the time is used up, and shows the smallest failing one with its seed:
/// `TEMPCRED_FUZZ_SEED` tries that seed alone.
pub fn run<S: Strategy<Value: Debug>>(
    target: &str,
    strategy: S,
    check: impl Fn(S::Value) -> Result<(), TestCaseError>,
) {
    let (seconds, only) = (number("TEMPCRED_FUZZ_SECONDS"), number("TEMPCRED_FUZZ_SEED"));
    let budget = Duration::from_secs(seconds.unwrap_or(SECONDS));
    let (begin, random) = (Instant::now(), RandomState::new());
    let mut tried = 0u64;
    loop {
        let seed = only.unwrap_or_else(|| random.hash_one(tried));
        let mut runner = TestRunner::new(Config {
            cases: ROUND,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            max_shrink_time: 60_000,
            max_shrink_iters: 20_000,
            ..Config::default()
        });
        match runner.run(&strategy, &check) {
            Ok(()) => tried += u64::from(ROUND),
            Err(TestError::Fail(why, input)) => {
                panic!("{target}, with TEMPCRED_FUZZ_SEED={seed}: {why}\nfor {input:#?}")
            }
            Err(TestError::Abort(why)) => panic!("{target}: {why}"),
        }
        if only.is_some() || begin.elapsed() >= budget {
            break;
        }
    }
    let took = begin.elapsed();
    println!("{target}: {tried} inputs in {took:.1?}, {:.0}/s", tried as f64 / took.as_secs_f64());
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is no number: {text}")))
}
