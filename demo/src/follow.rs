//! Watches the API server and updates the board. Of Secrets it reads only the metadata, so that no value
//! can reach the screen.

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use futures::{Stream, StreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::api::PartialObjectMeta;
use kube::runtime::WatchStreamExt;
use kube::runtime::watcher::{Config, Event, Result, watcher};
use kube::{Api, Resource, ResourceExt};
use tempcred_core::api::TemporaryCredential;
use tokio::sync::watch::Sender;

use crate::board::Board;
use crate::stage::{NAMESPACE, Stage};

/// Watches without end.
pub async fn follow(stage: &Stage, board: &Sender<Board>) -> Infallible {
    let client = loop {
        match stage.client().await {
            Ok(client) => break client,
            Err(error) => board.send_modify(|b| b.trouble(&format!("{error:#}"), Timestamp::now())),
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    };
    let credentials = Api::<TemporaryCredential>::namespaced(client.clone(), NAMESPACE);
    let secrets = Api::<PartialObjectMeta<Secret>>::namespaced(client, NAMESPACE);
    tokio::join!(
        tell(board, watcher(credentials, Config::default()).default_backoff(), Board::saw),
        tell(
            board,
            watcher(secrets, Config::default()).default_backoff(),
            |board, secret, gone, now| board.saw_secret(&secret.name_any(), gone, now)
        ),
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
