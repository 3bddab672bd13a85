//! The story of a run, for whoever has to find out why it failed.

use intermission_core::Record;

use super::{Event, World};

impl World {
    pub(super) fn tell_event(&self, event: &Event) {
        if self.told.is_some()
            && !matches!(
                event,
                Event::Work(_) | Event::Copy | Event::Wake(..) | Event::WorkEnds(_)
            )
        {
            println!("{:>6} {event:?}", self.now);
        }
    }

    /// Prints what is different since it was printed last.
    pub(super) fn tell_state(&mut self) {
        if self.told.is_none() {
            return;
        }
        let view = self.store.ledger().view(usize::MAX, self.store_moment());
        let mut lines = vec![format!(
            "       ledger: {}, grace {:?}, {:?}",
            name(&view.record),
            view.grace,
            view.count
        )];
        lines.extend(view.nodes.iter().map(|member| {
            let said = (member.closed, member.drained);
            let out = if member.out_of_contact {
                ", out of contact"
            } else {
                ""
            };
            format!(
                "         member {:?}: seen {}, closed and drained {said:?}{out}",
                member.node, member.seen
            )
        }));
        lines.extend(self.nodes.iter().map(|node| {
            let is_suspended = node.machine.snapshot().executions_suspended;
            let record = name(node.record());
            let (id, policy, runs) = (node.id, node.lost_contact, &node.executions);
            let silent = (node.mute_until, node.deaf_until, node.paused_until);
            format!("         {id:?}: {policy:?}, {record}, suspended {is_suspended}, mute, deaf and paused until {silent:?}, runs {runs:?}")
        }));
        let before = self.told.replace(lines.clone()).unwrap_or_default();
        for line in lines.iter().filter(|line| !before.contains(line)) {
            println!("{line}");
        }
    }
}

fn name(record: &Record) -> String {
    let done = record.activation().and_then(|on| on.completion.as_ref());
    let how = done.map(|done| {
        let (forced, lost, unconfirmed) = (
            done.forced,
            done.state_lost_at.is_some(),
            done.unconfirmed.len(),
        );
        format!(" (forced {forced}, lost {lost}, unconfirmed {unconfirmed})")
    });
    format!(
        "{} at {}{}",
        record.phase(),
        record.revision(),
        how.unwrap_or_default()
    )
}
