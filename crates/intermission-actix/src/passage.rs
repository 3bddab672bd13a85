//! What a request that was let in takes along.

use intermission::{AdmitReason, Admitted, RequestInFlight};

use crate::execution::{EndsWithResponse, ExecutionHandle};

/// What a request that was let in takes along until its response has ended.
///
/// Two words, because every request moves it a few times; what is rare is boxed.
#[derive(Debug, Default)]
pub(crate) enum Passage {
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
pub(crate) struct Asked {
    reason: AdmitReason,
    _execution: Option<EndsWithResponse>,
    _in_flight: Option<RequestInFlight>,
}

impl Passage {
    /// Takes over what a gate gave that had nothing to ask.
    #[inline]
    pub(crate) fn through_open_gate(admitted: Admitted) -> Self {
        match admitted.in_flight {
            Some(in_flight) => Self::Counted {
                _in_flight: in_flight,
            },
            None => Self::Uncounted,
        }
    }

    /// Takes over what an asked gate gave. The handle is for the handler to find.
    pub(crate) fn asked(admitted: Admitted) -> (Self, Option<ExecutionHandle>) {
        let Admitted {
            reason,
            in_flight,
            execution,
            ..
        } = admitted;
        let handle = execution.map(ExecutionHandle::new);
        let asked = Asked {
            reason,
            _execution: handle.clone().map(EndsWithResponse),
            _in_flight: in_flight,
        };
        (Self::Asked(Box::new(asked)), handle)
    }

    /// The rule by which the request was let in, if the gate had to be asked.
    #[inline]
    pub(crate) fn reason(&self) -> Option<AdmitReason> {
        match self {
            Self::Uncounted | Self::Counted { .. } => None,
            Self::Asked(asked) => Some(asked.reason),
        }
    }
}
