//! Watches the API server and the STS of the program, and updates the board. Of Secrets it reads only the metadata, so
//! that no value can reach the screen.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, Result, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use rig::sts::Responder;
use tempcred_core::api::TemporaryCredential;
use tokio::sync::watch::Sender;

use crate::board::Board;
use crate::stage::{NAMESPACE, RESTARTED, Stage};

/// How often the calls of the program are counted.
const COUNT_EVERY: Duration = Duration::from_millis(200);

/// Watches without end.
pub async fn follow(stage: &Stage, client: &Client, board: &Sender<Board>) -> Infallible {
    let credentials = Api::<TemporaryCredential>::namespaced(client.clone(), NAMESPACE);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), NAMESPACE);
    let deployments = Api::<Deployment>::namespaced(client.clone(), NAMESPACE);
    let restarted = Config::default().fields(&format!("metadata.name={RESTARTED}"));
    tokio::join!(
        tell(board, watcher(credentials, Config::default()).default_backoff(), Board::saw),
        tell(
            board,
            watcher(secrets, Config::default()).default_backoff(),
            |board, secret, gone, now| board.saw_secret(&secret.name_any(), gone, now)
        ),
        tell(board, watcher(deployments, restarted).default_backoff(), |board, seen, gone, now| {
            if !gone {
                board.saw_deployment(seen, RESTARTED, now);
            }
        }),
        count(board, &stage.program_sts),
    );
    std::future::pending().await
}

async fn tell<K: Resource + Clone>(
    board: &Sender<Board>,
    events: impl Stream<Item = Result<Event<K>>>,
    saw: impl Fn(&mut Board, &K, bool, Timestamp),
) {
    let mut events = pin!(events);
    while let Some(event) = events.next().await {
        let now = Timestamp::now();
        match event {
            Ok(Event::Apply(object) | Event::InitApply(object)) => {
                board.send_modify(|board| saw(board, &object, false, now));
            }
            Ok(Event::Delete(object)) => board.send_modify(|board| saw(board, &object, true, now)),
            // The watch restarts by itself; if it does not, the story fails at its deadline.
            Ok(Event::Init | Event::InitDone) | Err(_) => {}
        }
    }
}

/// Counts the calls of the program, by the key that signed each.
async fn count(board: &Sender<Board>, sts: &Responder) {
    let mut tick = tokio::time::interval(COUNT_EVERY);
    let mut counted = 0;
    loop {
        tick.tick().await;
        // `requests` copies all of them.
        if sts.calls_total() == counted {
            continue;
        }
        let requests = sts.requests();
        for request in &requests[counted..] {
            if let Some(signer) = &request.signer {
                board.send_modify(|board| board.saw_call(&signer.access_key_id, request.at));
            }
        }
        counted = requests.len();
    }
}
