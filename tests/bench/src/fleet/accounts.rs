//! What Redis says of its own work.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;

/// Looks into a redis-server.
pub(super) struct Accounts {
    connection: MultiplexedConnection,
}

/// How much was done by scripts until now.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Work {
    /// Calls of scripts: with the nodes' scripts known to the server, all that a node sends.
    pub(super) scripts: u64,
    /// Microseconds that these took.
    pub(super) micros: u64,
    /// All commands, those within scripts and this question among them.
    pub(super) commands: u64,
}

impl Work {
    /// What was done since then.
    pub(super) const fn since(self, then: Self) -> Self {
        Self {
            scripts: self.scripts.saturating_sub(then.scripts),
            micros: self.micros.saturating_sub(then.micros),
            commands: self.commands.saturating_sub(then.commands),
        }
    }
}

impl Accounts {
    pub(super) const fn new(connection: MultiplexedConnection) -> Self {
        Self { connection }
    }

    pub(super) async fn work(&mut self) -> Result<Work> {
        let info = self.info(&["commandstats", "stats"]).await?;
        let script = info.get("cmdstat_evalsha").map_or("", String::as_str);
        Ok(Work {
            scripts: part(script, "calls").unwrap_or_default(),
            micros: part(script, "usec").unwrap_or_default(),
            commands: number(&info, "total_commands_processed")?,
        })
    }

    pub(super) async fn version(&mut self) -> Result<String> {
        let mut info = self.info(&["server"]).await?;
        info.remove("redis_version")
            .context("the server does not say its version")
    }

    /// Bytes that one connection of those that are open takes.
    pub(super) async fn bytes_of_a_connection(&mut self) -> Result<u64> {
        let info = self.info(&["clients", "memory"]).await?;
        let clients = number(&info, "connected_clients")?;
        Ok(number(&info, "mem_clients_normal")? / clients.max(1))
    }

    /// Bytes of all keys whose names begin with that.
    pub(super) async fn bytes_of_keys(&mut self, prefix: &str) -> Result<u64> {
        let pattern = format!("{prefix}*");
        let keys: Vec<String> = redis::cmd("KEYS")
            .arg(pattern)
            .query_async(&mut self.connection)
            .await?;
        let mut sum = 0;
        for key in keys {
            let mut usage = redis::cmd("MEMORY");
            usage.arg("USAGE").arg(key).arg("SAMPLES").arg(0);
            // A key may have gone meanwhile.
            let bytes: Option<u64> = usage.query_async(&mut self.connection).await?;
            sum += bytes.unwrap_or_default();
        }
        Ok(sum)
    }

    async fn info(&mut self, sections: &[&str]) -> Result<BTreeMap<String, String>> {
        let text: String = redis::cmd("INFO")
            .arg(sections)
            .query_async(&mut self.connection)
            .await?;
        Ok(fields(&text))
    }
}

fn fields(info: &str) -> BTreeMap<String, String> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn number(info: &BTreeMap<String, String>, field: &str) -> Result<u64> {
    let value = info.get(field).and_then(|value| value.parse().ok());
    value.with_context(|| format!("the server does not say `{field}`"))
}

/// One of `calls=3,usec=12,usec_per_call=4.00`.
fn part(parts: &str, name: &str) -> Option<u64> {
    let mut pairs = parts.split(',').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(other, _)| *other == name)?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_field_are_told_apart() {
        let info = fields(
            "# Commandstats\r\ncmdstat_evalsha:calls=3,usec=12,usec_per_call=4.00\r\nother:7\r\n",
        );
        let script = info.get("cmdstat_evalsha").unwrap();
        assert_eq!(
            (part(script, "calls"), part(script, "usec")),
            (Some(3), Some(12))
        );
        assert_eq!(part(script, "failed_calls"), None);
        assert_eq!(number(&info, "other").unwrap(), 7);
        assert!(number(&info, "absent").is_err());
    }
}
