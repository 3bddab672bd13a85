//! Who the master is, by a Sentinel's word.

use std::sync::Arc;

use redis::Value;

use super::connection::{Connection, Entry, Terms};
use super::{announced, text};
use crate::address::{Login, Server};
use crate::error::Failure;

/// Asks one Sentinel for the master of this name.
///
/// It is asked without a login first: a Sentinel often has none, and one that has none must not see the password of
/// the servers. One that wants a login gets the one of the state's URL.
pub(super) async fn master_of(
    terms: &Arc<Terms>,
    sentinel: &Server,
    name: &str,
) -> Result<Server, Failure> {
    match ask(terms, sentinel, name, &Login::default()).await {
        Err(failure) if failure.is_for_want_of_login() => {
            ask(terms, sentinel, name, &terms.address.login).await
        }
        answer => answer,
    }
}

async fn ask(
    terms: &Arc<Terms>,
    sentinel: &Server,
    name: &str,
    login: &Login,
) -> Result<Server, Failure> {
    let place = format!("the Sentinel {sentinel}");
    let entry = Entry { login, database: 0 };
    let mut connection =
        Connection::open(terms, place.clone(), sentinel, entry, super::NOBODY).await?;
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(name);
    match connection.ask(&command, &[]).await {
        Ok(Value::Nil) => {
            let problem =
                format!("it watches no master `{name}`: put the name right in the state's URL");
            Err(Failure::unsupported(&place, problem))
        }
        Ok(answer) => master_in(&answer, sentinel).ok_or_else(|| Failure::misplaced(&place)),
        Err(failure) if failure.says("unknown command") => {
            let problem = "it is no Sentinel: write redis://… as the state";
            Err(Failure::unsupported(&place, problem))
        }
        Err(failure) => Err(failure),
    }
}

fn master_in(answer: &Value, asked: &Server) -> Option<Server> {
    match answer.as_sequence()? {
        [host, port] => Some(Server::new(
            announced(host, asked),
            text(port)?.parse().ok()?,
        )),
        _ => None,
    }
}

/// Whether the server that a Sentinel has named is a master, by its own word.
///
/// A failover shows here first: the old master comes back as a replica while a Sentinel that was cut off still names
/// it. `HELLO` says the same as `ROLE`, and every user may send it.
pub(super) async fn check_is_master(connection: &mut Connection) -> Result<(), Failure> {
    let answer = connection.ask(&redis::cmd("HELLO"), &[]).await?;
    let role = answer.as_map_iter().and_then(|mut fields| {
        fields.find_map(|(name, value)| (text(name) == Some("role")).then(|| text(value)))
    });
    match role {
        // A server that does not say what it is will say that it is a replica when it is asked to change something.
        None | Some(Some("master")) => Ok(()),
        Some(_) => {
            let problem = "a Sentinel names it as the master, but it is a replica: wait for the end of the failover";
            Err(Failure::elsewhere(connection.place(), problem))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentinels_answer_is_read() {
        let asked = Server::new("10.0.0.1", 26379);
        let bulk = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        for (answer, master) in [
            (
                vec![bulk("10.0.0.5"), bulk("6379")],
                Some(("10.0.0.5", 6379)),
            ),
            (vec![bulk("fd00::5"), bulk("6379")], Some(("fd00::5", 6379))),
            (vec![bulk(""), bulk("6379")], Some(("10.0.0.1", 6379))),
            (vec![bulk("10.0.0.5"), bulk("x")], None),
            (vec![bulk("10.0.0.5")], None),
        ] {
            let expected = master.map(|(host, port)| Server::new(host, port));
            assert_eq!(master_in(&Value::Array(answer), &asked), expected);
        }
        assert_eq!(master_in(&Value::Int(1), &asked), None);
    }
}
