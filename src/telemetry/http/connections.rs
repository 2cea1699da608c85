//! The open connections of the listener, and which of them is closed to make room for a new one.
//!
//! A Pod that opens thousands of connections closes its own oldest ones, and is refused if it opens too many in a
//! second. If many Pods do so, a peer that already has a connection gets no further one, and a peer without one takes
//! the place of the oldest connection of the peer with the most. So there is always a place for the kubelet, which has
//! one connection at a time.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::time::Instant;

use lru::LruCache;
use tempcred_core::allowance::{Allowance, Limit};

/// Most connections of one peer.
pub(super) const MOST_OF_A_PEER: usize = 16;

/// Most connections.
pub(super) const MOST: usize = 128;

/// New connections of one peer: this many at once, and half as many in each second. A TLS handshake takes time of the
/// CPU, even one that fails.
const NEW_OF_A_PEER: Limit = Limit { most: 400.0, each_second: 200.0 };

/// How many peers are remembered with the number of their new connections.
const MOST_PEERS: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The open connections, with a handle of each. Addresses are compared as a whole: the Pods of a node share the prefix
/// of an IPv6 address with each other and with their kubelet.
pub(super) struct Connections<T> {
    peers: HashMap<IpAddr, VecDeque<(u64, T)>>,
    new: LruCache<IpAddr, Allowance<Instant>>,
    open: usize,
    next: u64,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self { peers: HashMap::new(), new: LruCache::new(MOST_PEERS), open: 0, next: 0 }
    }
}

impl<T> Connections<T> {
    /// Adds a connection. `handle` gets the ID of the connection and returns its handle; it is not called if the
    /// connection must be refused. Returns the handle of the connection to close, if there is no room for both.
    pub(super) fn add(
        &mut self,
        peer: IpAddr,
        now: Instant,
        handle: impl FnOnce(u64) -> T,
    ) -> Option<T> {
        let new = self.new.get_or_insert_mut(peer, || Allowance::full(NEW_OF_A_PEER, now));
        if !new.take(NEW_OF_A_PEER, now) {
            return None;
        }
        let closed = match self.room(peer) {
            Room::Free => None,
            Room::Of(other) => self.remove_oldest(other),
            Room::None => return None,
        };
        let id = self.next;
        self.next += 1;
        self.peers.entry(peer).or_default().push_back((id, handle(id)));
        self.open += 1;
        closed
    }

    /// Removes a connection that has ended.
    pub(super) fn remove(&mut self, peer: IpAddr, id: u64) {
        let Some(queue) = self.peers.get_mut(&peer) else { return };
        if let Some(at) = queue.iter().position(|(other, _)| *other == id) {
            queue.remove(at);
            self.open -= 1;
        }
        self.forget_if_empty(peer);
    }

    fn room(&self, peer: IpAddr) -> Room {
        let own = self.peers.get(&peer).map_or(0, VecDeque::len);
        if own >= MOST_OF_A_PEER {
            return Room::Of(peer);
        }
        if self.open < MOST {
            return Room::Free;
        }
        if own > 0 {
            return Room::None;
        }
        let most = self.peers.iter().max_by_key(|(_, queue)| queue.len());
        most.map_or(Room::Free, |(peer, _)| Room::Of(*peer))
    }

    fn remove_oldest(&mut self, peer: IpAddr) -> Option<T> {
        let (_, oldest) = self.peers.get_mut(&peer)?.pop_front()?;
        self.open -= 1;
        self.forget_if_empty(peer);
        Some(oldest)
    }

    fn forget_if_empty(&mut self, peer: IpAddr) {
        if self.peers.get(&peer).is_some_and(VecDeque::is_empty) {
            self.peers.remove(&peer);
        }
    }
}

/// Where the place for a new connection comes from.
enum Room {
    Free,
    /// From the oldest connection of this peer.
    Of(IpAddr),
    /// There is none.
    None,
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::*;

    fn now() -> Instant {
        Instant::now()
    }

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    #[test]
    fn a_peer_with_too_many_closes_its_own_oldest() {
        let mut open = Connections::default();
        open.add(peer(1), now(), |id| (1, id));
        for _ in 0..MOST_OF_A_PEER {
            assert_eq!(open.add(peer(2), now(), |id| (2, id)), None);
        }
        assert_eq!(open.add(peer(2), now(), |id| (2, id)), Some((2, 1)), "its first");
        assert_eq!(open.add(peer(1), now(), |id| (1, id)), None, "the other has room");
    }

    #[test]
    fn many_peers_together_leave_room_for_a_probe() {
        let (mut open, start) = (Connections::default(), now());
        for probe in 0..100_u32 {
            let now = start + Duration::from_secs(probe.into());
            let mut own = None;
            open.add(peer(0), now, |id| {
                own = Some(id);
                (0, id)
            });
            let own = own.expect("the connection of the kubelet is refused");
            for attempt in 0..1000 {
                let attacker = 1 + u8::try_from((attempt + probe) % 60).unwrap();
                let closed = open.add(peer(attacker), now, |id| (attacker, id));
                assert!(closed.is_none_or(|(of, _)| of != 0), "that of the kubelet is closed");
            }
            assert_eq!(open.open, MOST);
            open.remove(peer(0), own);
        }
    }

    #[test]
    fn a_peer_that_opens_too_many_in_a_second_is_refused_and_others_are_not() {
        let (mut open, start) = (Connections::default(), now());
        let mut accepted = 0;
        for _ in 0..1000 {
            open.add(peer(1), start, |_| accepted += 1);
        }
        assert_eq!(accepted, 400);
        let mut other = false;
        open.add(peer(2), start, |_| other = true);
        assert!(other);
        for _ in 0..1000 {
            open.add(peer(1), start + Duration::from_secs(1), |_| accepted += 1);
        }
        assert_eq!(accepted, 600);
    }

    #[test]
    fn many_addresses_are_not_remembered_for_ever() {
        let mut open = Connections::default();
        for number in 0..10_000_u32 {
            let address = Ipv4Addr::from(number).into();
            let mut id = None;
            open.add(address, now(), |new| id = Some(new));
            open.remove(address, id.unwrap());
        }
        assert!(open.new.len() <= MOST_PEERS.get() && open.peers.is_empty());
    }

    proptest! {
        #[test]
        fn nothing_grows_and_nothing_is_lost(steps in vec((0..20_u8, any::<bool>()), 0..2000)) {
            let mut open = Connections::default();
            let mut live: Vec<(u8, u64)> = vec![];
            for (number, adds) in steps {
                if adds {
                    let mut added = None;
                    let closed = open.add(peer(number), now(), |id| { added = Some((number, id)); (number, id) });
                    live.retain(|one| Some(*one) != closed);
                    live.extend(added);
                } else if let Some(at) = live.iter().position(|(of, _)| *of == number) {
                    let (_, id) = live.remove(at);
                    open.remove(peer(number), id);
                    open.remove(peer(number), id);
                }
                assert_eq!(open.open, live.len());
                assert_eq!(open.peers.values().map(VecDeque::len).sum::<usize>(), live.len());
                assert!(live.len() <= MOST && open.peers.len() <= live.len());
                assert!(open.peers.values().all(|queue| queue.len() <= MOST_OF_A_PEER));
            }
        }
    }
}
