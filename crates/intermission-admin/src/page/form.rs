//! What the fields of the switch hold when the page arrives.

use intermission::{DrainPolicy, Level, Record, Settings, Timestamp};

/// The switch's fields.
pub(super) struct Form<'a> {
    pub(super) message: &'a str,
    pub(super) level: Level,
    pub(super) starts_at: Option<Timestamp>,
    pub(super) ends_at: Option<Timestamp>,
    pub(super) auto_end: bool,
    pub(super) retry_after_s: Option<u64>,
    /// `wait`, `force` or `abort`.
    pub(super) drain: &'static str,
    pub(super) drain_after_s: Option<u64>,
}

impl<'a> Form<'a> {
    /// How the site is closed, how it is planned to be, or how it would be if nothing else is said.
    pub(super) fn of(record: &'a Record) -> Self {
        match (record.activation(), record.plan()) {
            (Some(on), _) => Self::with(&on.settings, None),
            (None, Some(plan)) => Self::with(&plan.settings, Some(plan.starts_at)),
            (None, None) => Self {
                message: "",
                level: Level::default(),
                starts_at: None,
                ends_at: None,
                auto_end: false,
                retry_after_s: None,
                drain: "wait",
                drain_after_s: None,
            },
        }
    }

    fn with(settings: &'a Settings, starts_at: Option<Timestamp>) -> Self {
        Self {
            message: settings.message.as_deref().unwrap_or_default(),
            level: settings.level,
            starts_at,
            ends_at: settings.ends_at,
            auto_end: settings.auto_end,
            retry_after_s: settings.retry_after.map(|after| after.as_secs()),
            drain: match settings.drain {
                DrainPolicy::Wait => "wait",
                DrainPolicy::Force(_) => "force",
                DrainPolicy::Abort(_) => "abort",
            },
            drain_after_s: settings.drain.limit().map(|limit| limit.as_secs()),
        }
    }

    /// Whether there is anything in the part of the form that is folded away.
    pub(super) const fn has_times(&self) -> bool {
        self.starts_at.is_some() || self.ends_at.is_some() || self.auto_end
    }
}
