//! Who owns a slot, by the word of any node of a Cluster.

use std::sync::Arc;

use redis::Value;

use super::connection::{Connection, Entry, Terms};
use super::{announced, text};
use crate::address::Server;
use crate::error::Failure;

const SLOTS: u16 = 16_384;

/// What one node knows of its Cluster.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Map {
    /// Who owns the slot that was asked for.
    pub(super) owner: Server,
    /// All nodes that own slots, and their replicas.
    pub(super) nodes: Vec<Server>,
}

/// The slot of all keys with this hash tag: CRC16 (XMODEM) of the tag, as the Cluster specification has it.
pub(super) fn slot_of(tag: &str) -> u16 {
    let crc = tag.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            let carry = if crc & 0x8000 == 0 { 0 } else { 0x1021 };
            (crc << 1) ^ carry
        })
    });
    crc % SLOTS
}

/// Asks one node who owns a slot.
pub(super) async fn map_of(terms: &Arc<Terms>, node: &Server, slot: u16) -> Result<Map, Failure> {
    let place = terms.address.name_of(node);
    let login = &terms.address.login;
    let entry = Entry { login, database: 0 };
    let mut connection = Connection::open(terms, place.clone(), node, entry, super::NOBODY).await?;
    let mut command = redis::cmd("CLUSTER");
    command.arg("SLOTS");
    let answer = connection.ask(&command, &[]).await?;
    read(&answer, slot, node).ok_or_else(|| {
        let problem = format!("no node of its Cluster owns slot {slot}: look at CLUSTER INFO");
        Failure::elsewhere(&place, problem)
    })
}

/// Each range of slots is its first, its last, its owner and the owner's replicas.
fn read(answer: &Value, slot: u16, asked: &Server) -> Option<Map> {
    let mut owner = None;
    let mut nodes = Vec::new();
    for range in answer.as_sequence()? {
        let [Value::Int(first), Value::Int(last), servers @ ..] = range.as_sequence()? else {
            return None;
        };
        for (index, server) in servers.iter().enumerate() {
            let server = server_in(server, asked)?;
            if index == 0 && (*first..=*last).contains(&i64::from(slot)) {
                owner = Some(server.clone());
            }
            if !nodes.contains(&server) {
                nodes.push(server);
            }
        }
    }
    owner.map(|owner| Map { owner, nodes })
}

/// Each server is its host, its port, its id, and perhaps other names of its host.
fn server_in(value: &Value, asked: &Server) -> Option<Server> {
    let [host, Value::Int(port), more @ ..] = value.as_sequence()? else {
        return None;
    };
    let other_name = || {
        more.iter()
            .filter_map(Value::as_map_iter)
            .find_map(|mut names| {
                names.find_map(|(kind, name)| {
                    (text(kind) == Some("ip")).then(|| text(name)).flatten()
                })
            })
    };
    // A node that is to be known by a host name and was given none says so by a question mark.
    let host = match (text(host), other_name()) {
        (Some("?"), Some(address)) => address.to_owned(),
        _ => announced(host, asked),
    };
    Some(Server::new(host, u16::try_from(*port).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_specification() {
        // The specification's own example is the checksum 0x31C3.
        assert_eq!(slot_of("123456789"), 0x31C3 % SLOTS);
        // By CLUSTER KEYSLOT of a server.
        for (tag, slot) in [("", 0), ("foo", 12182), ("intermission:default", 11162)] {
            assert_eq!(slot_of(tag), slot, "{tag}");
        }
    }

    fn bulk(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn node(host: Value, port: i64, more: Vec<Value>) -> Value {
        let mut fields = vec![host, Value::Int(port), bulk("id")];
        fields.extend(more);
        Value::Array(fields)
    }

    fn range(first: i64, last: i64, nodes: Vec<Value>) -> Value {
        let mut fields = vec![Value::Int(first), Value::Int(last)];
        fields.extend(nodes);
        Value::Array(fields)
    }

    #[test]
    fn the_owner_is_found_and_the_others_are_learnt() {
        let asked = Server::new("seed", 7000);
        let answer = Value::Array(vec![
            range(
                0,
                99,
                vec![node(bulk("a"), 1, vec![]), node(bulk("b"), 2, vec![])],
            ),
            range(100, 100, vec![node(bulk("c"), 3, vec![])]),
            range(101, 16_383, vec![node(bulk("a"), 1, vec![])]),
        ]);
        let nodes = vec![
            Server::new("a", 1),
            Server::new("b", 2),
            Server::new("c", 3),
        ];
        for (slot, owner) in [(0, "a"), (99, "a"), (100, "c"), (101, "a"), (16_383, "a")] {
            let map = read(&answer, slot, &asked).unwrap();
            assert_eq!(
                (map.owner.host.as_str(), &map.nodes),
                (owner, &nodes),
                "{slot}"
            );
        }
        let hole = Value::Array(vec![range(0, 99, vec![node(bulk("a"), 1, vec![])])]);
        assert_eq!(read(&hole, 100, &asked), None);
        for odd in [
            Value::Int(1),
            Value::Array(vec![bulk("x")]),
            Value::Array(vec![range(0, 99, vec![bulk("x")])]),
        ] {
            assert_eq!(read(&odd, 0, &asked), None, "{odd:?}");
        }
    }

    #[test]
    fn a_host_that_is_not_announced_is_the_one_that_was_asked() {
        let asked = Server::new("seed", 7000);
        let ip = || vec![bulk("ip"), bulk("10.0.0.5")];
        for (host, more, found) in [
            (bulk("a"), vec![], "a"),
            (bulk(""), vec![], "seed"),
            (Value::Nil, vec![], "seed"),
            (bulk("?"), vec![], "seed"),
            (bulk("?"), vec![Value::Array(ip())], "10.0.0.5"),
            (
                bulk("?"),
                vec![Value::Map(vec![(bulk("ip"), bulk("10.0.0.5"))])],
                "10.0.0.5",
            ),
            (bulk("a"), vec![Value::Array(ip())], "a"),
        ] {
            let server = server_in(&node(host, 7, more), &asked).unwrap();
            assert_eq!(server, Server::new(found, 7));
        }
    }
}
