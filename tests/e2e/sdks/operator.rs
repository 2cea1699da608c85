//! Rotations by the operator: from a TemporaryCredential through its Secret, the mount and the agent to an SDK.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rig::{Sdk, sts::Fault};
use serde_json::json;

use super::client::{Client, Session};
use super::place::{Delivery, Place};
use super::scene::BETWEEN_CALLS;
use crate::world::{World, plain, role_arn};

/// How many rotations a program must follow.
const ROTATIONS: usize = 2;

/// An SDK asks for new credentials this long after an issue, and tempcred renews a few seconds earlier.
const USED_FOR: u64 = 10;

/// How long before its SDK asks tempcred renews.
const EARLIER: u64 = 4;

/// Three times the time that the rotations need.
const PATIENCE: Duration = Duration::from_secs(90);

/// A program that uses the credentials of a resource.
struct Consumer {
    resource: &'static str,
    place: Place,
    session: Session,
    /// What is mounted.
    mounted: BTreeMap<String, String>,
    /// The keys that it has used, in their order.
    keys: Vec<String>,
}

impl Consumer {
    /// Creates a resource with this lifetime, and starts a program for it.
    async fn start(world: &World, resource: &'static str, client: Client, window: u64) -> Self {
        let lifetime = Duration::from_secs(window + USED_FOR);
        world.sts.inject(Fault::lifetime(lifetime).for_role(&format!("role/{resource}")));
        let spec = json!({
            "assumeRole": {"roleArn": role_arn(resource), "duration": "1h"},
            "renewal": {"before": format!("{}s", window + EARLIER)},
        });
        let place = Place::new(&world.sts).await;
        let session = Session::start(client, place.variables(Delivery::Agent)).await;
        world.issue(resource, spec).await;
        Self { resource, place, session, mounted: BTreeMap::new(), keys: vec![] }
    }

    /// Updates the mount as the kubelet does, and makes a call.
    async fn step(&mut self, world: &World) {
        let data = world.data(self.resource).await;
        if data != self.mounted {
            mount(&self.place, &data);
            self.mounted = data;
        }
        assert_eq!(self.session.call().await, Ok(()), "{}: {:?}", self.resource, self.keys);
        let key = last_caller(world);
        if self.keys.last() != Some(&key) {
            self.keys.push(key);
        }
    }
}

fn mount(place: &Place, data: &BTreeMap<String, String>) {
    let files: Vec<_> = data.iter().map(|(key, text)| (key.as_str(), text.as_bytes())).collect();
    place.mount.write(&files).unwrap();
}

/// The key that signed the last call of a program.
fn last_caller(world: &World) -> String {
    let requests = world.sts.requests();
    let call = requests.iter().rfind(|request| request.action == "GetCallerIdentity").unwrap();
    call.signer.as_ref().unwrap().access_key_id.clone()
}

#[tokio::test]
async fn sdks_follow_the_rotations_of_the_operator_through_the_agent() {
    let world = World::start().await;
    world.sts.check_callers();
    let mut consumers = [
        Consumer::start(&world, "with-boto3", Client::Sdk(Sdk::Boto3), 15 * 60).await,
        Consumer::start(&world, "with-go", Client::Sdk(Sdk::Go), 5 * 60).await,
    ];
    let begin = Instant::now();
    while consumers.iter().any(|consumer| consumer.keys.len() <= ROTATIONS) {
        assert!(begin.elapsed() < PATIENCE, "{:?}", consumers.map(|consumer| consumer.keys));
        for consumer in &mut consumers {
            consumer.step(&world).await;
        }
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
    for consumer in consumers {
        // Its own keys only, each once, and never an older one again.
        let role = role_arn(consumer.resource);
        let issued = world.sts.issued();
        let own: Vec<_> =
            issued.iter().filter(|key| key.role_arn.as_ref() == Some(&role)).collect();
        let order: Vec<_> = consumer
            .keys
            .iter()
            .map(|used| own.iter().position(|key| key.access_key_id == *used).unwrap())
            .collect();
        assert!(order.is_sorted_by(|earlier, later| earlier < later), "{order:?}");
    }
}

#[tokio::test]
async fn every_sdk_reads_what_the_operator_writes() {
    let world = World::start().await;
    world.sts.check_callers();
    world.issue("reports", plain()).await;
    let key = world.complete_key("reports").await;
    let place = Place::new(&world.sts).await;
    mount(&place, &world.data("reports").await);
    for client in Client::ALL {
        for delivery in [Delivery::File, Delivery::Process, Delivery::Agent] {
            if client == Client::Rust && delivery == Delivery::Process {
                // tempcred has the SDK without this feature.
                continue;
            }
            let mut session = Session::start(client, place.variables(delivery)).await;
            assert_eq!(session.call().await, Ok(()), "{client:?} {delivery:?}");
            assert_eq!(last_caller(&world), key, "{client:?} {delivery:?}");
        }
    }
}
