//! Herds of resources that are due at the same time, with an STS that allows fewer calls than the operator would make.

use super::sts::Simulation;
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// The time at which a herd expires, at the earliest.
fn soon(number: u32) -> Duration {
    Duration::from_secs(1200) + Duration::from_millis(number.into())
}

/// 1,000 resources are due, and 5% of them are always refused.
fn herd(namespaces: u32) -> Simulation {
    let mut simulation = Simulation::new(50.0);
    for n in 0..1000u32 {
        // Another order than that of the urgency.
        let n = n * 7 % 1000;
        let name = format!("n{}/r{n}", n % namespaces);
        match n % 20 {
            0 => simulation.refuse(&name, 0, soon(n)),
            _ => simulation.renew(&name, soon(n)),
        }
    }
    simulation
}

#[test]
fn a_herd_makes_at_most_a_tenth_more_calls_than_sts_answers_with_credentials() {
    for namespaces in [1, 10, 200] {
        let mut simulation = herd(namespaces);
        simulation.run(950, HOUR);
        let (log, took) = (&simulation.log, simulation.now);
        let figures = format!(
            "{namespaces} namespaces: {} calls, {} throttled, {} refused, {took:?}",
            log.calls, log.throttled, log.refused
        );
        println!("{figures}");
        assert_eq!(log.issued.len(), 950, "{figures}");
        // This includes the first call of each of the 50 that are refused.
        assert!(log.calls * 10 <= log.issued.len() * 11, "{figures}");
        // STS allows them within 19 s.
        assert!(took < seconds(30.0), "{figures}");
        assert_eq!(log.late, [], "{figures}");
    }
}

#[test]
fn no_renewal_is_late_that_could_have_been_in_time() {
    let mut simulation = Simulation::new(50.0);
    // The first ones expire in 10 s, and then 40 in each second: STS allows few more.
    let expires = |n: u32| seconds(10.0 + f64::from(n) / 40.0);
    (0..2000).rev().for_each(|n| simulation.renew(&format!("team/r{n}"), expires(n)));
    simulation.run(2000, HOUR);
    let log = &simulation.log;
    println!("{} calls, {} throttled, {:?}", log.calls, log.throttled, simulation.now);
    assert_eq!((log.issued.len(), &log.late[..]), (2000, &[][..]));
    assert!(log.calls <= 2200, "{} calls", log.calls);
}

#[test]
fn roles_that_are_always_refused_do_not_use_up_what_others_need() {
    for elsewhere in [false, true] {
        let mut simulation = Simulation::new(50.0);
        for n in 0..10_000u32 {
            let namespace = if elsewhere { format!("refused-{}", n % 100) } else { "team".into() };
            // Their credentials have expired, so they are more urgent by time.
            simulation.refuse(&format!("{namespace}/refused-{n}"), 3, START);
        }
        // Without others, they use the budget.
        simulation.run(1, seconds(20.0));
        assert!(simulation.log.refused > 500, "{} refused", simulation.log.refused);
        let (begin, before) = (simulation.now, simulation.log.refused);
        (0..1000).for_each(|n| simulation.renew(&format!("team/r{n}"), begin + seconds(60.0)));
        simulation.run(1000, HOUR);
        let log = &simulation.log;
        let (refused, took) = (log.refused - before, simulation.now - begin);
        println!("{refused} refused, {} throttled, {took:?}", log.throttled);
        assert_eq!((log.issued.len(), log.late.len()), (1000, 0));
        assert!(took < seconds(30.0), "{took:?}");
        assert!(refused <= 60, "{refused} were refused meanwhile");
    }
}

#[test]
fn one_that_was_refused_before_gets_its_turn_although_the_queue_is_never_empty() {
    let mut queue = Queue::unlimited(8);
    (0..1000).for_each(|n| queue.wait(&format!("busy/{n}"), 0));
    queue.add(&key("repaired/1"), Demand { refused: true, ..one(0) }, START);
    let order = queue.order(50);
    assert_eq!(order.iter().position(|name| name == "repaired/1"), Some(49), "{order:?}");
}

#[test]
fn the_rate_follows_the_limit_of_sts() {
    let mut simulation = Simulation::new(50.0);
    (0..40_000).for_each(|n| simulation.renew(&format!("team/r{n}"), HOUR));
    simulation.run(usize::MAX, seconds(100.0));
    let (rate, issued) = (simulation.rate(), simulation.log.issued.len());
    assert!((20.0..80.0).contains(&rate), "{rate}");
    assert!(issued > 4000, "{issued} issued in 100 s");
    assert!(simulation.log.throttled < 50, "{} throttled", simulation.log.throttled);
    simulation.set_limit(600.0);
    simulation.run(usize::MAX, seconds(200.0));
    assert_eq!(simulation.rate(), 300.0);
    // The limit falls, because other clients of the account call STS.
    simulation.set_limit(20.0);
    let before = simulation.log.throttled;
    simulation.run(usize::MAX, seconds(230.0));
    assert!(simulation.rate() < 40.0, "{}", simulation.rate());
    let throttled = simulation.log.throttled - before;
    assert!(throttled < 80, "{throttled} throttled");
}

#[test]
fn a_fresh_start_is_not_delayed_by_the_growth() {
    let mut simulation = Simulation::new(600.0);
    for n in 0..10_000 {
        simulation.renew(&format!("n{}/r{n}", n % 100), HOUR);
    }
    simulation.run(10_000, HOUR);
    // At the ceiling of 300 calls per second, it takes 33.3 s.
    assert!(simulation.now < seconds(35.5), "{:?}", simulation.now);
    assert_eq!(simulation.log.calls, 10_000);
}

#[test]
fn only_the_first_call_of_a_chain_reduces_the_rate() {
    let throttled = |made| {
        let mut queue = Queue::new(8, 300.0);
        queue.wait("a/1", 0);
        let turn = queue.turn(START).unwrap();
        queue.end(turn, Calls { made, reply: Reply::Throttled }, seconds(0.1));
        queue.operator_rate(seconds(0.1))
    };
    assert_eq!([0, 1, 2].map(throttled), [300.0, 25.0, 300.0]);
}
