//! Attacks by a chain of roles: every hop needs a grant, not only the last.

use serde_json::{Value, json};

use super::attack::{Attack, NOT_GRANTED, Refused, attack};
use super::scene::{OWN, VICTIM_ROLE};

fn through(via: Value, target: &str) -> Value {
    json!({"assumeRole": {"via": via, "roleArn": target}})
}

/// A hop through a role.
fn hop(arn: &str) -> Value {
    json!({"roleArn": arn})
}

/// The attacker has a grant for `attacker/*` that sets the external ID.
pub fn rows() -> Vec<Attack> {
    let elsewhere = "arn:aws:iam::210987654321:role/attacker/own";
    let out = "arn:aws:iam::123456789012:role/attacker/../victim/payroll";
    vec![
        attack(
            "from the coveted role to its own",
            through(json!([hop(VICTIM_ROLE)]), OWN),
            NOT_GRANTED,
        ),
        attack(
            "from its own role to the coveted",
            through(json!([hop(OWN)]), VICTIM_ROLE),
            NOT_GRANTED,
        ),
        attack(
            "through the coveted role and back",
            through(json!([hop(OWN), hop(VICTIM_ROLE), hop(OWN)]), OWN),
            NOT_GRANTED,
        ),
        attack(
            "the coveted role as the last of four hops",
            through(json!([hop(OWN), hop(OWN), hop(OWN), hop(VICTIM_ROLE)]), OWN),
            NOT_GRANTED,
        ),
        attack(
            "a hop in upper case",
            through(
                json!([
                    hop(&OWN.replace("own", "x")),
                    hop("arn:aws:iam::123456789012:role/Attacker/own",)
                ]),
                OWN,
            ),
            NOT_GRANTED,
        ),
        attack("a hop to another account", through(json!([hop(elsewhere)]), OWN), NOT_GRANTED),
        attack(
            "a hop out of the path",
            through(json!([hop(out)]), OWN),
            Refused::ByOperator("InvalidSpec", "is not the ARN of an IAM role"),
        ),
        attack(
            "a hop with the external ID of another",
            through(json!([{"roleArn": OWN, "externalId": "victim/payroll"}]), OWN),
            Refused::ByOperator("NotGranted", "remove externalId"),
        ),
        attack(
            "five hops",
            through(json!(vec![hop(OWN); 5]), VICTIM_ROLE),
            Refused::ByApiServer("must have at most 4 items"),
        ),
        attack(
            "a hop that is a session",
            through(json!([hop("arn:aws:sts::123456789012:assumed-role/payroll/x")]), OWN),
            Refused::ByApiServer("spec.assumeRole.via[0].roleArn"),
        ),
    ]
}
