//! Every row of the table of STS's errors, from the HTTP reply to the output of `kubectl describe`.

use std::collections::BTreeMap;

use kube::ResourceExt;
use kube::api::ListParams;
use rig::sts::Fault;
use tempcred::aws::codes::{CODES, Row};
use tempcred_core::problem::Reason;

use super::{role, spec};
use crate::world::{SOON, World, condition, failure, wait_until};

/// Each code of each row, by the name of its resource.
fn rows() -> BTreeMap<String, (&'static Row, &'static str)> {
    let coded = |(number, row): (usize, &'static Row)| {
        row.codes
            .iter()
            .map(move |code| (format!("row-{number}-{}", code.to_lowercase()), (row, *code)))
    };
    CODES.iter().enumerate().flat_map(coded).collect()
}

/// The complete message about a reply.
fn message(name: &str, row: &Row, code: &str) -> String {
    let Row { status, example, advice, .. } = row;
    // There AWS may quote the request that was signed, or the token that was sent.
    let quotes = matches!(row.reason, Reason::IdentityRefused | Reason::ClockSkewed)
        || example.contains("Value 'x' at 'webIdentityToken'")
        || example.contains("Value 'x' at 'sAMLAssertion'");
    let said = if quotes { String::new() } else { format!(": {}", example.trim_end_matches('.')) };
    let target = format!("arn:aws:iam::123456789012:role/{name}/reports");
    format!("AssumeRole for {target} failed: STS returned {code} (HTTP {status}){said}. {advice}")
}

/// What `kubectl describe` prints of each resource.
fn described(text: &str) -> BTreeMap<&str, String> {
    let mut of: BTreeMap<&str, String> = BTreeMap::new();
    let mut name = "";
    for line in text.lines() {
        name = line.strip_prefix("Name:").map_or(name, str::trim);
        let of = of.entry(name).or_default();
        of.push_str(line);
        of.push('\n');
    }
    of
}

#[tokio::test]
async fn kubectl_describe_shows_every_sts_error_and_its_advice() {
    let world = World::start().await;
    let rows = rows();
    for (name, (row, code)) in &rows {
        world.sts.inject(Fault::error(row.status, code, row.example).for_role(&role(name)));
    }
    futures::future::join_all(rows.keys().map(|name| world.create(name, spec(name)))).await;

    let failing = wait_until("all fail", SOON, || async {
        let resources = world.credentials().list(&ListParams::default()).await.unwrap().items;
        let fails = |r: &tempcred_core::api::TemporaryCredential| {
            r.status.as_ref().is_some_and(|s| s.failure.is_some())
        };
        resources.iter().all(fails).then_some(resources)
    })
    .await;
    assert_eq!(failing.len(), rows.len());
    for resource in &failing {
        let (name, status) = (resource.name_any(), resource.status.as_ref().unwrap());
        let (row, code) = rows[&name];
        let failure = failure(status);
        let reported = (Some(failure.class), failure.reason.as_str());
        assert_eq!(
            reported,
            (row.reason.class(), row.reason.as_str()),
            "{name}: {}",
            failure.message
        );
        assert_eq!(failure.message, message(&name, row, code), "{name}");
        assert_eq!(condition(status, "Ready"), Some((false, row.reason.as_str())), "{name}");
    }

    // The event comes after the status. kubectl takes seconds to describe so many resources.
    wait_until("all have their event", SOON, || async {
        let about = world.resources_with_events().await;
        rows.keys().all(|name| about.contains(name)).then_some(())
    })
    .await;
    // Of more than one object, kubectl shows events only with this option.
    let text = world.kubectl(&["describe", "temporarycredentials", "--show-events"]);
    let described = described(&text);
    for (name, (row, code)) in &rows {
        let (status, events) = described[name.as_str()].split_once("\nEvents:").unwrap();
        let wanted = message(name, row, code);
        assert!(status.contains(&wanted), "{name}: {status}");
        assert!(events.contains(&wanted), "{name}: {events}");
        assert!(events.contains(row.reason.as_str()), "{name}: {events}");
    }
}
