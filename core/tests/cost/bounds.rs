//! The bounds of each kind of reconciliation.

use std::fmt::{self, Display};
use std::ops::AddAssign;

/// A kind of reconciliation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nothing has to be done.
    Idle,
    /// The resource was just created.
    FirstIssue,
    /// The renewal time has come.
    Renewal,
    /// A user edited the Secret.
    Repair,
}

/// What a reconciliation costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub instructions: u64,
    pub allocations: u64,
    pub bytes: u64,
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Self) {
        self.instructions += other.instructions;
        self.allocations += other.allocations;
        self.bytes += other.bytes;
    }
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Idle, Self::FirstIssue, Self::Renewal, Self::Repair];

    /// The name in the environment and in the table.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::FirstIssue => "FirstIssue",
            Self::Renewal => "Renewal",
            Self::Repair => "Repair",
        }
    }

    /// The most that a reconciliation of this kind may cost: 15% more than what was measured.
    pub const fn bound(self) -> Cost {
        match self {
            Self::Idle => Cost { instructions: 552_000, allocations: 340, bytes: 30_000 },
            Self::FirstIssue => {
                Cost { instructions: 1_683_000, allocations: 1_031, bytes: 125_000 }
            }
            Self::Renewal => Cost { instructions: 1_792_000, allocations: 1_094, bytes: 126_000 },
            Self::Repair => Cost { instructions: 1_437_000, allocations: 818, bytes: 103_000 },
        }
    }
}

/// A cost that is not within its bound.
#[derive(Debug, PartialEq, Eq)]
pub struct Violation {
    kind: Kind,
    /// What was counted.
    unit: &'static str,
    cost: u64,
    bound: u64,
}

/// The costs that exceed their bounds, or are so far below them that the bounds limit nothing.
pub fn violations(kind: Kind, cost: Cost, bound: Cost) -> Vec<Violation> {
    let rows = [
        ("instructions", cost.instructions, bound.instructions),
        ("allocations", cost.allocations, bound.allocations),
        ("bytes", cost.bytes, bound.bytes),
    ];
    let wrong = rows.into_iter().filter(|(_, cost, bound)| cost > bound || *cost < bound / 2);
    wrong.map(|(unit, cost, bound)| Violation { kind, unit, cost, bound }).collect()
}

impl Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, unit, cost, bound } = self;
        let advice = if cost > bound {
            "find the step that became more expensive. If the change is worth it, raise the bound"
        } else {
            "this is less than half of it: lower the bound, so that it limits something"
        };
        let next = cost + cost * 15 / 100;
        let kind = kind.as_str();
        write!(f, "{kind}: {cost} {unit}, and the bound is {bound}: {advice} to {next}")
    }
}

#[test]
fn a_bound_is_neither_exceeded_nor_twice_as_high_as_the_cost() {
    let bound = Cost { instructions: 100, allocations: 100, bytes: 100 };
    for (cost, units) in [(49, 3), (50, 0), (100, 0), (101, 3)] {
        let cost = Cost { instructions: cost, allocations: cost, bytes: cost };
        assert_eq!(violations(Kind::Idle, cost, bound).len(), units, "{cost:?}");
    }
    let more = violations(Kind::Idle, Cost { bytes: 120, ..bound }, bound);
    let text = "Idle: 120 bytes, and the bound is 100: find the step that became more expensive. If the change is \
                worth it, raise the bound to 138";
    assert_eq!(more.iter().map(ToString::to_string).collect::<Vec<_>>(), [text]);
}
