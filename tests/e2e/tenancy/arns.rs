//! Attacks by the ARN of a role: globs, homoglyphs, paths, other accounts.

use super::attack::{Attack, NOT_GRANTED, Refused, on_role};
use super::scene::VICTIM_ROLE;

const INVALID: Refused = Refused::ByApiServer("spec.assumeRole.roleArn");
const NO_PATH: Refused = Refused::ByOperator("InvalidSpec", "is not the ARN of an IAM role");

/// The attacker has a grant for `attacker/*`, `exact` and `one-?`.
pub fn rows() -> Vec<Attack> {
    let role = |path: &str| format!("arn:aws:iam::123456789012:role/{path}");
    let long = |length: usize| {
        let role = role("victim/");
        role.clone() + &"x".repeat(length - role.len())
    };
    vec![
        on_role("the role of another tenant", VICTIM_ROLE, NOT_GRANTED),
        on_role("a role outside of the path", role("own"), NOT_GRANTED),
        on_role("a star for all roles", role("*"), INVALID),
        on_role("a star in place of the path", role("*/payroll"), NOT_GRANTED),
        on_role("the beginning of the pattern and a star", role("attacker*"), INVALID),
        on_role("a question mark for a letter", role("exac?"), INVALID),
        on_role("the path in upper case", role("ATTACKER/own"), NOT_GRANTED),
        on_role("one letter in upper case", role("Exact"), NOT_GRANTED),
        on_role("two characters for one", role("one-ab"), NOT_GRANTED),
        on_role("the path, percent-encoded", role("attacker%2Fown"), INVALID),
        on_role(
            "a path traversal, percent-encoded",
            role("attacker%2F..%2Fvictim/payroll"),
            NOT_GRANTED,
        ),
        on_role("a backslash for a slash", role("attacker\\own"), INVALID),
        on_role(
            "the same in another account",
            "arn:aws:iam::210987654321:role/attacker/own",
            NOT_GRANTED,
        ),
        on_role(
            "the same in the partition of China",
            "arn:aws-cn:iam::123456789012:role/attacker/own",
            NOT_GRANTED,
        ),
        on_role(
            "the same in an unknown partition",
            "arn:aws-:iam::123456789012:role/attacker/own",
            INVALID,
        ),
        on_role(
            "the longest path",
            role(&format!("victim/{}/payroll", "p".repeat(503))),
            NOT_GRANTED,
        ),
        on_role("a path traversal", role("attacker/../victim/payroll"), NO_PATH),
        on_role("a dot segment", role("attacker/./own"), NO_PATH),
        on_role("an empty path", role("/own"), INVALID),
        on_role("an empty segment", role("attacker//own"), NO_PATH),
        on_role("a path without a name", role("attacker/"), INVALID),
        on_role("a longer path", role(&format!("victim/{}/payroll", "p".repeat(504))), INVALID),
        on_role("a longer ARN than any", long(2049), INVALID),
        on_role("no name", role(""), INVALID),
        on_role("a homoglyph", role("\u{430}ttacker/own"), INVALID),
        on_role("a zero-width space", role("attacker/\u{200b}own"), INVALID),
        on_role("a bidirectional override", role("attacker/\u{202e}llorya"), INVALID),
        on_role("full-width digits", "arn:aws:iam::\u{ff11}23456789012:role/attacker/own", INVALID),
        on_role("a trailing space", role("attacker/own "), INVALID),
        on_role("a leading space", format!(" {VICTIM_ROLE}"), INVALID),
        on_role("a trailing newline", role("attacker/own\n"), INVALID),
        on_role("two lines", format!("{}\n{VICTIM_ROLE}", role("attacker/own")), INVALID),
        on_role("a zero byte", role("attacker/own\0"), INVALID),
        on_role("an ARN in upper case", "ARN:AWS:IAM::123456789012:ROLE/attacker/own", INVALID),
        on_role("an encoded ARN", VICTIM_ROLE.replace(':', "%3A"), INVALID),
        on_role("any account", "arn:aws:iam::*:role/attacker/own", INVALID),
        on_role("any partition", "arn:*:iam::123456789012:role/attacker/own", INVALID),
        on_role("no account", "arn:aws:iam:::role/attacker/own", INVALID),
        on_role("the root user", "arn:aws:iam::123456789012:root", INVALID),
        on_role("a user", "arn:aws:iam::123456789012:user/attacker/own", INVALID),
        on_role(
            "a session",
            "arn:aws:sts::123456789012:assumed-role/payroll/tempcred-payroll",
            INVALID,
        ),
    ]
}
