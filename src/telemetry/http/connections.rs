//! The open connections of the listener, and which of them is closed to make room for a new one.
//!
//! A new connection is always accepted, because it may be a probe. If there is no room, the oldest connection of the
//! peer with the most connections is closed. A Pod that opens thousands of connections therefore closes its own, and
//! the kubelet, which has one at a time, keeps it.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

/// Most connections of one peer.
pub(super) const MOST_OF_A_PEER: usize = 16;

/// Most connections.
pub(super) const MOST: usize = 128;

/// The open connections, with a handle of each. Addresses are compared as a whole: the Pods of a node share the prefix
/// of an IPv6 address with each other and with their kubelet.
pub(super) struct Connections<T> {
    peers: HashMap<IpAddr, VecDeque<(u64, T)>>,
    open: usize,
    next: u64,
}

impl<T> Default for Connections<T> {
    fn default() -> Self {
        Self { peers: HashMap::new(), open: 0, next: 0 }
    }
}

impl<T> Connections<T> {
    /// Adds a connection. `handle` gets the ID of the connection and returns its handle. Returns the handle of the
    /// connection to close, if there is no room for both.
    pub(super) fn add(&mut self, peer: IpAddr, handle: impl FnOnce(u64) -> T) -> Option<T> {
        let id = self.next;
        self.next += 1;
        let closed = self.crowded(peer).and_then(|peer| self.remove_oldest(peer));
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

    /// The peer whose oldest connection makes room for one of `peer`. `None` if there is room.
    fn crowded(&self, peer: IpAddr) -> Option<IpAddr> {
        if self.peers.get(&peer).is_some_and(|queue| queue.len() >= MOST_OF_A_PEER) {
            return Some(peer);
        }
        let most = self.peers.iter().max_by_key(|(_, queue)| queue.len());
        most.map(|(peer, _)| *peer).filter(|_| self.open >= MOST)
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

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::collection::vec;
    use proptest::prelude::{any, proptest};

    use super::*;

    fn peer(number: u8) -> IpAddr {
        Ipv4Addr::new(10, 0, 0, number).into()
    }

    #[test]
    fn a_peer_with_too_many_closes_its_own_oldest() {
        let mut open = Connections::default();
        open.add(peer(1), |id| (1, id));
        for _ in 0..MOST_OF_A_PEER {
            assert_eq!(open.add(peer(2), |id| (2, id)), None);
        }
        assert_eq!(open.add(peer(2), |id| (2, id)), Some((2, 1)), "its first");
        assert_eq!(open.add(peer(1), |id| (1, id)), None, "the other has room");
    }

    #[test]
    fn many_peers_together_leave_room_for_a_probe() {
        let mut open = Connections::default();
        let kubelet = open.add(peer(0), |id| (0, id));
        assert_eq!(kubelet, None);
        for attempt in 0..10_000_u32 {
            let attacker = 1 + u8::try_from(attempt % 60).unwrap();
            let closed = open.add(peer(attacker), |id| (attacker, id));
            assert!(
                closed.is_none_or(|(of, _)| of != 0),
                "the connection of the kubelet is closed"
            );
        }
        assert_eq!(open.open, MOST);
    }

    proptest! {
        #[test]
        fn nothing_grows_and_nothing_is_lost(steps in vec((0..20_u8, any::<bool>()), 0..2000)) {
            let mut open = Connections::default();
            let mut live: Vec<(u8, u64)> = vec![];
            for (number, adds) in steps {
                if adds {
                    let mut id = 0;
                    let closed = open.add(peer(number), |new| { id = new; (number, new) });
                    live.retain(|one| Some(*one) != closed);
                    live.push((number, id));
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
