//! What can be asked, and how the mode is changed.

use std::time::Duration;

use intermission::{Activate, Change, Deactivate, Operator, Phase, StateError, View};
use tokio::time::{Instant, sleep, timeout_at};

use super::error::Error;
use super::maintenance::{Maintenance, remaining};
use crate::reply::AdminReply;
use crate::request::AdminRequest;

/// How long `activate` waits for the nodes to say that nothing runs, or what does.
const SETTLES: Duration = Duration::from_secs(1);
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Status,
    Change(Action),
}

/// How the mode can be changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Activate,
    Deactivate,
}

impl Asked {
    pub(super) fn of(request: &AdminRequest) -> Result<Self, Error> {
        let is_read = matches!(request.method.as_str(), "GET" | "HEAD");
        let action = match request.path.as_str() {
            "" | "/" if is_read => return Ok(Self::Status),
            "" | "/" => return Err(Error::method("GET, HEAD")),
            path => path.strip_prefix('/').filter(|rest| !rest.contains('/')),
        };
        match action.ok_or_else(Error::nothing)? {
            _ if request.method != "POST" => Err(Error::method("POST")),
            "activate" => Ok(Self::Change(Action::Activate)),
            "deactivate" => Ok(Self::Change(Action::Deactivate)),
            other => Err(Error::action(other)),
        }
    }
}

/// Closes the site. If it is closed, that is told.
pub(super) async fn activate(operator: &Operator, actor: &str) -> Result<AdminReply, Error> {
    let accepted = operator
        .change(Change::Activate(Activate::by(actor)))
        .await
        .map_err(|error| Error::from(&error))?;
    if !accepted.changed {
        return Ok(not_modified());
    }
    // The change is made, whatever becomes of looking.
    let view = settled(operator).await;
    let view = view.unwrap_or_else(|_| View::new(accepted.record));
    Ok(Maintenance::of(&view).reply())
}

/// The state when it is known what runs, or soon anyway.
async fn settled(operator: &Operator) -> Result<View, StateError> {
    let until = Instant::now() + SETTLES;
    loop {
        let view = operator.inspect(usize::MAX).await?;
        let is_known = view.record.phase() != Phase::Activating
            || view.count.running > 0
            || remaining(&view).next().is_some();
        if is_known || Instant::now() >= until {
            return Ok(view);
        }
        let changed = async {
            tokio::select! {
                changed = operator.changed(&view.record) => changed.map(drop),
                () = sleep(LOOK_EVERY) => Ok(()),
            }
        };
        if let Ok(changed) = timeout_at(until, changed).await {
            changed?;
        }
    }
}

/// Opens the site. If it is open, that is told; a maintenance that was only planned is cancelled.
pub(super) async fn deactivate(operator: &Operator) -> Result<AdminReply, Error> {
    let accepted = operator
        .change(Change::Deactivate(Deactivate::new()))
        .await
        .map_err(|error| Error::from(&error))?;
    Ok(if accepted.changed {
        Maintenance::ended(&accepted.before).reply()
    } else {
        not_modified()
    })
}

/// Without a content type: the client takes a body for an error.
const fn not_modified() -> AdminReply {
    AdminReply::new(304)
}
