//! What an SDK does when credentials are rotated.

use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};

use super::client::{Client, Session};
use super::place::Delivery;
use super::scene::{BETWEEN_CALLS, Key, Scene};

/// How many rotations a program must follow while it makes calls continuously.
const ROTATIONS: usize = 2;

/// How long credentials are valid that expire while a program makes no calls.
const BRIEF: SignedDuration = SignedDuration::from_secs(8);

/// How often a program may be too slow for these.
const ATTEMPTS: usize = 3;

/// How long a program uses credentials before it asks for new ones.
const SLACK: SignedDuration = SignedDuration::from_secs(4);

/// How much later than promised a program may ask.
const GRACE: SignedDuration = SignedDuration::from_secs(4);

/// `Expiration` has whole seconds.
const ROUNDING: SignedDuration = SignedDuration::from_secs(1);

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// How long before the expiration an SDK asks for new credentials.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    pub earliest: SignedDuration,
    pub latest: SignedDuration,
}

impl Window {
    /// Always at the same time.
    pub const fn exactly(seconds: i64) -> Self {
        Self::between(seconds, seconds)
    }

    /// At a random time.
    pub const fn between(earliest: i64, latest: i64) -> Self {
        let (earliest, latest) =
            (SignedDuration::from_secs(earliest), SignedDuration::from_secs(latest));
        Self { earliest, latest }
    }
}

/// The SDK asks for new credentials before the old ones expire, or, if it makes no calls at that time, before its next
/// call.
pub async fn refreshes(client: Client, delivery: Delivery, window: Window) {
    let mut scene = Scene::new(delivery).await;
    let mut session = scene.start(client).await;
    let brief = begin(&mut scene, &mut session).await;
    let mut current = scene.rotate(window.latest + BRIEF + SLACK);
    scene.until_expired(&brief).await;
    assert_eq!(scene.call(&mut session).await.key, current.id, "after a pause");
    for _ in 0..ROTATIONS {
        // The current credentials are used for one more SLACK, and these for another one after that.
        let next = scene.rotate(window.latest + SLACK + SLACK);
        switches(&mut scene, &mut session, &current, &next, window).await;
        current = next;
    }
}

/// The first call of a program, with credentials that expire soon. The first call of a runtime is slow: if the credentials
/// have expired before its reply, it says nothing about the SDK, and there is another attempt.
async fn begin(scene: &mut Scene, session: &mut Session) -> Key {
    for _ in 0..ATTEMPTS {
        let key = scene.rotate(BRIEF);
        let result = scene.try_call(session).await;
        if Timestamp::now() < key.expiration {
            assert_eq!(result.unwrap().key, key.id);
            return key;
        }
    }
    panic!("{ATTEMPTS} calls took more than {BRIEF:#} each");
}

/// The SDK does not ask for new credentials while the old ones are valid for so long.
pub async fn keeps(client: Client, delivery: Delivery, lifetime: SignedDuration) {
    let mut scene = Scene::new(delivery).await;
    let mut session = scene.start(client).await;
    let first = scene.rotate(lifetime);
    assert_eq!(scene.call(&mut session).await.key, first.id);
    for _ in 0..ROTATIONS {
        scene.rotate(lifetime);
        assert_eq!(scene.call(&mut session).await.key, first.id);
    }
}

/// Makes calls until the program uses the next key, which must be within the window.
async fn switches(
    scene: &mut Scene,
    session: &mut Session,
    current: &Key,
    next: &Key,
    window: Window,
) {
    let mut with_current = 0;
    loop {
        let call = scene.call(session).await;
        let left = current.expiration.duration_since(call.at);
        if call.key == next.id {
            assert!(left <= window.earliest + ROUNDING, "asked too early: {left:#} left");
            assert!(left > SignedDuration::ZERO, "asked too late: {left:#} left");
            println!("switched with {left:#} left, after {with_current} more calls");
            return;
        }
        assert_eq!(call.key, current.id);
        assert!(left > window.latest - GRACE, "still the old key: {left:#} left");
        with_current += 1;
        tokio::time::sleep(BETWEEN_CALLS).await;
    }
}

/// The SDK uses the credentials until they have expired, and asks for new ones before its next call.
pub async fn refreshes_at_expiry(client: Client, delivery: Delivery) {
    let mut scene = Scene::new(delivery).await;
    let mut session = scene.start(client).await;
    let mut current = begin(&mut scene, &mut session).await;
    for _ in 0..ROTATIONS {
        let next = scene.rotate(BRIEF + BRIEF);
        let call = scene.call(&mut session).await;
        assert!(call.key == current.id || call.at >= current.expiration, "{call:?} {current:?}");
        scene.until_expired(&current).await;
        assert_eq!(scene.call(&mut session).await.key, next.id);
        current = next;
    }
}

/// The SDK never asks again, and fails when the credentials have expired.
pub async fn asks_once(client: Client, delivery: Delivery) {
    let mut scene = Scene::new(delivery).await;
    let mut session = scene.start(client).await;
    let first = scene.rotate(HOUR);
    assert_eq!(scene.call(&mut session).await.key, first.id);
    let mut last = first.clone();
    for _ in 0..ROTATIONS {
        last = scene.rotate(HOUR);
        assert_eq!(scene.call(&mut session).await.key, first.id);
    }
    scene.expire(&first);
    let error = scene.rejected(&mut session).await;
    assert!(error.contains("ExpiredToken"), "{error}");
    // Not even then.
    let error = scene.rejected(&mut session).await;
    assert!(error.contains("ExpiredToken"), "{error}");
    let mut restarted = scene.start(client).await;
    assert_eq!(scene.call(&mut restarted).await.key, last.id);
}

/// The SDK uses new credentials at most this long after they were written.
pub async fn follows(client: Client, delivery: Delivery, at_most: Duration) {
    let mut scene = Scene::new(delivery).await;
    let mut session = scene.start(client).await;
    let mut current = scene.rotate(HOUR);
    assert_eq!(scene.call(&mut session).await.key, current.id);
    for _ in 0..ROTATIONS {
        let next = scene.rotate(HOUR);
        let rotated = Instant::now();
        loop {
            let begin = rotated.elapsed();
            let call = scene.call(&mut session).await;
            if call.key == next.id {
                break;
            }
            assert_eq!(call.key, current.id);
            assert!(begin <= at_most, "still the old key after {begin:?}");
            tokio::time::sleep(BETWEEN_CALLS).await;
        }
        current = next;
    }
}
