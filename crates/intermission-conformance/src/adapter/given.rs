//! What a row starts from.

use std::time::Duration;

use intermission::reply::{Marker, Notice, ReplyPolicy};
use intermission::{
    Activate, AllowChange, AllowList, BadNetworks, ForwardedHeader, Level, OutagePolicy, Phase,
    Policy, StartPolicy, Timestamp, TrustedProxies,
};

use super::site::Settings;

/// What a row starts from: the mode, and the settings of gate and adapter.
#[derive(Clone, Debug)]
pub(crate) struct Given {
    pub(crate) phase: Phase,
    pub(crate) level: Level,
    allow: &'static [&'static str],
    message: Option<&'static str>,
    retry_after: Option<Duration>,
    ends: Option<End>,
    proxies: &'static [&'static str],
    header: ForwardedHeader,
    pass_name: &'static str,
    permission_panics: bool,
    unknown_routes_are_told: bool,
    pub(crate) reply_policy: ReplyPolicy,
    /// Whether a plan is announced in every response.
    pub(crate) announces: bool,
    pub(crate) policy: Policy,
    pub(crate) outage: OutagePolicy,
    /// The state cannot be reached when the gate starts, and the gate starts by this policy.
    pub(crate) start_without_state: Option<StartPolicy>,
    /// Heartbeats of milliseconds on the system's clock, for what nobody tells the gate.
    pub(crate) quick: bool,
}

/// An announced end, by the table's clock.
#[derive(Clone, Copy, Debug)]
enum End {
    In(Duration),
    /// It was in so long when the site was closed, and the row begins after it.
    PassedAfter(Duration),
}

impl Given {
    fn new(phase: Phase) -> Self {
        Self {
            phase,
            level: Level::Full,
            allow: &[],
            message: None,
            retry_after: None,
            ends: None,
            proxies: &[],
            header: ForwardedHeader::XForwardedFor,
            pass_name: "intermission-pass",
            permission_panics: false,
            unknown_routes_are_told: false,
            reply_policy: ReplyPolicy::default(),
            announces: false,
            policy: Policy::default(),
            outage: OutagePolicy::KeepLast,
            start_without_state: None,
            quick: false,
        }
    }

    pub(crate) fn open() -> Self {
        Self::new(Phase::Deactivated)
    }

    /// A drain goes on, and waits for an execution that the row holds.
    pub(crate) fn draining() -> Self {
        Self::new(Phase::Activating)
    }

    pub(crate) fn closed() -> Self {
        Self::new(Phase::Activated)
    }

    pub(crate) const fn at(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    pub(crate) const fn allowing(mut self, networks: &'static [&'static str]) -> Self {
        self.allow = networks;
        self
    }

    pub(crate) const fn saying(mut self, message: &'static str) -> Self {
        self.message = Some(message);
        self
    }

    pub(crate) const fn retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = Some(retry_after);
        self
    }

    pub(crate) const fn ending_in(mut self, time: Duration) -> Self {
        self.ends = Some(End::In(time));
        self
    }

    /// The announced end has passed, and the site is still closed.
    pub(crate) const fn overdue(mut self) -> Self {
        self.ends = Some(End::PassedAfter(Duration::from_secs(60)));
        self
    }

    /// The socket's peer is one of these, and is believed about what it says in `X-Forwarded-For`.
    pub(crate) const fn trusting(mut self, proxies: &'static [&'static str]) -> Self {
        self.proxies = proxies;
        self
    }

    /// … and in this header instead.
    pub(crate) fn speaking_in(mut self, header: ForwardedHeader) -> Self {
        self.header = header;
        self
    }

    pub(crate) const fn pass_name(mut self, name: &'static str) -> Self {
        self.pass_name = name;
        self
    }

    pub(crate) const fn permission_panics(mut self) -> Self {
        self.permission_panics = true;
        self
    }

    pub(crate) const fn telling_unknown_routes(mut self) -> Self {
        self.unknown_routes_are_told = true;
        self
    }

    pub(crate) fn replying(mut self, policy: ReplyPolicy) -> Self {
        self.reply_policy = policy;
        self
    }

    pub(crate) const fn announcing(mut self) -> Self {
        self.announces = true;
        self
    }

    pub(crate) fn refusing_preflights(mut self) -> Self {
        self.policy = Policy::default().with_preflight(false);
        self
    }

    /// Out of reach, the state is asked again every few milliseconds.
    pub(crate) const fn on_outage(mut self, outage: OutagePolicy) -> Self {
        self.outage = outage;
        self.quick = true;
        self
    }

    pub(crate) const fn started_without_state(mut self, start: StartPolicy) -> Self {
        self.start_without_state = Some(start);
        self.quick = true;
        self
    }

    pub(crate) fn settings(&self) -> Result<Settings, BadNetworks> {
        Ok(Settings {
            proxies: TrustedProxies::new(AllowList::parse(self.proxies)?, self.header.clone()),
            pass_name: self.pass_name,
            permission_panics: self.permission_panics,
            unknown_routes_are_told: self.unknown_routes_are_told,
        })
    }

    /// The change that brings it about; `None` if the site stays open.
    pub(crate) fn activate(&self, now: Timestamp) -> Result<Option<Activate>, BadNetworks> {
        if !self.phase.is_on() {
            return Ok(None);
        }
        let allow = AllowList::parse(self.allow)?;
        let mut activate = Activate::by("ana")
            .with_level(self.level)
            .with_allow(AllowChange::Replace(allow));
        if let Some(message) = self.message {
            activate = activate.with_message(message);
        }
        if let Some(retry_after) = self.retry_after {
            activate = activate.with_retry_after(retry_after);
        }
        if let Some(End::In(time) | End::PassedAfter(time)) = self.ends {
            activate = activate.with_ends_at(now.saturating_add(time));
        }
        Ok(Some(activate))
    }

    /// How far the clock goes on between the activation and the row.
    pub(crate) fn lapse(&self) -> Duration {
        match self.ends {
            Some(End::PassedAfter(time)) => time + Duration::from_secs(1),
            Some(End::In(_)) | None => Duration::ZERO,
        }
    }

    /// What refused visitors are told, if the row began at that time.
    pub(crate) fn notice(&self, now: Timestamp, passes: bool) -> Notice<'static> {
        let until = match self.ends {
            Some(End::In(time)) => Some(now.saturating_add(time)),
            // The row begins a second after the end.
            Some(End::PassedAfter(_)) => Some(Timestamp::from_millis(
                now.as_millis().saturating_sub(1_000),
            )),
            None => None,
        };
        let marker = match self.phase {
            // Held, so closed as a whole.
            Phase::Deactivated => Marker::Activated,
            phase => Marker::of(phase, self.level),
        };
        Notice::new(marker)
            .with_message(self.message)
            .with_until(until)
            .with_retry_after(self.retry_after)
            .with_passes(passes)
    }
}
