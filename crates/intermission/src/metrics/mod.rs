//! A node in numbers: counted by whoever does something, and told to the recorder of the crate `metrics` by a task of its
//! own.
//!
//! Neither a request nor the keeper ever calls the recorder, which is somebody else's code. They count in words of their
//! own, and the publisher tells the recorder by how much these have grown. A recorder that is slow, or that
//! panics, costs metrics and nothing else. Without the feature `metrics`, counting is nothing at all.

mod tally;

#[cfg(feature = "metrics")]
mod catalogue;
#[cfg(feature = "metrics")]
mod publish;

#[cfg(feature = "metrics")]
pub(crate) use publish::{Told, publish, publish_always};
pub(crate) use tally::{Counted, Tally};

#[cfg(not(feature = "metrics"))]
pub(crate) use without::{Told, publish, publish_always};

/// What is left without the feature.
#[cfg(not(feature = "metrics"))]
mod without {
    use std::sync::Arc;

    use crate::shared::Shared;

    #[derive(Debug)]
    pub(crate) struct Told;

    impl Told {
        pub(crate) const fn new() -> Self {
            Self
        }
    }

    pub(crate) const fn publish(_: &Shared) {}

    pub(crate) const fn publish_always(_: &Arc<Shared>) {}
}
