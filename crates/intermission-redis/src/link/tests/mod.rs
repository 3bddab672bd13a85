//! A link against real servers, and against some that misbehave.

mod cluster;
mod fake;
mod proxy;
mod refused;
mod sentinel;
mod server;
mod single;
#[cfg(feature = "tls")]
mod tls;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use intermission_core::StateError;
use redis::{Script, Value};

use super::{Events, Link};
use crate::address::Address;

const TAG: &str = "im:site";
const CHANNEL: &str = "{im:site}:ch";

/// Long enough for a machine that has other things to do.
const PLENTY: Duration = Duration::from_secs(10);

/// What a test of a time-out waits for, and long enough for an answer that comes.
const SHORT: Duration = Duration::from_secs(2);

/// A link, and what it has said unasked.
struct Tested {
    link: Link,
    heard: Arc<Heard>,
}

#[derive(Default)]
struct Heard {
    messages: Mutex<VecDeque<String>>,
    losses: AtomicUsize,
}

impl Tested {
    fn new(url: &str, timeout: Duration) -> Self {
        let heard = Arc::new(Heard::default());
        let (told, lost) = (Arc::clone(&heard), Arc::clone(&heard));
        let events = Events {
            on_message: Box::new(move |message| {
                let message = String::from_utf8(message.to_vec()).unwrap();
                told.messages.lock().unwrap().push_back(message);
            }),
            on_lost: Box::new(move || {
                lost.losses.fetch_add(1, Ordering::SeqCst);
            }),
        };
        let address = Address::from_url(&url.parse().unwrap()).unwrap();
        Self {
            link: Link::new(address, TAG.to_owned(), CHANNEL.to_owned(), timeout, events),
            heard,
        }
    }

    fn to(port: u16) -> Self {
        Self::new(&format!("redis://127.0.0.1:{port}"), PLENTY)
    }

    /// Sends a word to and fro.
    async fn say(&self, word: &str) -> Result<String, StateError> {
        self.run("return {ARGV[1], ARGV[2], KEYS[1]}", word, true)
            .await
    }

    /// Publishes a word on the channel.
    async fn publish(&self, word: &str) -> Result<String, StateError> {
        let script =
            "redis.call('SPUBLISH', '{im:site}:ch', ARGV[2]) return {ARGV[1], ARGV[2], KEYS[1]}";
        self.run(script, word, false).await
    }

    async fn run(&self, script: &str, word: &str, subscribed: bool) -> Result<String, StateError> {
        let script = Script::new(&format!("#!lua flags=allow-oom\n{script}"));
        let (keys, args) = ([format!("{{{TAG}}}:key")], [word.as_bytes().to_vec()]);
        let values = self
            .link
            .run("sync", &script, &keys, &args, subscribed)
            .await?;
        match values.as_slice() {
            [Value::BulkString(word), Value::BulkString(key)] if *key == keys[0].as_bytes() => {
                Ok(String::from_utf8(word.clone()).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    fn losses(&self) -> usize {
        self.heard.losses.load(Ordering::SeqCst)
    }

    fn messages(&self) -> Vec<String> {
        self.heard
            .messages
            .lock()
            .unwrap()
            .iter()
            .cloned()
            .collect()
    }
}
