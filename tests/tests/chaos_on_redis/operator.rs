//! The one who switches the mode, by the same API that the command uses.

use std::sync::Arc;
use std::time::Duration;

use intermission::{
    Activate, Actor, AllowChange, AllowList, Change, Deactivate, DrainPolicy, HistoryEntry, Level,
    NodeView, Operator, OperatorError, Phase, StateError, StateUrl, View,
};
use intermission_redis::RedisOptions;
use tokio::time::{Instant, sleep, timeout};

use crate::fleet::Fleet;
use crate::log::{Event, Writer, now};
use crate::random::Random;
use crate::recorded::Recorded;
use crate::setting::{SITE, timing};
use crate::visitors::LISTED;

/// How often the operator looks, and how long after a failure they try again.
const LOOK: Duration = Duration::from_millis(150);
/// For how long a drain is waited for before it is given up.
const DRAIN: Duration = Duration::from_secs(10);
/// For how long a wish is repeated while the state is away.
const INSIST: Duration = Duration::from_secs(12);
/// When what must come in the end has not come. Everything is well by then, so it is a matter of heartbeats, and of a
/// machine that others use, too.
const SETTLED: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Person<'a> {
    operator: Operator,
    fleet: &'a Fleet,
    log: Arc<Writer>,
    random: Random,
}

impl<'a> Person<'a> {
    pub(crate) fn new(fleet: &'a Fleet, log: &Arc<Writer>, seed: u64) -> Self {
        let url: StateUrl = fleet.operators_url().parse().expect("a URL");
        let options = RedisOptions::from_url(&url).expect("a server");
        let state = options
            .with_site(SITE)
            .expect("a name")
            .with_timing(timing())
            .expect("they fit together")
            .build();
        let state = Recorded::new(state, log);
        Self {
            operator: Operator::new(state, Actor::new("chaos", "test")),
            fleet,
            log: Arc::clone(log),
            random: Random::branch(seed, "operator"),
        }
    }

    /// Waits until the state knows that it is that of a new site.
    pub(crate) async fn begin(&mut self) -> Result<(), String> {
        self.in_the_end("the first grace ends", async |person: &mut Self| {
            let view = person.operator.inspect(0).await.ok()?;
            (view.grace.is_zero() && view.lost_at.is_none()).then_some(())
        })
        .await
    }

    /// Closes and opens the site until `end`.
    pub(crate) async fn switch(&mut self, end: Instant) {
        while Instant::now() < end {
            sleep(self.random.millis(300..=1_800)).await;
            if self.random.chance(15) {
                self.edit_allow_list().await;
            }
            let activate = self.activation();
            if !self.insist("activate", Change::Activate(activate)).await {
                continue;
            }
            self.attend_drain().await;
            let stay = Instant::now() + self.random.millis(200..=2_000);
            while Instant::now() < stay {
                sleep(LOOK).await;
                self.maybe_edit().await;
            }
            self.insist("deactivate", Change::Deactivate(Deactivate::new()))
                .await;
        }
    }

    /// After all faults: brings the fleet to rest, and shows that it still does what it is there for. Returns what did
    /// not come about.
    pub(crate) async fn settle(&mut self) -> Result<(), String> {
        self.open_in_the_end().await?;
        let close = || Change::Activate(Activate::by("chaos").with_message("the end"));
        self.in_the_end("the site can be closed", async |person: &mut Self| {
            person
                .change("activate", close())
                .await
                .is_ok()
                .then_some(())
        })
        .await?;
        self.in_the_end("the last drain ends", async |person: &mut Self| {
            let view = person.look_and_forget(100).await?;
            (view.record.phase() == Phase::Activated && view.grace.is_zero()).then_some(())
        })
        .await?;
        self.everybody_agrees().await?;
        self.open_in_the_end().await?;
        self.everybody_agrees().await?;
        let history = self
            .in_the_end("the history can be read", async |person: &mut Self| {
                person.operator.history(usize::MAX).await.ok()
            })
            .await?;
        self.remember(&history);
        Ok(())
    }

    async fn open_in_the_end(&mut self) -> Result<(), String> {
        self.in_the_end("the site can be opened", async |person: &mut Self| {
            let change = Change::Deactivate(Deactivate::new());
            person.change("deactivate", change).await.ok()
        })
        .await
    }

    /// Every node that lives goes by the state's record.
    async fn everybody_agrees(&mut self) -> Result<(), String> {
        self.in_the_end(
            "all nodes agree with the state",
            async |person: &mut Self| {
                let view = person.look_and_forget(100).await?;
                let agrees = |name: &String| {
                    let seen = |node: &NodeView| {
                        node.facts.label == *name && node.seen == view.record.revision()
                    };
                    view.nodes.iter().any(seen)
                };
                let all = person.fleet.living().iter().all(agrees);
                (all && view.grace.is_zero()).then_some(())
            },
        )
        .await
    }

    async fn in_the_end<T>(
        &mut self,
        what: &str,
        mut ask: impl AsyncFnMut(&mut Self) -> Option<T>,
    ) -> Result<T, String> {
        let asking = async {
            loop {
                if let Some(answer) = ask(&mut *self).await {
                    return answer;
                }
                sleep(LOOK).await;
            }
        };
        match timeout(SETTLED, asking).await {
            Ok(answer) => Ok(answer),
            Err(_) => {
                let view = self.operator.inspect(usize::MAX).await;
                Err(format!("not even after {SETTLED:?}: {what}; {view:#?}"))
            }
        }
    }

    fn activation(&mut self) -> Activate {
        let level =
            self.random
                .pick(&[Level::Full, Level::Full, Level::ReadOnly, Level::Exclusive]);
        let limit = self.random.millis(300..=3_000);
        let drain = match self.random.below(10) {
            0 => DrainPolicy::Force(limit),
            1 => DrainPolicy::Abort(limit),
            _ => DrainPolicy::Wait,
        };
        let mut activate = Activate::by("chaos").with_level(level).with_drain(drain);
        if self.random.chance(50) {
            activate = activate.with_message(format!("number {}", self.random.next()));
        }
        activate
    }

    /// Waits for a drain, as a person does: takes the dead off the list, and in the end one that may be alive.
    async fn attend_drain(&mut self) {
        let end = Instant::now() + DRAIN;
        let is_hasty = self.random.chance(8);
        let tidies = self.random.pick(&[3, 60]);
        while Instant::now() < end {
            sleep(LOOK).await;
            let Some(view) = self.look_and_forget(tidies).await else {
                continue;
            };
            if view.record.phase() != Phase::Activating {
                return;
            }
            if is_hasty && let Some(node) = view.nodes.iter().find(|node| !node.drained) {
                self.forget(node).await;
            }
            self.maybe_edit().await;
        }
    }

    /// Looks, and takes off the list who is dead for certain, with that probability for each: whoever waits sees the
    /// drain go on without them.
    async fn look_and_forget(&mut self, percent: usize) -> Option<View> {
        let view = self.operator.inspect(usize::MAX).await.ok()?;
        for node in &view.nodes {
            if self.fleet.is_dead(&node.facts.label) && self.random.chance(percent) {
                self.forget(node).await;
            }
        }
        Some(view)
    }

    async fn forget(&self, node: &NodeView) {
        let sent = now();
        let alive = !self.fleet.is_dead(&node.facts.label);
        let outcome = word(&self.operator.forget(node.node).await);
        self.log.write(&Event::Forgot {
            sent,
            node: node.node.to_string(),
            alive,
            outcome,
        });
    }

    async fn maybe_edit(&mut self) {
        match self.random.below(60) {
            0 => self.edit_allow_list().await,
            1 => {
                let level = self
                    .random
                    .pick(&[Level::Full, Level::ReadOnly, Level::Exclusive]);
                let edit = Activate::by("chaos").with_level(level);
                self.try_edit(Change::Activate(edit)).await;
            }
            2 => {
                let edit = Activate::by("chaos").with_message(format!("{}", self.random.next()));
                self.try_edit(Change::Activate(edit)).await;
            }
            _ => {}
        }
    }

    /// Changes how the site is closed, if it is. An edit that finds it open would close it, and closing is another
    /// matter, which the log has under another name.
    async fn try_edit(&self, change: Change) {
        if let Ok(view) = self.operator.inspect(0).await
            && view.record.phase().is_on()
        {
            let from = now();
            let outcome = self.operator.change_exactly(view.record, change).await;
            self.note(from, "edit", outcome.map(|_| ()));
        }
    }

    async fn edit_allow_list(&mut self) {
        let listed = AllowList::parse([LISTED]).expect("an address");
        let change = if self.random.chance(60) {
            AllowChange::Add(listed)
        } else {
            AllowChange::Remove(listed)
        };
        // A failure is as good as a success: the next one may do better.
        drop(self.change("allow", Change::Allow(change)).await);
    }

    /// Repeats a wish for a while. Says whether it was granted.
    async fn insist(&self, verb: &str, change: Change) -> bool {
        let end = Instant::now() + INSIST;
        while Instant::now() < end {
            match self.change(verb, change.clone()).await {
                Ok(()) => return true,
                Err(OperatorError::Change(error)) => panic!("{verb}: {error}"),
                Err(_) => sleep(LOOK).await,
            }
        }
        false
    }

    async fn change(&self, verb: &str, change: Change) -> Result<(), OperatorError> {
        let from = now();
        let outcome = self.operator.change(change).await;
        self.note(from, verb, outcome.as_ref().map(|_| ()));
        outcome.map(drop)
    }

    fn note<E: std::fmt::Display>(&self, from: u64, verb: &str, outcome: Result<(), E>) {
        let outcome = outcome.map_or_else(|error| error.to_string(), |()| "ok".to_owned());
        self.log.write(&Event::Verb {
            from,
            verb: verb.to_owned(),
            outcome,
        });
    }

    fn remember(&self, history: &[HistoryEntry]) {
        let line =
            |entry: &HistoryEntry| format!("{} {}", entry.revision.number(), entry.event.as_str());
        let lines: Vec<String> = history.iter().rev().map(line).collect();
        self.log.write(&Event::History {
            lines: lines.join(";"),
        });
    }
}

fn word(outcome: &Result<(), StateError>) -> String {
    match outcome {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.kind().as_str().to_owned(),
    }
}
