//! What was measured, as a section of the report.

use super::contestants::CHECKS;
use super::counts::{Counted, Kind};
use super::ratios::{Ratios, median};
use super::rounds::{Measured, Rounds};
use super::{ALLOWED, BODY, Plan, wrk};
use crate::budgets::ThroughputBudgets;
use crate::report::{Bar, Chart, Section, Table, Verdict};

pub(super) fn of(
    plan: &Plan,
    budgets: &ThroughputBudgets,
    rounds: &Rounds,
    counted: &[Counted],
) -> Section {
    let mut section = Section::new(
        "throughput",
        "Throughput",
        "How many requests a server answers in a second with the gate around it, open and closed, against the same \
         server without it, against nginx, and against the layers of other crates.",
    );
    section.tables.push(servers(rounds));
    let checks = CHECKS.iter().map(|checks| vec![(*checks).to_owned()]);
    section.tables.push(table(
        "What is done for each request",
        &["server: what"],
        checks,
    ));
    section.tables.push(layers(counted));
    section.charts.extend(charts(budgets, rounds));
    section.verdicts = verdicts(budgets, rounds, counted);
    section.reading = reading(plan, rounds);
    section
}

/// How busy a server must have been for its requests to tell what it can do.
const BUSY: f64 = 0.9;

/// Two servers, compared.
struct Compared {
    /// Of their requests in a second.
    requests: Ratios,
    /// Of what an answer costs each of them of processor time, the other's share of the one's: what they could do in a
    /// second if nothing else were the limit. `None` where the kernel does not tell.
    by_time: Option<Ratios>,
    /// Whether both were the limit themselves.
    is_limit: bool,
}

impl Compared {
    fn of(one: &Measured, other: &Measured) -> Option<Self> {
        Some(Self {
            requests: Ratios::new(&one.per_second, &other.per_second)?,
            by_time: Ratios::new(&other.each(), &one.each()),
            is_limit: [one, other]
                .iter()
                .all(|measured| median(&measured.busy) >= BUSY),
        })
    }

    /// With the bare server that it is to be compared with.
    fn with_bare(rounds: &Rounds, measured: &Measured) -> Option<Self> {
        Self::of(measured, rounds.of(measured.contestant.bare?)?)
    }

    /// What is judged, and what that is.
    fn judged(&self) -> (&Ratios, &'static str) {
        match &self.by_time {
            Some(by_time) if !self.is_limit => (by_time, "by time"),
            _ => (&self.requests, "by requests"),
        }
    }
}

fn servers(rounds: &Rounds) -> Table {
    let row = |measured: &Measured| {
        let answer = &measured.answer;
        let per_second = median(&measured.per_second);
        let busy = median(&measured.busy);
        let known = |text: String| {
            if measured.busy.is_empty() {
                "?".to_owned()
            } else {
                text
            }
        };
        let compared = Compared::with_bare(rounds, measured);
        let by_time = compared.as_ref().and_then(|both| both.by_time.as_ref());
        let by_time = by_time.map(|ratios| format!("{:.3}", ratios.median()));
        let ratio = |figure: fn(&Ratios) -> f64| {
            let compared = compared.as_ref();
            compared.map_or_else(String::new, |both| format!("{:.3}", figure(&both.requests)))
        };
        vec![
            measured.contestant.name.to_owned(),
            answer.status.to_string(),
            answer.headers.len().to_string(),
            (answer.head_length + answer.body.len()).to_string(),
            format!("{per_second:.0}"),
            ratio(Ratios::median),
            ratio(Ratios::lowest),
            ratio(Ratios::highest),
            by_time.unwrap_or_default(),
            known(format!("{:.0} %", busy * 100.0)),
            known(format!("{:.2}", median(&measured.each()))),
        ]
    };
    table(
        "Requests in a second",
        &[
            "server",
            "status",
            "headers",
            "bytes",
            "requests/s",
            "of its bare",
            "lowest",
            "highest",
            "by time",
            "busy",
            "µs each",
        ],
        rounds.servers.iter().map(row),
    )
}

fn layers(counted: &[Counted]) -> Table {
    let row = |counted: &Counted| {
        vec![
            counted.of.to_owned(),
            counted.around.to_owned(),
            counted.bare.to_string(),
            counted.layered.to_string(),
            counted.added().to_string(),
        ]
    };
    table(
        "What a layer costs for a request that it lets in, in instructions: while off, unless it says something else",
        &["layer", "around", "without it", "with it", "it adds"],
        counted.iter().map(row),
    )
}

fn table(title: &str, columns: &[&str], rows: impl Iterator<Item = Vec<String>>) -> Table {
    Table {
        title: title.to_owned(),
        columns: columns.iter().map(|name| (*name).to_owned()).collect(),
        rows: rows.collect(),
    }
}

fn charts(budgets: &ThroughputBudgets, rounds: &Rounds) -> Vec<Chart> {
    let chart = |title: &str, is_open: bool, budget: f64| {
        let servers = rounds.servers.iter();
        let bars = servers
            .filter(|measured| measured.contestant.is_open == is_open)
            .filter_map(|measured| {
                let compared = Compared::with_bare(rounds, measured)?;
                let judged = measured.contestant.is_gated();
                let name = measured.contestant.name;
                Some(bar(name, &compared, judged.then_some(budget)))
            });
        Chart::Bars {
            title: title.to_owned(),
            unit: "of the bare server".to_owned(),
            bars: bars.collect(),
        }
    };
    let against_nginx = Chart::Bars {
        title: "Refused through axum, against a 503 of nginx".to_owned(),
        unit: "of nginx".to_owned(),
        bars: NGINX
            .iter()
            .filter_map(|nginx| {
                let compared = with_nginx(rounds, nginx)?;
                Some(bar(nginx, &compared, Some(budgets.refused_of_nginx)))
            })
            .collect(),
    };
    vec![
        chart("Open, against the bare server", true, budgets.off_of_bare),
        chart(
            "Refused, against the bare hello",
            false,
            budgets.refused_of_bare,
        ),
        against_nginx,
    ]
}

/// How nginx refuses: as people have it, and as fast as it can.
const NGINX: [&str; 2] = ["nginx-on", "nginx-on-inline"];

fn with_nginx(rounds: &Rounds, nginx: &str) -> Option<Compared> {
    Compared::of(rounds.of("axum-on")?, rounds.of(nginx)?)
}

fn bar(label: &str, compared: &Compared, budget: Option<f64>) -> Bar {
    let (ratios, _) = compared.judged();
    Bar {
        label: label.to_owned(),
        value: ratios.median(),
        spread: Some((ratios.lowest(), ratios.highest())),
        budget,
    }
}

fn verdicts(budgets: &ThroughputBudgets, rounds: &Rounds, counted: &[Counted]) -> Vec<Verdict> {
    let of_bare = rounds.servers.iter().filter_map(|measured| {
        let contestant = measured.contestant;
        if !contestant.is_gated() {
            return None;
        }
        let compared = Compared::with_bare(rounds, measured)?;
        let limit = if contestant.is_open {
            budgets.off_of_bare
        } else {
            budgets.refused_of_bare
        };
        let bare = contestant.bare.unwrap_or_default();
        Some(timed(contestant.name, bare, limit, &compared))
    });
    let of_nginx = NGINX.iter().filter_map(|nginx| {
        let compared = with_nginx(rounds, nginx)?;
        Some(timed("axum-on", nginx, budgets.refused_of_nginx, &compared))
    });
    of_bare
        .chain(of_nginx)
        .chain(cheaper(budgets.peer_of_decide, counted))
        .collect()
}

/// The budget of a decision, against each peer that was counted.
fn cheaper(limit: f64, counted: &[Counted]) -> Vec<Verdict> {
    let decision = counted
        .iter()
        .find(|counted| counted.kind == Kind::Decision)
        .map_or(0, Counted::added);
    counted
        .iter()
        .filter(|counted| counted.kind == Kind::PeerOff)
        .map(|peer| {
            let times = peer.added() as f64 / decision as f64;
            Verdict {
                what: format!("a decision while off, against the layer of {}", peer.of),
                budget: format!("{limit} times cheaper"),
                measured: format!("{times:.1} times, {decision} and {}", peer.added()),
                // What costs nothing was not counted.
                is_kept: decision > 0 && times >= limit,
                is_stable: true,
            }
        })
        .collect()
}

/// A budget of what depends on what else the machine does.
fn timed(of: &str, against: &str, limit: f64, compared: &Compared) -> Verdict {
    let (ratios, by) = compared.judged();
    Verdict {
        what: format!("{of} against {against}"),
        budget: format!("at least {limit:.2}"),
        measured: format!(
            "{:.3} ({:.3} to {:.3}) {by}",
            ratios.median(),
            ratios.lowest(),
            ratios.highest()
        ),
        is_kept: ratios.median() >= limit,
        is_stable: false,
    }
}

fn reading(plan: &Plan, rounds: &Rounds) -> Vec<String> {
    let Plan {
        seconds,
        rounds: count,
        has_peers,
    } = plan;
    let processors = rounds.processors.map_or_else(
        || "Servers and wrk share one processor, so that each figure is a sum of both.".to_owned(),
        |(server, client)| {
            format!("Every server runs on processor {server} with one worker, wrk on processor {client}.")
        },
    );
    let connections = wrk::CONNECTIONS;
    let mut reading = vec![
        format!(
            "wrk keeps {connections} connections busy with `GET /hello` and `Accept: */*`, {seconds} s for each server \
             in each of {count} rounds, in an order that is drawn for each round; a first round warms up. {processors}"
        ),
        format!(
            "Every answer, open or closed, has a body of {} bytes; but for the peers', whose pages have a form of \
             their own, the same bytes. `bytes` is head and body.",
            BODY.len()
        ),
        "`of its bare` is the median of the ratios of requests in each round, with the lowest and the highest: what slows the \
         machine for a while slows both. A difference that is smaller than the spread is noise. `busy` is how much of \
         the time the server used a processor: where it is far from 100 %, wrk or something else on the machine was the limit, \
         and the ratio tends to 1. `µs each` is what the server used of a processor for one answer, and `by time` the \
         ratio of that: it does not depend on who was the limit, and hardly on what else runs. So it is what is drawn \
         and judged, unless both servers were busy for 90 % of the time: then it is their requests."
            .to_owned(),
        "The bare servers do what their framework does by itself. Those with the gate also put the peer's address into \
         each request where the framework does not, as the README does: `+peer` shows what that costs without the gate."
            .to_owned(),
        format!(
            "Where a server can have a list of who may pass, it has {}; nobody of them asks here. nginx does not log; \
             `nginx-on` sends a page from a file, as people have it, `nginx-on-inline` one that stands in its \
             configuration, which is the fastest that it can do.",
            ALLOWED.join(", ")
        ),
        "Instructions do not depend on what else the machine does. A peer's layer does not decide alone, it also \
         passes the request on: so it is fair to compare it with `it adds` of our layer, and the budget compares it \
         with the decision."
            .to_owned(),
    ];
    if !has_peers {
        reading.push("The layers of other crates were left out, by `--without-peers`.".to_owned());
    }
    reading
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(kind: Kind, layered: u64) -> Counted {
        Counted {
            of: "it",
            around: "a function",
            bare: 100,
            layered,
            kind,
        }
    }

    #[test]
    fn a_peer_is_compared_with_a_decision_that_was_counted() {
        let peer = || counted(Kind::PeerOff, 250);
        let kept = |cases: &[Counted]| cheaper(10.0, cases).iter().all(|one| one.is_kept);
        assert!(kept(&[counted(Kind::Decision, 115), peer()]));
        assert!(!kept(&[counted(Kind::Decision, 116), peer()]));
        assert!(!kept(&[counted(Kind::Decision, 100), peer()]));
        assert!(!kept(&[peer()]));
    }
}
