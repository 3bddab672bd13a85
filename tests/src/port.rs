//! Ports that nobody else takes.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};

// Below the ports that Linux gives to outgoing connections (32768 and up, unless told otherwise). A client that redials
// a closed port from that range may get that very port as its own, and then talks to itself.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// Where a claim is staked. A program that listens on 127.0.0.1 is not in its way.
const CLAIMS: Ipv4Addr = Ipv4Addr::new(127, 77, 0, 1);

/// A port of 127.0.0.1 that no other test takes for as long as this lives, also while nobody listens on it.
///
/// The claim is a listener on the same port of another loopback address: it holds between processes, and it ends with
/// the process whatever happens to it. Programs that know nothing of this can still have the port, so binding may fail.
#[derive(Debug)]
pub struct Port {
    number: u16,
    _claim: TcpListener,
}

impl Port {
    /// Claims one.
    ///
    /// # Panics
    ///
    /// All are claimed.
    #[must_use]
    pub fn claim() -> Self {
        static CLAIMED: AtomicU32 = AtomicU32::new(0);
        // Processes that start together begin apart.
        let start = std::process::id().wrapping_mul(101);
        for _ in 0..COUNT {
            let offset =
                start.wrapping_add(CLAIMED.fetch_add(1, Ordering::Relaxed)) % u32::from(COUNT);
            let number = FIRST + u16::try_from(offset).expect("an offset is less than a count");
            if let Ok(claim) = TcpListener::bind((CLAIMS, number)) {
                return Self {
                    number,
                    _claim: claim,
                };
            }
        }
        panic!("none of the {COUNT} ports from {FIRST} can be claimed on {CLAIMS}: is this Linux?");
    }

    /// Its number.
    #[must_use]
    pub fn number(&self) -> u16 {
        self.number
    }

    /// Where one listens on it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.number))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_claimed_port_is_nobody_elses_and_can_be_listened_on() {
        let ports: Vec<Port> = (0..64).map(|_| Port::claim()).collect();
        let numbers: HashSet<u16> = ports.iter().map(Port::number).collect();
        assert_eq!(numbers.len(), ports.len());
        let port = &ports[0];
        assert!(TcpListener::bind((CLAIMS, port.number())).is_err());
        let bound = ports
            .iter()
            .filter(|port| TcpListener::bind(port.address()).is_ok());
        // A foreign program may have one of them.
        assert!(bound.count() > 32);
    }
}
