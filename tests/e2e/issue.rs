//! From a resource to a Secret.

use std::time::Duration;

use crate::world::{World, Writes, assert_whole, condition, plain, wait_until};

#[tokio::test]
async fn a_credential_becomes_a_secret_with_one_call_and_one_write_of_each() {
    let world = World::start().await;
    let issued = world.issue("reports", plain()).await;

    let secret = world.secrets().get("reports").await.unwrap();
    let key = assert_whole(&secret);
    let status = issued.status.unwrap();
    assert_eq!(status.access_key_id.as_deref(), Some(key.as_str()));
    assert_eq!(status.observed_generation, issued.metadata.generation);
    let principal = status.principal_arn.as_deref().unwrap();
    assert_eq!(
        principal,
        format!(
            "arn:aws:sts::123456789012:assumed-role/reports/tempcred-{}.reports",
            world.namespace
        )
    );
    assert_eq!(
        status.secret.as_ref().unwrap().resource_version,
        secret.metadata.resource_version.clone().unwrap()
    );
    assert_eq!(condition(&status, "Ready"), Some((true, "Issued")));
    assert_eq!(condition(&status, "Stalled"), None);

    let owner = &secret.metadata.owner_references.unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.controller), ("TemporaryCredential", Some(true)));
    assert_eq!(owner.uid, issued.metadata.uid.unwrap());

    wait_until("the event is there", Duration::from_secs(10), || async {
        (world.writes().events == 1).then_some(())
    })
    .await;
    assert_eq!(world.writes(), Writes { secrets: 1, statuses: 1, events: 1 });
    assert_eq!(world.sts.calls_total(), 1);
    assert_eq!(world.events("reports").await[0].1, "Issued");
}

#[tokio::test]
async fn a_minute_of_steady_state_is_silent() {
    let world = World::start().await;
    world.issue("reports", plain()).await;
    wait_until("the first round is over", Duration::from_secs(10), || async {
        (world.writes().events == 1).then_some(())
    })
    .await;
    let (requests, calls) = (world.requests(), world.sts.calls_total());
    // The one wait that is not for a condition: that nothing happens shows only in time.
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.requests() - requests, 0, "requests to the API server");
    assert_eq!(world.sts.calls_total() - calls, 0, "calls to STS");
}
