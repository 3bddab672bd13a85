//! `nodes`: who is there; `nodes forget`: who is not.

use std::collections::BTreeMap;

use intermission::{NodeId, View};

use crate::args::{Nodes, NodesVerb};
use crate::exit_code::ExitCode;
use crate::failure::Failure;
use crate::render::{fleet, table};
use crate::session::Session;
use intermission_admin::json;

/// Fewer digits than this are more likely a slip than a node.
const SHORTEST_PREFIX: usize = 4;
/// A whole id.
const LONGEST_PREFIX: usize = 32;

pub(crate) async fn run(args: &Nodes, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    match &args.verb {
        None => list(session).await,
        Some(NodesVerb::Forget { ids }) => forget(ids, session).await,
    }
}

async fn list(session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    if session.json {
        session.output.json(&json::Nodes::of(&view))?;
    } else if view.nodes.is_empty() {
        session.output.note("no service reports to this state")?;
    } else {
        let table = table::nodes(&view, session.now(), session.verbose);
        session.output.data(table.as_bytes())?;
    }
    Ok(ExitCode::Done)
}

async fn forget(ids: &[String], session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let view = session.operator.inspect(usize::MAX).await?;
    let wanted: Vec<Wanted> = ids
        .iter()
        .map(|id| Wanted::read(id))
        .collect::<Result<_, _>>()?;
    // All of them are looked up before the first is forgotten: a slip in the last changes nothing.
    let listed = listed(&view);
    let found: Vec<(Wanted, Option<(NodeId, String)>)> = wanted
        .into_iter()
        .map(|wanted| {
            let node = wanted.among(&listed)?;
            Ok((wanted, node))
        })
        .collect::<Result<_, Failure>>()?;
    let mut changed = false;
    for (wanted, node) in found {
        let said = match node {
            Some((node, name)) => {
                session.operator.forget(node).await?;
                changed = true;
                format!("forgot {name} ({node})")
            }
            None => format!("already off the list: no node has the id {}", wanted.digits),
        };
        session.output.note(&said)?;
    }
    let after = session.operator.inspect(0).await?;
    session.report_change(&after.record, changed)?;
    Ok(ExitCode::Done)
}

/// The nodes that can be forgotten, with their names: those that the state knows, and those that the activation has
/// named although the state knows them no more.
fn listed(view: &View) -> BTreeMap<NodeId, String> {
    let done = view
        .record
        .activation()
        .and_then(|on| on.completion.as_ref());
    let named = done
        .into_iter()
        .flat_map(|done| &done.unconfirmed)
        .map(|node| (node.node, fleet::name(&node.label, node.node)));
    let known = view
        .nodes
        .iter()
        .map(|node| (node.node, fleet::name(&node.facts.label, node.node)));
    named.chain(known).collect()
}

/// What was typed for a node: the beginning of its id, or all of it.
struct Wanted {
    digits: String,
    is_whole: bool,
}

impl Wanted {
    fn read(id: &str) -> Result<Self, Failure> {
        let digits = id.to_ascii_lowercase();
        let is_whole = digits.parse::<NodeId>().is_ok();
        let is_prefix = (SHORTEST_PREFIX..=LONGEST_PREFIX).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_whole || is_prefix {
            return Ok(Self { digits, is_whole });
        }
        Err(Failure::usage(format!(
            "`{id}` is no node's id: write at least {SHORTEST_PREFIX} of its hexadecimal digits, as `intermission nodes` \
             shows them"
        )))
    }

    /// The only node that may be meant. `None` if it is off the list already.
    fn among(
        &self,
        listed: &BTreeMap<NodeId, String>,
    ) -> Result<Option<(NodeId, String)>, Failure> {
        let Self { digits, is_whole } = self;
        let mut matching = listed
            .iter()
            .filter(|(node, _)| node.to_string().starts_with(digits));
        match (matching.next(), matching.next()) {
            (Some((node, name)), None) => Ok(Some((*node, name.clone()))),
            (None, _) if *is_whole => Ok(None),
            (None, _) => Err(Failure::new(
                ExitCode::Failed,
                format!("no node's id begins with `{digits}`"),
            )
            .with_hint("`intermission nodes` lists them")),
            (Some(_), Some(_)) => Err(Failure::new(
                ExitCode::Failed,
                format!("more than one node's id begins with `{digits}`: write more of it"),
            )
            .with_hint("`intermission nodes --verbose` shows whole ids")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use intermission::{Activate, DrainPolicy};

    use super::*;
    use crate::render::sample::Site;

    #[test]
    fn a_node_that_the_state_knows_no_more_can_be_forgotten_as_long_as_it_is_named() {
        let mut site = Site::new();
        site.hear(1, |report| {
            report.facts.label = "web-1".into();
            report.facts.running = 1;
        });
        site.activate(Activate::by("ana").with_drain(DrainPolicy::Force(Duration::from_secs(1))));
        site.pass_time(2_000);
        let record = site.view().record;
        site.lose_all();
        site.hear(2, |report| {
            report.facts.label = "web-2".into();
            report.offer = Some(record);
        });
        let listed = listed(&site.view());
        let names: Vec<&str> = listed.values().map(String::as_str).collect();
        assert_eq!(names, ["web-1", "web-2"]);
        let among = |id: &str| Wanted::read(id).and_then(|wanted| wanted.among(&listed));
        assert_eq!(among("00000001").unwrap().unwrap().1, "web-1");
        assert_eq!(
            among("00000002000000000000000000000000")
                .unwrap()
                .unwrap()
                .1,
            "web-2"
        );
        assert_eq!(among("00000003000000000000000000000000").unwrap(), None);
        for id in [
            "0000",
            "00000003",
            "web-1",
            "000",
            "00000002000000000000000000000000f",
        ] {
            assert!(among(id).is_err(), "{id}");
        }
    }
}
