//! STS throttled, refused, slow, cut short, lying: what is said, how long is waited, and that it
//! passes by itself.

pub mod cases;
mod history;

mod backoff;
mod codes;
mod first_issue;
mod renewal;

use serde_json::{Value, json};

/// A spec for the role of a row.
pub fn spec(row: &str) -> Value {
    json!({"assumeRole": {"roleArn": format!("arn:aws:iam::123456789012:{}reports", role(row))}})
}

/// What the ARN of a row's role holds, and no other's.
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
