//! A queue in a Redis stream, from which several consumers take in turn.

use std::time::Duration;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Script, Value};

const GROUP: &str = "workers";
/// How long one look for a message lasts. A drain waits for it, so it is short.
const LOOK: Duration = Duration::from_millis(200);
/// Writes the result down and takes the message off the queue, both or neither; and only for who is the first to do so.
const FINISH: &str = r"
if redis.call('XACK', KEYS[1], ARGV[1], ARGV[2]) == 0 then return 0 end
return redis.call('RPUSH', KEYS[2], ARGV[2])";

/// Messages as Redis answers: each with its id and its fields.
type Messages = Vec<(String, Value)>;

/// One consumer of the queue.
pub(crate) struct Queue {
    redis: MultiplexedConnection,
    stream: String,
    consumer: String,
    /// After how long the message of a consumer that has died is taken over. Longer than any piece of work takes.
    abandoned_after: Duration,
    finish: Script,
}

impl Queue {
    /// Joins the group of consumers, and makes the queue if there is none.
    pub(crate) async fn join(
        url: &str,
        stream: String,
        consumer: String,
        abandoned_after: Duration,
    ) -> Result<Self> {
        let client = Client::open(url).context("the queue's address is not one of Redis")?;
        // A look lasts longer than what the client takes for a hanging server.
        let patient = AsyncConnectionConfig::new().set_response_timeout(Some(LOOK * 25));
        let redis = client.get_multiplexed_async_connection_with_config(&patient);
        let mut redis = redis.await.context("the queue is out of reach")?;
        let mut create = redis::cmd("XGROUP");
        create.arg(&["CREATE", &stream, GROUP, "0", "MKSTREAM"]);
        match create.query_async::<()>(&mut redis).await {
            // The others were first.
            Err(error) if error.code() == Some("BUSYGROUP") => {}
            created => created?,
        }
        Ok(Self {
            redis,
            stream,
            consumer,
            abandoned_after,
            finish: Script::new(FINISH),
        })
    }

    /// The next message, if one comes soon: one that a dead consumer held, or a new one.
    pub(crate) async fn next(&mut self) -> Result<Option<String>> {
        let mut claim = redis::cmd("XAUTOCLAIM");
        claim.arg(&[&self.stream, GROUP, &self.consumer]);
        claim.arg(u64::try_from(self.abandoned_after.as_millis())?);
        claim.arg(&["0-0", "COUNT", "1"]);
        let (_, claimed, _): (String, Messages, Vec<String>) =
            claim.query_async(&mut self.redis).await?;
        if let Some((id, _)) = claimed.into_iter().next() {
            return Ok(Some(id));
        }
        let mut read = redis::cmd("XREADGROUP");
        read.arg(&["GROUP", GROUP, &self.consumer, "COUNT", "1", "BLOCK"]);
        read.arg(u64::try_from(LOOK.as_millis())?);
        read.arg(&["STREAMS", &self.stream, ">"]);
        let streams: Option<Vec<(String, Messages)>> = read.query_async(&mut self.redis).await?;
        let messages = streams
            .into_iter()
            .flatten()
            .flat_map(|(_, messages)| messages);
        Ok(messages.map(|(id, _)| id).next())
    }

    /// Writes down that the message was worked on, once, whoever else had it.
    pub(crate) async fn finish(&mut self, id: &str) -> Result<()> {
        let done = format!("{}:done", self.stream);
        let mut finish = self.finish.key(&self.stream);
        finish.key(done).arg(GROUP).arg(id);
        finish.invoke_async::<()>(&mut self.redis).await?;
        Ok(())
    }
}
