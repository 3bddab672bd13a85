//! A node's handle: cheap to clone, synchronous to ask.

mod executions;
mod following;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use arc_swap::Guard;
use intermission_core::{
    Actor, AdmitReason, Clock, Decision, Explanation, Hold, MaintenanceState, NodeId, Plan, Policy,
    Record, RefuseReason, RouteAccess, ScopeName, SharedState, Snapshot, StateErrorKind, Timestamp,
    Visitor, decide, decide_for_site, decide_in_scopes, explain, is_safe,
};
use tokio::sync::mpsc;

use crate::admission::{Admission, Admitted, RequestInFlight};
use crate::builder::GateBuilder;
use crate::dependencies::DependencyStatus;
use crate::execution::Past;
use crate::execution_info::ExecutionInfo;
use crate::in_flight::{Entered, RequestClass};
use crate::metrics::{Counted, publish};
use crate::operator::Operator;
use crate::shared::{Installed, Shared};

/// How often a request that starts an execution is decided about anew because the door was moved in between. The
/// keeper moves it in a few instructions; a request never waits longer for it than this. A fence is no such door: it
/// stays shut until the state answers, and is no reason to decide anew.
const DOOR_TRIES: usize = 100;

/// A node's handle on maintenance mode: asked for every request and every execution, never waiting for anything.
///
/// Clones are the same gate. While maintenance is off, a decision is one look at one word; a request that is admitted is
/// counted into a word that few threads share, which says in the same step whether to ask, and out of it at its end; and an
/// execution is put on a list, under a lock that as few threads share. When the last clone is dropped, the node says goodbye
/// as soon as no execution runs there any more; [`shutdown`](Gate::shutdown) does the same and waits until it is done, which
/// a program must do that ends its runtime afterwards.
///
/// See the [crate's documentation](crate) for an example.
#[derive(Clone)]
pub struct Gate {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    /// For operators alone: nothing on a request's way knows that there is a state.
    state: SharedState,
    /// The keeper ends when this is closed or dropped.
    stop: mpsc::Sender<Stop>,
}

/// Who may not in, and by what that was decided.
pub(crate) struct TurnedAway {
    reason: RefuseReason,
    scope: Option<ScopeName>,
    installed: Guard<Arc<Installed>>,
}

/// Asks the keeper to say goodbye and end.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) done: tokio::sync::oneshot::Sender<()>,
}

/// How a node is, for health checks and for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateStatus {
    /// This node.
    pub node: NodeId,
    /// The newest record that it has applied.
    pub record: Arc<Record>,
    /// Why it is closed in any case, if it is.
    pub hold: Option<Hold>,
    /// Whether it may start no execution at present though its record would allow it: not joined yet, out of contact, fenced,
    /// on probation, or with a plan that has begun while the state is away.
    pub executions_suspended: bool,
    /// How old the newest answer of its state is; `None` if there never was one.
    pub contact_age: Option<Duration>,
    /// What is wrong with its state, if something is.
    pub trouble: Option<StateErrorKind>,
    /// Executions that run and are waited for.
    pub running: u64,
    /// Requests in flight.
    pub requests: u64,
    /// How many times the keeper had to be restarted. Anything but zero is a bug worth reporting.
    pub keeper_restarts: u64,
    /// What the node needs, in the order in which the builder was given the probes.
    pub dependencies: Vec<DependencyStatus>,
}

impl Gate {
    /// A gate on this state.
    pub fn builder(state: impl MaintenanceState) -> GateBuilder {
        GateBuilder::new(SharedState::new(state))
    }

    pub(crate) fn new(shared: Arc<Shared>, state: SharedState, stop: mpsc::Sender<Stop>) -> Self {
        Self {
            handle: Arc::new(Handle {
                shared,
                state,
                stop,
            }),
        }
    }

    /// Somebody who may change the mode of the site that this gate guards.
    ///
    /// What is changed is the shared state; this node hears of it as every other does.
    #[must_use]
    pub fn operator(&self, actor: Actor) -> Operator {
        Operator::new(self.handle.state.clone(), actor)
    }

    pub(crate) fn shared(&self) -> &Shared {
        &self.handle.shared
    }

    /// Whether a request may in. Counts nothing; [`admit`](Self::admit) does.
    #[inline]
    #[must_use]
    pub fn decide(&self, visitor: &Visitor<'_>) -> Decision {
        if !visitor.scopes.is_empty() {
            return self.decide_at_length(visitor);
        }
        if self.is_open() {
            return Decision::Admit(match visitor.access {
                RouteAccess::Always => AdmitReason::RouteAlways,
                RouteAccess::Ordinary | RouteAccess::StartsExecution => AdmitReason::Deactivated,
            });
        }
        if visitor.pass.is_some() {
            return self.decide_at_length(visitor);
        }
        self.decide_closed(visitor)
    }

    /// Decides about somebody who carries no pass and belongs to no scope.
    #[cold]
    fn decide_closed(&self, visitor: &Visitor<'_>) -> Decision {
        let shared = self.shared();
        // Only passes end by the time.
        let now = Timestamp::default();
        let installed = shared.installed.load();
        decide_for_site(&installed.snapshot, &shared.policy, visitor, now)
    }

    #[cold]
    fn decide_at_length(&self, visitor: &Visitor<'_>) -> Decision {
        let shared = self.shared();
        let (installed, now) = (shared.installed.load(), shared.now_for(visitor));
        decide(&installed.snapshot, &shared.policy, visitor, now)
    }

    /// Whether a scope is closed, so that it matters to which ones a request belongs. For adapters, which ask the
    /// application for that only then, and before [`admit_open`](Self::admit_open) and [`count_open`](Self::count_open),
    /// which know of the whole site alone.
    #[inline]
    #[must_use]
    pub fn has_closed_scopes(&self) -> bool {
        self.shared().scopes_closed.load(Ordering::Acquire)
    }

    /// Whether one of these scopes is closed.
    #[must_use]
    pub fn is_closed_in(&self, scopes: &[ScopeName]) -> bool {
        if !self.has_closed_scopes() {
            return false;
        }
        let installed = self.shared().installed.load();
        scopes
            .iter()
            .any(|scope| installed.snapshot.scope(scope).is_some())
    }

    /// Whether everybody may in, as far as the whole site goes: no maintenance, no hold, nothing suspended. Scopes may be
    /// closed: see [`has_closed_scopes`](Self::has_closed_scopes).
    ///
    /// A look only: [`admit_open`](Self::admit_open) counts the request in the same step.
    #[inline]
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.shared().open.load(Ordering::Acquire)
    }

    /// Whether everybody may in, and nothing is announced to those who are.
    #[inline]
    pub(crate) fn is_unasked(&self) -> bool {
        self.shared().unasked.load(Ordering::Acquire)
    }

    /// Lets a request in without a question, if nothing needs to be asked: `None` means that
    /// [`admit`](Self::admit) has to be, as always on a route that starts an execution, and while a planned maintenance is
    /// [announced](GateBuilder::with_scheduled_header).
    ///
    /// For adapters: it needs no more than what is known before any header is read.
    #[inline]
    #[must_use]
    pub fn admit_open(&self, method: &str, access: RouteAccess) -> Option<Admitted> {
        match access {
            RouteAccess::Ordinary => {}
            // It counts nobody, so the word that is looked at below would say nothing about the gate.
            RouteAccess::Always => return self.is_unasked().then(always),
            RouteAccess::StartsExecution => return None,
        }
        Some(Admitted {
            reason: AdmitReason::Deactivated,
            past_site: false,
            in_flight: Some(self.count_open(method)?),
            execution: None,
            scheduled: None,
        })
    }

    /// Counts a request on an ordinary route, if nothing needs to be asked: what [`admit_open`](Self::admit_open) does
    /// for it, in two words. `None` means that [`admit`](Self::admit) has to be asked.
    #[inline]
    #[must_use]
    pub fn count_open(&self, method: &str) -> Option<RequestInFlight> {
        let shard = self.shared().in_flight.shard();
        let class = class_of(method);
        let word = shard.requests(class);
        match word.enter() {
            Entered::Open => Some(RequestInFlight::counted(shard, class)),
            Entered::Closed => {
                shard.leave(word);
                None
            }
        }
    }

    /// Decides about a request, and counts it if it may in.
    ///
    /// On a route that [starts an execution](RouteAccess::StartsExecution), the execution begins here.
    #[must_use]
    pub fn admit(&self, visitor: &Visitor<'_>) -> Admission {
        match self.try_admit(visitor) {
            Ok(admitted) => Admission::Admitted(admitted),
            Err(TurnedAway {
                reason,
                scope,
                installed,
            }) => {
                let shared = self.shared();
                Admission::Refused(shared.refusal(&installed, reason, scope, visitor.path))
            }
        }
    }

    /// The same, without counting the refusal: for a question that is asked again when more is known of the visitor.
    pub(crate) fn try_admit(&self, visitor: &Visitor<'_>) -> Result<Admitted, TurnedAway> {
        let shared = self.shared();
        if visitor.access == RouteAccess::Always {
            let scheduled = shared.scheduled(&shared.installed.load());
            return Ok(Admitted {
                scheduled,
                ..always()
            });
        }
        let class = class_of(visitor.method);
        let shard = shared.in_flight.shard();
        // INVARIANT: counted first, decided afterwards. Whoever closes the gate in between finds the request counted.
        let _ = shard.requests(class).enter();
        let in_flight = RequestInFlight::counted(shard, class);
        let now = shared.now_for(visitor);
        for _ in 0..DOOR_TRIES {
            let installed = shared.installed.load();
            let site = decide_for_site(&installed.snapshot, &shared.policy, visitor, now);
            let said = if visitor.scopes.is_empty() {
                Said::of_site(site)
            } else {
                Said::of_site_and_scopes(&installed, shared.policy, visitor, now, site)
            };
            let reason = match said.decision {
                Decision::Admit(reason) => reason,
                Decision::Refuse(reason) => {
                    return Err(TurnedAway {
                        reason,
                        scope: said.scope,
                        installed,
                    });
                }
            };
            let mut execution = None;
            // A preflight asks whether the browser may send the request that would start one.
            if visitor.access == RouteAccess::StartsExecution && reason != AdmitReason::Preflight {
                let past = Past {
                    site: said.past_site,
                    scopes: said.past_scopes.then_some(&installed.snapshot),
                };
                execution = shared.begin(started_by(visitor), past);
                if execution.is_none() {
                    if shared.is_fenced() {
                        // No snapshot says so before the keeper wakes.
                        return Err(TurnedAway {
                            reason: RefuseReason::OutOfContact,
                            scope: None,
                            installed,
                        });
                    }
                    // The keeper moved a door after this decision, so there is a newer snapshot to decide by, or
                    // will be in a few instructions.
                    continue;
                }
            }
            let in_flight = match reason {
                AdmitReason::Deactivated => in_flight,
                _ => self.count_closed(reason, said.past_site, in_flight),
            };
            return Ok(Admitted {
                reason,
                past_site: said.past_site,
                in_flight: Some(in_flight),
                execution,
                scheduled: shared.scheduled(&installed),
            });
        }
        let reason = shared.execution_refusal(visitor.scopes);
        let installed = shared.installed.load();
        let scope = None;
        Err(TurnedAway {
            reason,
            scope,
            installed,
        })
    }

    /// Counts a request that is let in although a door is not open to everybody.
    #[cold]
    fn count_closed(
        &self,
        reason: AdmitReason,
        past_site: bool,
        mut in_flight: RequestInFlight,
    ) -> RequestInFlight {
        let shared = self.shared();
        // Who passes the closed door of a scope is one of the site's visitors like all others.
        if past_site {
            let shard = shared.in_flight.shard();
            let _ = shard.requests(RequestClass::Bypass).enter();
            // The old count goes after the new one came, so that at no moment there is none.
            in_flight = RequestInFlight::counted(shard, RequestClass::Bypass);
        }
        shared.in_flight.count(Counted::Admitted(reason));
        in_flight
    }

    /// What every rule says about a request, as this node sees it.
    #[must_use]
    pub fn explain(&self, visitor: &Visitor<'_>) -> Explanation {
        let shared = self.shared();
        explain(
            &shared.installed.load().snapshot,
            &shared.policy,
            visitor,
            shared.clock.now(),
        )
    }

    /// The node's name, as lists and metrics show it.
    #[must_use]
    pub fn node_name(&self) -> &str {
        self.shared().label()
    }

    /// The maintenance that is announced and has not begun: for a banner on every page, or a countdown. For scripts and
    /// clients, [`with_scheduled_header`](GateBuilder::with_scheduled_header) says it in every response.
    ///
    /// It asks no store, and may be asked for every page. `None` while maintenance is on, when none is planned, and from
    /// the planned start on.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use intermission::{Activate, Actor, Change, Clock, Gate, MemoryState, SystemClock};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gate = Gate::builder(MemoryState::new()).start().await?;
    /// let tonight = SystemClock.now().saturating_add(Duration::from_secs(3600));
    /// let plan = Activate::by("ana").with_message("A new database").with_starts_at(tonight);
    /// gate.operator(Actor::new("ana", "code")).change(Change::Activate(plan)).await?;
    ///
    /// gate.reached(|record| record.plan().is_some()).await;
    /// let upcoming = gate.upcoming().ok_or("it is an hour ahead")?;
    /// assert_eq!((upcoming.starts_at, upcoming.settings.message.as_deref()), (tonight, Some("A new database")));
    /// # Ok(()) }
    /// ```
    #[must_use]
    pub fn upcoming(&self) -> Option<Plan> {
        let shared = self.shared();
        let record = &shared.installed.load().snapshot.record;
        let plan = record.plan().filter(|_| !record.phase().is_on())?;
        (plan.starts_at > shared.clock.now()).then(|| plan.clone())
    }

    /// The newest record that this node has applied.
    #[must_use]
    pub fn record(&self) -> Arc<Record> {
        Arc::clone(&self.shared().installed.load().snapshot.record)
    }

    /// What `Retry-After` says to whoever is refused now, in seconds; `None` while this node is
    /// [open](Self::is_open). Asking refuses nobody and is not counted.
    #[must_use]
    pub fn retry_after_s(&self) -> Option<u64> {
        (!self.is_open()).then(|| self.shared().retry_after_s())
    }

    /// How this node is.
    #[must_use]
    pub fn status(&self) -> GateStatus {
        let shared = self.shared();
        let Snapshot {
            record,
            hold,
            executions_suspended,
            ..
        } = shared.installed.load().snapshot.clone();
        let contact = shared.contact();
        let now = shared.clock.steady();
        GateStatus {
            node: shared.node,
            record,
            hold,
            executions_suspended,
            contact_age: contact.answered_at.map(|at| now.saturating_sub(at)),
            trouble: contact.trouble,
            running: shared.in_flight.running().0,
            requests: shared.in_flight.requests(),
            keeper_restarts: shared.keeper_restarts.load(Ordering::Relaxed),
            dependencies: shared.dependencies.status(),
        }
    }

    /// Waits until no execution runs on this node, and has it say goodbye, so that no drain waits for it.
    ///
    /// Executions that begin meanwhile are waited for, too: stop what begins them first. [Workers](Gate::worker) are told to
    /// end. The gate goes on deciding by what it last knew.
    ///
    /// # Cancel safety
    ///
    /// Safe: the node says goodbye in any case, once nothing runs.
    pub async fn shutdown(&self) {
        self.shared().ending.send_replace(true);
        let (done, finished) = tokio::sync::oneshot::channel();
        if self.handle.stop.send(Stop { done }).await.is_ok() {
            // An error means that the keeper ended meanwhile, which is what was asked for.
            let _ = finished.await;
        }
        // The program may end before the publisher's next turn.
        publish(self.shared());
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record();
        f.debug_struct("Gate")
            .field("node", &self.shared().node)
            .field("phase", &record.phase())
            .field("revision", &record.revision())
            .finish_non_exhaustive()
    }
}

#[inline]
fn started_by(visitor: &Visitor<'_>) -> ExecutionInfo {
    let (method, path) = (visitor.method, visitor.path);
    // Not `format!`, which allocates three times.
    let mut label = String::with_capacity(method.len() + 1 + path.len());
    label.push_str(method);
    label.push(' ');
    label.push_str(path);
    let info = ExecutionInfo::new("request").with_label(label);
    let scopes = visitor.scopes.iter().cloned();
    scopes.fold(info, ExecutionInfo::with_scope)
}

/// What site and scopes say together of a request, and past whose closed doors it is let in.
struct Said {
    decision: Decision,
    /// The scope, if it is stricter than the site.
    scope: Option<ScopeName>,
    past_site: bool,
    past_scopes: bool,
}

impl Said {
    #[inline]
    fn of_site(site: Decision) -> Self {
        Self {
            decision: site,
            scope: None,
            past_site: is_bypass(site),
            past_scopes: false,
        }
    }

    #[cold]
    fn of_site_and_scopes(
        installed: &Installed,
        policy: Policy,
        visitor: &Visitor<'_>,
        now: Timestamp,
        site: Decision,
    ) -> Self {
        let mut both = Self::of_site(site);
        if let Some(said) = decide_in_scopes(&installed.snapshot, &policy, visitor, now) {
            both.past_scopes = is_bypass(said.decision);
            if site.stricter(said.decision) != site {
                both.decision = said.decision;
                both.scope = Some(said.scope.clone());
            }
        }
        both
    }
}

#[inline]
const fn is_bypass(decision: Decision) -> bool {
    matches!(decision, Decision::Admit(reason) if reason.is_bypass())
}

fn always() -> Admitted {
    Admitted {
        reason: AdmitReason::RouteAlways,
        past_site: false,
        in_flight: None,
        execution: None,
        scheduled: None,
    }
}

#[inline]
fn class_of(method: &str) -> RequestClass {
    if is_safe(method) {
        RequestClass::Safe
    } else {
        RequestClass::Unsafe
    }
}
