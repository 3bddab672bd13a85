//! What a request that was let in takes along.

use std::sync::Arc;

use intermission_core::reply::{BYPASSED, HeaderText, SCHEDULED_HEADER, Scheduled};
use intermission_core::{AdmitReason, RouteAccess};

use crate::adapter::execution_handle::{EndsWithResponse, ExecutionHandle};
use crate::admission::{Admitted, RequestInFlight};
use crate::gate::Gate;
use crate::long_lived::LetIn;
use crate::scopes::RequestScopes;

/// What a request that was let in takes along until its response's body has ended or was dropped.
///
/// It is two words, because every request moves it a few times; what is rare is boxed. The default is that of a request
/// that nobody waits for.
#[derive(Debug, Default)]
#[must_use = "the request counts as ended when this is dropped"]
pub struct Passage(Kind);

#[derive(Debug, Default)]
enum Kind {
    /// Nobody waits for it: the route is always open, or the response has ended.
    #[default]
    Uncounted,
    /// Nothing had to be asked.
    Counted {
        _in_flight: RequestInFlight,
    },
    Asked(Box<Asked>),
}

#[derive(Debug)]
struct Asked {
    reason: AdmitReason,
    past_site: bool,
    scheduled: Option<Arc<Scheduled>>,
    _execution: Option<EndsWithResponse>,
    _in_flight: Option<RequestInFlight>,
}

impl Passage {
    /// Of a request that nobody waits for.
    #[inline]
    pub const fn uncounted() -> Self {
        Self(Kind::Uncounted)
    }

    /// Of a request about which nothing has to be asked; `None` if the gate has to be.
    #[inline]
    #[must_use]
    pub fn if_open(gate: &Gate, method: &str, access: RouteAccess) -> Option<Self> {
        match access {
            RouteAccess::Ordinary => {
                let _in_flight = gate.count_open(method)?;
                Some(Self(Kind::Counted { _in_flight }))
            }
            RouteAccess::Always if gate.is_unasked() => Some(Self::uncounted()),
            RouteAccess::Always | RouteAccess::StartsExecution => None,
        }
    }

    /// Takes over what an asked gate gave. The handle is for the handler to find.
    pub(super) fn asked(admitted: Admitted) -> (Self, Option<ExecutionHandle>) {
        let Admitted {
            reason,
            past_site,
            in_flight,
            execution,
            scheduled,
        } = admitted;
        let handle = execution.map(ExecutionHandle::new);
        let asked = Asked {
            reason,
            past_site,
            scheduled,
            _execution: handle.clone().map(EndsWithResponse),
            _in_flight: in_flight,
        };
        (Self(Kind::Asked(Box::new(asked))), handle)
    }

    /// Whether nothing counts for as long as it lasts, so that it may be dropped at once.
    #[inline]
    #[must_use]
    pub const fn is_uncounted(&self) -> bool {
        matches!(self.0, Kind::Uncounted)
    }

    /// The rule by which the request was let in, if the gate had to be asked.
    #[inline]
    #[must_use]
    pub fn reason(&self) -> Option<AdmitReason> {
        match &self.0 {
            Kind::Uncounted | Kind::Counted { .. } => None,
            Kind::Asked(asked) => Some(asked.reason),
        }
    }

    /// What a conversation is to know that outlives this request, which belongs to these scopes: for the request's
    /// extensions.
    pub fn let_in(&self, scopes: RequestScopes) -> LetIn {
        match &self.0 {
            Kind::Uncounted | Kind::Counted { .. } => LetIn::while_open(scopes),
            Kind::Asked(asked) => LetIn::new(asked.reason, scopes, asked.past_site),
        }
    }

    /// The headers that the response gets, in place of lines with these names: [`BYPASSED`] for whoever passed the closed
    /// gate, and [`SCHEDULED_HEADER`] while a planned maintenance is announced. The names are in lower case.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, HeaderText<'_>)> {
        let asked = match &self.0 {
            Kind::Uncounted | Kind::Counted { .. } => None,
            Kind::Asked(asked) => Some(asked),
        };
        let bypassed = asked.filter(|asked| asked.reason.is_bypass());
        let bypassed = bypassed.into_iter().flat_map(|_| BYPASSED);
        let scheduled = asked.and_then(|asked| asked.scheduled.as_ref());
        bypassed
            .map(|(name, value)| (name, HeaderText::Static(value)))
            .chain(scheduled.map(|scheduled| (SCHEDULED_HEADER, scheduled.value())))
    }
}
