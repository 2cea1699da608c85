//! Problems that prevent an issue or a renewal. A problem has a reason, a class and a message.

mod reason;

use crate::text::one_line;
pub use reason::{Class, Reason};

/// Longest message, in characters. Messages are part of log lines and of conditions, which are limited to 32 KiB.
const LONGEST_MESSAGE: usize = 2000;

/// A failure of one attempt.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// The reason.
    pub reason: Reason,
    /// A description for people of the failure, and of what to change. It never contains a secret value.
    pub message: String,
    /// The request ID of each call to STS that was made, or `-` if it had no reply, for the log. They are not part of
    /// the message, because the status would change with each attempt.
    pub request_ids: Vec<String>,
}

impl Problem {
    /// A problem with this message, which is converted to one line.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = one_line(&message.into(), LONGEST_MESSAGE);
        Self { reason, message, request_ids: Vec::new() }
    }

    /// A problem with a call to STS. The message contains the call, the failure and the advice of the reason.
    pub fn of_call(reason: Reason, action: &str, target: &str, what: &str) -> Self {
        Self::advised(reason, action, target, what, reason.advice())
    }

    /// Like [`of_call`](Self::of_call), with specific advice instead of that of the reason.
    pub fn advised(reason: Reason, action: &str, target: &str, what: &str, advice: &str) -> Self {
        Self::new(reason, format!("{action} for {target} failed: {what}. {advice}"))
    }

    /// The same problem, of an attempt that made these calls to STS.
    #[must_use]
    pub fn of_requests(self, request_ids: Vec<String>) -> Self {
        Self { request_ids, ..self }
    }

    /// The class of the reason. A reason without a class counts as transient.
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
            Problem::of_call(Reason::PolicyTooLarge, "AssumeRole", "arn:r", "STS denied it");
        assert_eq!(
            problem.message,
            "AssumeRole for arn:r failed: STS denied it. Shorten policy, or use fewer policyArns and tags."
        );
    }
}
