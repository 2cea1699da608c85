//! Faults of STS: throttling, refusals, timeouts, incomplete and wrong replies. Tests check the message, the
//! backoff and the recovery.

pub mod cases;
mod history;

mod backoff;
mod codes;
mod first_issue;
mod herd;
mod renewal;

use serde_json::{Value, json};

/// A spec for the role of a row.
pub fn spec(row: &str) -> Value {
    json!({"assumeRole": {"roleArn": format!("arn:aws:iam::123456789012:{}reports", role(row))}})
}

/// A part that only the ARN of a row's role contains.
pub fn role(row: &str) -> String {
    format!("role/{row}/")
}

/// A spec that is renewed nine to ten seconds after the issue, long before the expiry.
pub fn renewed_soon(row: &str) -> Value {
    let mut spec = spec(row);
    spec["assumeRole"]["duration"] = "15m".into();
    spec["renewal"] = json!({"before": "14m50s"});
    spec
}
