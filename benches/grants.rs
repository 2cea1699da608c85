//! What a decision about a role costs with few grants and with many, in one run: `cargo bench`.

use std::hint::black_box;
use std::time::Instant;

use serde_json::json;
use tempcred_core::grant::Grants;
use tempcred_core::request::RequestedRole;
use tempcred_core::request::arn::RoleArn;

/// The number of resources.
const CREDENTIALS: usize = 10_000;

/// How many decisions are made for each of them.
const ROUNDS: usize = 20;

/// This number of teams, each with a namespace and a grant.
fn granted(teams: usize) -> Grants {
    let mut grants = Grants::default();
    for team in 0..teams {
        grants.set_namespace(&format!("team-{team}"), &Default::default());
        let grant = json!({
            "apiVersion": "tempcred.dev/v1alpha1", "kind": "RoleGrant",
            "metadata": {"name": format!("team-{team}")},
            "spec": {
                "namespaces": {"names": [format!("team-{team}"), format!("team-{team}-*")]},
                "roleArns": [format!("arn:aws:iam::123456789012:role/team-{team}/*")],
            },
        });
        grants.set(&serde_json::from_value(grant).expect("a grant"));
    }
    grants
}

/// Nanoseconds for one decision.
fn cost(teams: usize) -> f64 {
    let grants = granted(teams);
    let resource = |n: usize| {
        let team = n % teams;
        let arn = format!("arn:aws:iam::123456789012:role/team-{team}/reports");
        (format!("team-{team}"), RoleArn::try_from(arn.as_str()).expect("an ARN"))
    };
    let resources: Vec<_> = (0..CREDENTIALS).map(resource).collect();
    let begin = Instant::now();
    for _ in 0..ROUNDS {
        for (namespace, role) in &resources {
            black_box(grants.decide(namespace, "reports", &[RequestedRole::hop(role)]));
        }
    }
    begin.elapsed().as_nanos() as f64 / (ROUNDS * CREDENTIALS) as f64
}

fn main() {
    let (few, many) = (cost(10), cost(1000));
    println!(
        "a decision with 10 grants: {few:.0} ns; with 1000: {many:.0} ns; ratio {:.2}",
        many / few
    );
}
