//! What is said while somebody waits.

use std::collections::BTreeSet;
use std::sync::Arc;

use indicatif::ProgressBar;
use intermission::{Clock, NodeId, NodeView, Phase, StateError, Timestamp, View};

use crate::failure::{Failure, in_full};
use crate::output::Output;
use crate::render::fleet;

/// What is said while somebody waits: how far it is, again and again, on a terminal; and once, also in a log, whatever
/// makes the wait longer than it seems to be.
pub(super) struct Teller<'s, 'o> {
    output: &'s mut Output<'o>,
    invocation: &'s str,
    clock: Arc<dyn Clock>,
    progress: ProgressBar,
    /// The nodes about which somebody was told that they are out of contact.
    told: BTreeSet<NodeId>,
    is_reconciling: bool,
    is_out_of_reach: bool,
    failed: Option<Failure>,
}

impl<'s, 'o> Teller<'s, 'o> {
    pub(super) fn new(
        output: &'s mut Output<'o>,
        invocation: &'s str,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            progress: output.progress(),
            output,
            invocation,
            clock,
            told: BTreeSet::new(),
            is_reconciling: false,
            is_out_of_reach: false,
            failed: None,
        }
    }

    pub(super) fn show(&mut self, view: &View) {
        let now = self.clock.now();
        let line = fleet::progress_in_words(view, now);
        if std::mem::take(&mut self.is_out_of_reach) {
            self.say(|output| output.note("the state is in reach again"));
        }
        let is_reconciling = view.is_reconciling();
        if is_reconciling && !self.is_reconciling && self.progress.is_hidden() {
            self.say(|output| output.note(&line));
        }
        self.is_reconciling = is_reconciling;
        if !is_reconciling {
            self.tell_of_the_silent(view, now);
        }
        self.progress.set_message(line);
    }

    /// Says for which nodes it is waited that may never speak again.
    fn tell_of_the_silent(&mut self, view: &View, now: Timestamp) {
        // Quiescence waits for all of them, also for those that were given up.
        let is_drained = view.record.phase() == Phase::Activated;
        let waited_for: Vec<&NodeView> = if is_drained {
            view.nodes.iter().collect()
        } else {
            fleet::holdups(view).collect()
        };
        for node in waited_for.into_iter().filter(|node| node.out_of_contact) {
            if self.told.insert(node.node) {
                let warning = if is_drained {
                    let name = fleet::name(&node.facts.label, node.node);
                    let silence = fleet::silence_in_words(node, now);
                    format!("waiting for {name} ({silence}): nobody knows what visitors do there")
                } else {
                    format!("waiting for {}", fleet::holdup_in_words(node, now))
                };
                let way_out = fleet::way_out(node.node, self.invocation);
                self.say(|output| {
                    output.warning(&warning)?;
                    output.hint(&way_out)
                });
            }
        }
    }

    pub(super) fn out_of_reach(&mut self, error: &StateError) {
        self.progress
            .set_message("the state is out of reach, trying again");
        if !std::mem::replace(&mut self.is_out_of_reach, true) {
            let warning = format!("trying again for half a minute: {}", in_full(error));
            self.say(|output| output.warning(&warning));
        }
    }

    /// Takes the progress line away. Fails if something could not be said meanwhile.
    pub(super) fn finish(self) -> Result<(), Failure> {
        self.progress.finish_and_clear();
        self.failed.map_or(Ok(()), Err)
    }

    fn say(&mut self, say: impl FnOnce(&mut Output<'o>) -> Result<(), Failure>) {
        let output = &mut *self.output;
        let said = self.progress.suspend(|| say(output));
        self.failed = self.failed.take().or_else(|| said.err());
    }
}
