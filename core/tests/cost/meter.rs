//! Counts what each step of a reconciliation costs.

use allocation_counter::measure;
use nix::sys::signal::{Signal, raise};

/// What a run counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Nothing: the run only prepares another one.
    Nothing,
    /// Allocations, and their bytes.
    Allocations,
    /// Machine instructions: this process stops before and after the first step of each name, for the process that counts
    /// them.
    Instructions,
}

/// The allocations of a step.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Allocations {
    pub count: u64,
    pub bytes: u64,
}

/// The steps of a reconciliation.
pub struct Meter {
    counted: Counted,
    /// Steps whose instructions were counted before.
    known: Vec<&'static str>,
    /// The name of each step, in their order.
    pub steps: Vec<(&'static str, Allocations)>,
}

impl Meter {
    /// A meter before the first step.
    pub fn new(counted: Counted) -> Self {
        Self { counted, known: Vec::new(), steps: Vec::with_capacity(32) }
    }

    /// Does not count the instructions of these steps.
    pub fn without(self, known: Vec<&'static str>) -> Self {
        Self { known, ..self }
    }

    /// Runs a step.
    pub fn step<T>(&mut self, name: &'static str, step: impl FnOnce() -> T) -> T {
        let is_first = self.steps.iter().all(|(other, _)| *other != name)
            && self.known.iter().all(|other| *other != name);
        let mut allocations = Allocations::default();
        let result = match self.counted {
            Counted::Allocations => {
                let mut result = None;
                let info = measure(|| result = Some(step()));
                allocations = Allocations { count: info.count_total, bytes: info.bytes_total };
                result.expect("the step ran")
            }
            Counted::Instructions if is_first => {
                raise(Signal::SIGSTOP).expect("a process may stop itself");
                let result = step();
                raise(Signal::SIGSTOP).expect("a process may stop itself");
                result
            }
            Counted::Nothing | Counted::Instructions => step(),
        };
        self.steps.push((name, allocations));
        result
    }
}
