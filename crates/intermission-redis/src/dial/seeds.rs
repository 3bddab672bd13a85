//! Whom to ask first.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::address::Server;

/// The servers that may know where to go, the one to ask next in front.
#[derive(Debug)]
pub(crate) struct Seeds {
    /// Those in the state's URL. They are never forgotten.
    named: Vec<Server>,
    order: Mutex<VecDeque<Server>>,
}

impl Seeds {
    pub(crate) fn new(named: &[Server]) -> Self {
        Self {
            named: named.to_vec(),
            order: Mutex::new(named.iter().cloned().collect()),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.order().len()
    }

    /// The one to ask now. It goes to the back before it is asked, so that a caller whose patience ends while it
    /// hangs finds another one in front next time.
    pub(crate) fn next(&self) -> Option<Server> {
        let mut order = self.order();
        let server = order.pop_front()?;
        order.push_back(server.clone());
        Some(server)
    }

    /// This one helped: it is asked first next time.
    pub(crate) fn prefer(&self, server: &Server) {
        let mut order = self.order();
        if let Some(index) = order.iter().position(|known| known == server)
            && let Some(server) = order.remove(index)
        {
            order.push_front(server);
        }
    }

    /// What the one in front said was wrong: it is asked last next time.
    pub(crate) fn distrust(&self) {
        let mut order = self.order();
        if let Some(server) = order.pop_front() {
            order.push_back(server);
        }
    }

    /// These can be asked, too, and those that were learnt before and are not among them no longer.
    pub(crate) fn learn(&self, servers: &[Server]) {
        let mut order = self.order();
        order.retain(|known| self.named.contains(known) || servers.contains(known));
        for server in servers {
            if !order.contains(server) {
                order.push_back(server.clone());
            }
        }
    }

    fn order(&self) -> MutexGuard<'_, VecDeque<Server>> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(host: &str) -> Server {
        Server::new(host, 1)
    }

    fn servers(hosts: &str) -> Vec<Server> {
        hosts
            .chars()
            .map(|host| server(&host.to_string()))
            .collect()
    }

    fn order(seeds: &Seeds) -> String {
        seeds
            .order()
            .iter()
            .map(|server| server.host.as_str())
            .collect()
    }

    #[test]
    fn who_helped_comes_first_and_who_was_wrong_last() {
        let seeds = Seeds::new(&servers("abc"));
        assert_eq!(seeds.next(), Some(server("a")));
        // Nobody has said whether it helped: the caller has gone.
        assert_eq!(seeds.next(), Some(server("b")));
        assert_eq!(order(&seeds), "cab");
        seeds.prefer(&server("b"));
        assert_eq!(order(&seeds), "bca");
        seeds.distrust();
        assert_eq!(order(&seeds), "cab");
    }

    #[test]
    fn nodes_are_learnt_and_forgotten_but_for_the_named_ones() {
        let seeds = Seeds::new(&servers("ab"));
        seeds.learn(&servers("bcd"));
        assert_eq!(order(&seeds), "abcd");
        seeds.learn(&servers("d"));
        assert_eq!(order(&seeds), "abd");
        assert_eq!(seeds.len(), 3);
    }
}
