//! Rotations by the test, and which key signed each call.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rig::sts::{Received, Responder, secret_for, token_for};

use super::client::{Client, Session};
use super::place::{Delivery, Place};
use crate::agent::{after, credentials, unique};
use crate::check::POLL;

/// Pause between two calls of a program that works continuously.
pub const BETWEEN_CALLS: Duration = Duration::from_millis(200);

/// A place with an STS, and the credentials that were written there.
pub struct Scene {
    sts: Responder,
    place: Place,
    delivery: Delivery,
    /// How many requests of the STS the test has seen.
    seen: usize,
}

/// A key that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    pub id: String,
    pub expiration: Timestamp,
}

/// A call that STS has received.
#[derive(Debug)]
pub struct Call {
    /// The key that signed it.
    pub key: String,
    /// When STS received it.
    pub at: Timestamp,
}

impl Scene {
    pub async fn new(delivery: Delivery) -> Self {
        let sts = Responder::start().unwrap();
        sts.check_callers();
        let place = Place::new(&sts).await;
        Self { sts, place, delivery, seen: 0 }
    }

    /// Starts a program.
    pub async fn start(&self, client: Client) -> Session {
        Session::start(client, self.place.variables(self.delivery)).await
    }

    /// Replaces the credentials by new ones.
    pub fn rotate(&self, lifetime: SignedDuration) -> Key {
        let id = format!("ASIASDK{:013}", unique());
        let expiration = after(lifetime);
        self.sts.know(&id, expiration);
        let file = format!(
            "[default]\naws_access_key_id = {id}\naws_secret_access_key = {}\naws_session_token = {}\n",
            secret_for(&id),
            token_for(&id),
        );
        let document = credentials(&id, expiration).to_string();
        let files = [("credentials", file.as_bytes()), ("credentials.json", document.as_bytes())];
        self.place.mount.write(&files).unwrap();
        Key { id, expiration }
    }

    /// Makes STS reject a key as expired.
    pub fn expire(&self, key: &Key) {
        self.sts.know(&key.id, after(SignedDuration::ZERO));
    }

    /// A call. An error has the message of the SDK.
    pub async fn try_call(&mut self, session: &mut Session) -> Result<Call, String> {
        let result = session.call().await;
        let received = self.sts.requests().split_off(self.seen);
        self.seen += received.len();
        result?;
        let [request] = <[Received; 1]>::try_from(received).expect("one call, and no retry");
        Ok(Call { key: request.signer.unwrap().access_key_id, at: request.at })
    }

    /// A call that STS must accept.
    pub async fn call(&mut self, session: &mut Session) -> Call {
        self.try_call(session).await.unwrap()
    }

    /// A call that STS must reject. Returns the message of the SDK.
    pub async fn rejected(&mut self, session: &mut Session) -> String {
        self.try_call(session).await.unwrap_err()
    }

    /// Waits until a key has expired.
    pub async fn until_expired(&self, key: &Key) {
        while Timestamp::now() <= key.expiration {
            tokio::time::sleep(POLL).await;
        }
    }
}
