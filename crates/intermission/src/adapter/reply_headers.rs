//! The headers of refusals in a framework's types, made once and cloned.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use intermission_core::reply::{Reply, ReplyForm};

/// The newest headers of each form of reply, in a framework's own map `H`: for [`Refusal::adapted`](crate::Refusal::adapted).
///
/// While no end is announced they stay the same for every refusal; while `Retry-After` counts down, they are made anew each
/// second.
pub struct ReplyHeaders<H> {
    empty: Made<H>,
    grpc: Made<H>,
    page: Made<H>,
    page_that_stays: Made<H>,
    problem: Made<H>,
    text: Made<H>,
    vendor: Made<H>,
}

/// Headers, and the form and time for which they were made.
type Made<H> = ArcSwapOption<(ReplyForm, u64, H)>;

impl<H: Clone> ReplyHeaders<H> {
    /// The headers of a reply, made by `make` if there are none yet. They are cloned, since what is outside of the adapter
    /// adds to them.
    pub fn of(&self, reply: &Reply, make: impl FnOnce(&Reply) -> H) -> H {
        let form = reply.form();
        let made = match form {
            ReplyForm::Empty => &self.empty,
            ReplyForm::Grpc => &self.grpc,
            ReplyForm::Page => &self.page,
            ReplyForm::PageThatStays => &self.page_that_stays,
            ReplyForm::Problem => &self.problem,
            ReplyForm::Text => &self.text,
            // Few applications have several, and these share the place.
            ReplyForm::Vendor(_) => &self.vendor,
        };
        if let Some(same) = made
            .load()
            .as_deref()
            .filter(|(made_for, retry_after_s, _)| {
                *made_for == form && *retry_after_s == reply.retry_after_s()
            })
        {
            return same.2.clone();
        }
        let headers = make(reply);
        made.store(Some(Arc::new((
            form,
            reply.retry_after_s(),
            headers.clone(),
        ))));
        headers
    }
}

impl<H> Default for ReplyHeaders<H> {
    fn default() -> Self {
        Self {
            empty: Made::empty(),
            grpc: Made::empty(),
            page: Made::empty(),
            page_that_stays: Made::empty(),
            problem: Made::empty(),
            text: Made::empty(),
            vendor: Made::empty(),
        }
    }
}

impl<H> fmt::Debug for ReplyHeaders<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyHeaders").finish_non_exhaustive()
    }
}
