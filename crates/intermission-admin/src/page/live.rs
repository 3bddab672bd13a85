//! What lives on the page: all that changes while somebody looks.

use std::time::Duration;

use askama::Template;
use intermission::{
    Activation, ClientAddress, Completion, DrainPolicy, ExecutionView, HistoryEntry, Hold, Holder,
    Level, Network, NodeView, Phase, Record, RouteAccess, ScopeName, ScopeRecord, Timestamp, View,
};

use super::facts::Facts;
use super::form::Form;
use super::markup::Of;
use super::{assets, markup, words};

/// How many networks are listed.
const NETWORKS_SHOWN: usize = 500;

/// How many parts of the site are listed.
const SCOPES_SHOWN: usize = 200;

/// The document.
#[derive(Template)]
#[template(path = "page.html")]
pub(super) struct Document<'a> {
    pub(super) live: &'a Live<'a>,
}

/// The part that changes.
#[derive(Template)]
#[template(path = "live.html")]
pub(super) struct Live<'a> {
    pub(super) now: Timestamp,
    pub(super) view: View,
    /// The newest first.
    pub(super) history: Vec<HistoryEntry>,
    /// Why the state is out of reach, if it is: then everything else is what this node has last known.
    pub(super) trouble: Option<String>,
    /// Why this node is closed by itself, if it is.
    pub(super) hold: Option<Hold>,
    /// How old this node's knowledge is.
    pub(super) contact_age: Duration,
    /// From where whoever looks comes.
    pub(super) client: ClientAddress,
    /// Whoever looks.
    pub(super) actor: &'a str,
    pub(super) site: Option<&'a str>,
    /// Whether this page is reached while the site is closed.
    pub(super) access: RouteAccess,
    /// Which style and script belong to this.
    pub(super) build: &'static str,
}

impl Live<'_> {
    /// The first networks of the list: a page with all of a million would help nobody.
    fn networks(&self) -> impl Iterator<Item = Network> {
        self.record().allow().networks().take(NETWORKS_SHOWN)
    }

    fn networks_left_out(&self) -> usize {
        self.record().allow().len().saturating_sub(NETWORKS_SHOWN)
    }

    /// The first parts of the site that are closed or planned to be.
    fn scopes(&self) -> impl Iterator<Item = (&ScopeName, &ScopeRecord)> {
        self.record().scopes().iter().take(SCOPES_SHOWN)
    }

    fn scopes_left_out(&self) -> usize {
        self.record().scopes().len().saturating_sub(SCOPES_SHOWN)
    }

    pub(super) fn record(&self) -> &Record {
        &self.view.record
    }

    fn on(&self) -> Option<&Activation> {
        self.record().activation()
    }

    fn completion(&self) -> Option<&Completion> {
        self.on().and_then(|on| on.completion.as_ref())
    }

    /// What the style goes by: the phase, or `planned`.
    fn mood(&self) -> &'static str {
        match (self.record().phase(), self.record().plan()) {
            (Phase::Deactivated, Some(_)) => "planned",
            (phase, _) => phase.as_str(),
        }
    }

    /// The same as a sign, within 48 by 48: not everybody sees colours.
    fn sign(&self) -> &'static str {
        match self.mood() {
            "deactivated" => "M15.5 24.5l6 6 11-12.5",
            "planned" => "M24 14v10.5l7 4",
            "activating" => "M24 13v18M16.5 24.5l7.5 7.5 7.5-7.5",
            _ => "M19 17v14M29 17v14",
        }
    }

    /// The icon of the page, which tells the state among other tabs.
    fn icon(&self) -> String {
        let colour = match self.mood() {
            "deactivated" => "22694a",
            "planned" => "2f6690",
            "activating" => "855100",
            _ => "a23a34",
        };
        let sign = self.sign();
        format!(
            "data:image/svg+xml,<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 48 48'>\
             <circle cx='24' cy='24' r='24' fill='%23{colour}'/>\
             <path d='{sign}' fill='none' stroke='white' stroke-width='5' stroke-linecap='round'/></svg>"
        )
    }

    /// The state at one glance.
    fn headline(&self) -> &'static str {
        match (self.record().phase(), self.record().level()) {
            (Phase::Deactivated, _) if self.record().plan().is_some() => {
                "Open, maintenance planned"
            }
            (Phase::Deactivated, _) => "Open",
            (Phase::Activating, _) => "Closing: work drains",
            (Phase::Activated, Level::Full) => "Closed",
            (Phase::Activated, Level::ReadOnly) => "Closed for changes",
            (Phase::Activated, Level::Exclusive) => "Closed for everybody",
        }
    }

    /// What that means, in a sentence or two.
    fn meaning(&self) -> String {
        let record = self.record();
        match record.phase() {
            Phase::Deactivated if record.plan().is_some() => "Everybody is let in until then.".to_owned(),
            Phase::Deactivated => "Everybody is let in.".to_owned(),
            Phase::Activating if self.view.is_reconciling() => {
                "The state may have lost something, or is new, and hears its nodes first. Nothing completes meanwhile."
                    .to_owned()
            }
            Phase::Activating => {
                let running = self.view.count.running;
                let what = if running == 0 {
                    "Nothing is known to run any more; the last nodes are awaited.".to_owned()
                } else {
                    let nodes = self.running_nodes();
                    let verb = if running == 1 { "runs" } else { "run" };
                    format!(
                        "{} still {verb} on {}.",
                        words::count(running, "execution", "executions"),
                        words::count(nodes, "node", "nodes")
                    )
                };
                format!("{what} New ones are refused. Everything else is let in until the site is closed.")
            }
            Phase::Activated if record.level() == Level::Exclusive => {
                "Nobody is let in: no permission, address or pass counts.".to_owned()
            }
            Phase::Activated => words::level(record.level()).to_owned(),
        }
    }

    /// What is announced by a screen reader when it changes: as short as possible.
    fn news(&self) -> String {
        let trouble = if self.trouble.is_some() {
            "The maintenance state is out of reach. "
        } else {
            ""
        };
        format!("{trouble}{}", self.headline())
    }

    fn running_nodes(&self) -> u64 {
        let nodes = self.view.nodes.iter();
        nodes.filter(|node| node.facts.running > 0).count() as u64
    }

    /// When the drain reaches its limit.
    fn deadline(&self) -> Option<Timestamp> {
        let on = self.on()?;
        let limit = on.settings.drain.limit()?;
        Some(on.requested_at.saturating_add(limit))
    }

    fn drain(&self) -> DrainPolicy {
        self.on().map(|on| on.settings.drain).unwrap_or_default()
    }

    /// What becomes of the site when those are done who hold it closed.
    fn after_holders(&self) -> &'static str {
        let holding = self.on().and_then(|on| on.holding.as_ref());
        let opens = holding.is_some_and(|holding| holding.opens_after);
        let mut holders = self.record().holders().iter();
        if holders.any(|holder| holder.failure.is_some() || self.is_gone(holder)) {
            "The site does not open by itself."
        } else if opens {
            "The site opens when all of them are done."
        } else {
            "The site stays closed when they are done."
        }
    }

    /// Whether a holder is not heard of any more.
    fn is_gone(&self, holder: &Holder) -> bool {
        self.view.is_in_contact(holder.node) == Some(false)
    }

    fn form(&self) -> Form<'_> {
        Form::of(self.record())
    }

    /// Whether the drain has not ended, or requests are still waited for.
    fn is_settling(&self) -> bool {
        self.record().phase().is_on() && self.view.quiescent_at.is_none()
    }

    /// What runs and is waited for, the oldest first.
    fn awaited(&self) -> Vec<(&NodeView, &ExecutionView)> {
        let executions = self.view.executions().into_iter();
        executions.filter(|(_, one)| !one.bypass).collect()
    }

    /// What those run who were let in.
    fn bypassing(&self) -> Vec<(&NodeView, &ExecutionView)> {
        let executions = self.view.executions().into_iter();
        executions.filter(|(_, one)| one.bypass).collect()
    }

    /// How many executions run that no list shows.
    fn unlisted(&self) -> u64 {
        let listed = self.awaited().len() as u64;
        self.view.count.running.saturating_sub(listed)
    }

    fn requests(&self) -> u64 {
        self.view.nodes.iter().map(|node| node.facts.requests).sum()
    }

    /// The nodes that have not drained yet.
    fn holding_up(&self) -> Vec<&NodeView> {
        let nodes = self.view.nodes.iter();
        nodes.filter(|node| !node.drained).collect()
    }

    fn unlisted_nodes(&self) -> u64 {
        let listed = self.view.nodes.len() as u64;
        self.view.node_count.saturating_sub(listed)
    }

    fn is_ahead(&self, at: impl Of<Timestamp>) -> bool {
        at.value() > self.now
    }

    fn is_unconfirmed(&self, node: &NodeView) -> bool {
        self.view.is_unconfirmed(node.node)
    }

    fn is_behind(&self, node: &NodeView) -> bool {
        node.seen < self.record().revision()
    }

    fn is_own(&self, network: impl Of<Network>) -> bool {
        self.client
            .ip()
            .is_some_and(|address| network.value().contains(address))
    }

    pub(super) fn is_listed(&self) -> bool {
        self.client
            .ip()
            .is_some_and(|address| self.record().allow().contains(address))
    }

    pub(super) fn good_passes(&self) -> usize {
        let passes = self.record().passes().iter();
        passes.filter(|pass| pass.is_current(self.now)).count()
    }

    fn facts(&self) -> String {
        Facts::of(self).in_text()
    }
}
