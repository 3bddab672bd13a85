//! What can happen between a link and its server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Forwards connections, and swallows what comes over those that it is told to, as a network does that has lost one
/// side: they stay open, and their bytes get receipts.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    accepted: AtomicUsize,
    /// The connections before this one, by their order, are swallowed.
    swallowed: AtomicUsize,
}

impl Proxy {
    pub(crate) fn to(server: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let seen = Arc::clone(&state);
        thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let order = seen.accepted.fetch_add(1, Ordering::SeqCst);
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else {
                    continue;
                };
                let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
                for (from, to) in [(near, far), back] {
                    let state = Arc::clone(&seen);
                    thread::spawn(move || {
                        pump(from, to, || order < state.swallowed.load(Ordering::SeqCst));
                    });
                }
            }
        });
        Self { port, state }
    }

    /// Swallows all that comes over the connections there are.
    pub(crate) fn swallow_present(&self) {
        let accepted = self.state.accepted.load(Ordering::SeqCst);
        self.state.swallowed.store(accepted, Ordering::SeqCst);
    }

    /// Swallows all that comes over all connections.
    pub(crate) fn swallow_all(&self) {
        self.state.swallowed.store(usize::MAX, Ordering::SeqCst);
    }

    pub(crate) fn accepted(&self) -> usize {
        self.state.accepted.load(Ordering::SeqCst)
    }
}

fn pump(mut from: TcpStream, mut to: TcpStream, is_swallowed: impl Fn() -> bool) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if !is_swallowed() && to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    if !is_swallowed() {
        // The other side may have closed before.
        let _ = to.shutdown(Shutdown::Both);
    }
}
