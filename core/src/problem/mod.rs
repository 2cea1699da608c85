//! What stands in the way of issuing or renewing: a reason, its class, and a message.

mod reason;

use crate::text::one_line;
pub use reason::{Class, Reason};

/// Longest message, in characters. It is part of a condition, which holds up to 32 KiB, and of log lines.
const LONGEST_MESSAGE: usize = 2000;

/// A failure, before it is known how often it occurred.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The reason.
    pub reason: Reason,
    /// What happened and what to change, for a person. Never holds a secret value.
    pub message: String,
}

impl Problem {
    /// A problem with this message.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: one_line(&message.into(), LONGEST_MESSAGE) }
    }

    /// A problem with a call to STS: which call, what happened, and the advice of the reason.
    pub fn of_call(reason: Reason, action: &str, target: &str, what: &str) -> Self {
        Self::advised(reason, action, target, what, reason.advice())
    }

    /// The same, with more specific advice than that of the reason.
    pub fn advised(reason: Reason, action: &str, target: &str, what: &str, advice: &str) -> Self {
        Self::new(reason, format!("{action} for {target} failed: {what}. {advice}"))
    }

    /// Its class. A reason that has none counts as transient.
    pub fn class(&self) -> Class {
        self.reason.class().unwrap_or(Class::Transient)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_with_a_call_names_the_call_and_says_what_to_do() {
        let problem =
            Problem::of_call(Reason::PolicyTooLarge, "AssumeRole", "arn:r", "AWS says no");
        assert_eq!(
            problem.message,
            "AssumeRole for arn:r failed: AWS says no. Shorten policy, or use fewer policyArns and tags."
        );
    }
}
