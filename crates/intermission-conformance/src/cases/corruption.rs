//! An unreadable record.

use std::sync::Arc;

use intermission_core::{
    Activate, Change, Deactivate, Departure, MaintenanceState, OperateReply, Operation, Record,
    Revision, SharedState, StateError, StateErrorKind, SyncReply,
};

use super::changes::with_revision;
use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure_eq};
use crate::site::{
    Node, Site, allow, ana, far_ahead_of, fresh_node_id, fresh_operation_id, operation,
};

case_table! { Corruption:
    /// What cannot be read is an error for nodes, operators, people and watchers; it is never "deactivated".
    an_unreadable_record_is_an_error_for_everybody needs CanCorrupt;
    /// Nothing that anybody asks overwrites what cannot be read: it is still there, and still an error.
    nothing_overwrites_an_unreadable_record needs CanCorrupt;
    /// Another handle finds the same error.
    an_unreadable_record_is_an_error_for_other_handles needs CanCorrupt SharedBetweenHandles;
    /// A restart does not make it readable.
    an_unreadable_record_is_an_error_after_a_restart needs CanCorrupt Durable;
}

/// What everybody may ask. The record is the last that could be read.
struct Attempts {
    last: Arc<Record>,
}

impl Attempts {
    async fn all_fail(&self, site: &Site, state: &SharedState) -> Checked {
        ensure_corrupt("inspect", state.inspect(usize::MAX).await)?;
        ensure_corrupt("sync", self.sync(state, None).await)?;
        ensure_corrupt(
            "watch by who has seen the last",
            self.watch(site, state, self.last.revision()).await?,
        )?;
        ensure_corrupt(
            "watch by who has seen nothing",
            self.watch(site, state, Revision::ZERO).await?,
        )?;
        // A store may know its nodes and its history without the record, and may answer for them.
        ensure_corrupt_or_answered("history", state.history(usize::MAX).await)?;
        ensure_corrupt_or_answered(
            "leave",
            state.leave(fresh_node_id(), Departure::Goodbye).await,
        )?;

        let newer = Arc::new(with_revision(
            &self.last,
            far_ahead_of(self.last.revision()),
        )?);
        ensure_corrupt(
            "sync with a newer record to offer",
            self.sync(state, Some(newer)).await,
        )?;
        for asked in self.operations()? {
            ensure_corrupt("operate", state.operate(asked).await)?;
        }
        Ok(())
    }

    async fn sync(
        &self,
        state: &SharedState,
        offer: Option<Arc<Record>>,
    ) -> Result<SyncReply, StateError> {
        let mut node = Node::new("asks");
        node.report.sequence = 1;
        node.report.seen = self.last.revision();
        node.report.offer = offer;
        state.sync(node.report).await
    }

    async fn watch(
        &self,
        site: &Site,
        state: &SharedState,
        seen: Revision,
    ) -> Checked<Result<Option<Arc<Record>>, StateError>> {
        site.in_time("the refusal of a watcher", async {
            Ok(state.watch(seen).await)
        })
        .await
    }

    /// Among them those that look as if they were the right cure.
    fn operations(&self) -> Checked<Vec<Operation>> {
        let empty = Record::default();
        let mut blind = operation(&empty, &Change::Activate(Activate::by("ana")), &ana())?;
        blind.expected = None;
        Ok(vec![
            operation(&self.last, &Change::Deactivate(Deactivate::new()), &ana())?,
            operation(&self.last, &allow(2, 2)?, &ana())?,
            operation(&empty, &Change::Activate(Activate::by("ana")), &ana())?,
            blind,
            Operation::init(fresh_operation_id(), ana()),
        ])
    }
}

fn ensure_corrupt<T: std::fmt::Debug>(method: &str, answer: Result<T, StateError>) -> Checked {
    match answer {
        Ok(answer) => Err(Failure::new(format!(
            "`{method}` on an unreadable record answers {answer:?}"
        ))),
        Err(error) => ensure_eq(
            &format!("the error of `{method}`"),
            &error.kind(),
            &StateErrorKind::Corrupt,
        ),
    }
}

fn ensure_corrupt_or_answered<T: std::fmt::Debug>(
    method: &str,
    answer: Result<T, StateError>,
) -> Checked {
    match answer {
        Ok(_) => Ok(()),
        refused @ Err(_) => ensure_corrupt(method, refused),
    }
}

async fn corrupted(site: &Site) -> Checked<Attempts> {
    site.change(allow(1, 1)?).await?;
    let last = site.change(Change::Activate(Activate::by("ana"))).await?;
    site.corrupt().await?;
    Ok(Attempts { last })
}

async fn an_unreadable_record_is_an_error_for_everybody(site: Site) -> Checked {
    corrupted(&site).await?.all_fail(&site, &site.state).await
}

async fn nothing_overwrites_an_unreadable_record(site: Site) -> Checked {
    let attempts = corrupted(&site).await?;
    for _ in 0..3 {
        for asked in attempts.operations()? {
            if let Ok(OperateReply::Stored(record)) = site.state.operate(asked).await {
                return Err(Failure::new(format!(
                    "an unreadable record was overwritten with {record:?}"
                )));
            }
        }
        // Time that passes must not mend it either. The step itself may be refused.
        site.leap(site.timing.step).await.ok();
        ensure_corrupt("inspect", site.state.inspect(0).await)?;
    }
    Ok(())
}

async fn an_unreadable_record_is_an_error_for_other_handles(site: Site) -> Checked {
    let before = site.second_handle().await?;
    let attempts = corrupted(&site).await?;
    attempts.all_fail(&site, &before).await
}

async fn an_unreadable_record_is_an_error_after_a_restart(site: Site) -> Checked {
    let attempts = corrupted(&site).await?;
    let site = site.reopened().await?;
    attempts.all_fail(&site, &site.state).await
}
