//! What happens in a campaign, and when: a pure function of a seed.

use std::time::Duration;

use rig::intercept::Fault;

use crate::random::Random;

/// Shortest and longest time between two actions, in milliseconds.
const PAUSE: (u64, u64) = (100, 1500);

/// Something that happens to the operator or to its surroundings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// A fault happens to the next effect.
    Fault(Fault),
    /// An operator is killed, and starts again.
    Kill(Replica),
    /// An operator stands still for this time, and then continues.
    Pause(Replica, Duration),
    /// The clock of the operators is this number of seconds off, for some seconds.
    Clock(i64),
    /// The API server ends, and starts again.
    RestartApiServer,
    /// etcd ends, and starts again.
    RestartEtcd,
    /// STS fails all calls for this time.
    StsDown(Duration),
    /// STS throttles some calls.
    StsThrottles,
    /// All watches end.
    CutWatches,
    /// All watches are too old.
    ExpireWatches,
    /// The events of all watches wait for this time.
    StallWatches(Duration),
    /// A user edits a value of the Secret of this resource.
    EditSecret(usize),
    /// A user deletes the Secret of this resource.
    DeleteSecret(usize),
    /// A user requests a renewal.
    Renew(usize),
    /// A user changes the formats of the Secret.
    ChangeFormats(usize),
    /// A user asks for another role.
    ChangeRole(usize),
    /// A user deletes the resource, and creates it again.
    Recreate(usize),
    /// A grant is withdrawn for this time.
    Withdraw(usize, Duration),
    /// A user deletes a namespace with everything in it, and creates it again.
    RecreateNamespace(usize),
}

/// One of the two operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replica {
    One,
    Two,
}

/// An action and its time since the begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timed {
    pub at: Duration,
    pub action: Action,
}

/// The actions of a campaign of this length, on so many resources in so many namespaces.
pub fn sequence(seed: u64, length: Duration, resources: usize, namespaces: usize) -> Vec<Timed> {
    let mut random = Random(seed);
    let (mut at, mut all) = (Duration::ZERO, vec![]);
    loop {
        at += Duration::from_millis(random.between(PAUSE.0, PAUSE.1));
        if at >= length {
            return all;
        }
        all.push(Timed { at, action: random.action(resources, namespaces) });
    }
}

impl Random {
    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to - from)
    }

    fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(self.between(from, to))
    }

    fn replica(&mut self) -> Replica {
        if self.next().is_multiple_of(2) { Replica::One } else { Replica::Two }
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or_default()
    }

    fn fault(&mut self) -> Fault {
        let delay = Duration::from_millis(self.between(50, 1000));
        match self.below(14) {
            0 => Fault::KillBefore,
            1 => Fault::KillReplyLost,
            2 => Fault::KillAfter,
            3 => Fault::Reject(409),
            4 => Fault::Reject(429),
            5 => Fault::Reject(500),
            6 => Fault::Reject(503),
            7 => Fault::Delay(delay),
            8 => Fault::Duplicate,
            9 => Fault::LoseReply,
            10 => Fault::DelayEcho(delay),
            11 => Fault::CutWatches,
            12 => Fault::HideEcho,
            _ => Fault::ExpireWatches,
        }
    }

    fn action(&mut self, resources: usize, namespaces: usize) -> Action {
        match self.below(100) {
            0..40 => Action::Fault(self.fault()),
            40..44 => Action::Kill(self.replica()),
            44..47 => {
                let replica = self.replica();
                Action::Pause(replica, self.seconds(1, 8))
            }
            47..49 => {
                let off = i64::try_from(self.between(1, 240)).unwrap_or_default();
                Action::Clock(if self.next().is_multiple_of(2) { off } else { -off })
            }
            49 => Action::RestartApiServer,
            50 => Action::RestartEtcd,
            51..54 => Action::StsDown(self.seconds(1, 8)),
            54..57 => Action::StsThrottles,
            57..60 => Action::CutWatches,
            60..63 => Action::ExpireWatches,
            63..66 => Action::StallWatches(self.seconds(1, 6)),
            66..73 => Action::EditSecret(self.index(resources)),
            73..80 => Action::DeleteSecret(self.index(resources)),
            80..86 => Action::Renew(self.index(resources)),
            86..90 => Action::ChangeFormats(self.index(resources)),
            90..94 => Action::ChangeRole(self.index(resources)),
            94..97 => Action::Recreate(self.index(resources)),
            97..99 => {
                let namespace = self.index(namespaces);
                Action::Withdraw(namespace, self.seconds(2, 10))
            }
            _ => Action::RecreateNamespace(self.index(namespaces)),
        }
    }
}

#[test]
fn a_seed_gives_the_same_sequence_each_time_and_another_seed_another_one() {
    let of = |seed| sequence(seed, Duration::from_secs(600), 300, 5);
    for seed in [1, 2, 3] {
        assert_eq!(of(seed), of(seed));
        assert_ne!(of(seed), of(seed + 1));
        let faults = of(seed).len();
        assert!(faults > 500, "{faults} in ten minutes");
        assert!(of(seed).windows(2).all(|pair| pair[0].at < pair[1].at));
    }
}
