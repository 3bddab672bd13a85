//! The errors of filters, of which warp has two kinds.

use std::convert::Infallible;
use std::future::ready;

use warp::{Filter, Rejection};

/// The error of a filter that a [`guard`](crate::guard) takes: a [`Rejection`], or [`Infallible`] for filters that answer
/// everything, such as those with a `recover` for all rejections.
pub trait FilterError: sealed::Sealed + Sized {
    /// The same filter, as one that may reject.
    #[doc(hidden)]
    fn rejecting<F, T>(
        filter: F,
    ) -> impl Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static
    where
        F: Filter<Extract = (T,), Error = Self> + Clone + Send + Sync + 'static,
        T: Send + 'static;
}

impl FilterError for Rejection {
    fn rejecting<F, T>(
        filter: F,
    ) -> impl Filter<Extract = (T,), Error = Self> + Clone + Send + Sync + 'static
    where
        F: Filter<Extract = (T,), Error = Self> + Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        filter
    }
}

impl FilterError for Infallible {
    fn rejecting<F, T>(
        filter: F,
    ) -> impl Filter<Extract = (T,), Error = Rejection> + Clone + Send + Sync + 'static
    where
        F: Filter<Extract = (T,), Error = Self> + Clone + Send + Sync + 'static,
        T: Send + 'static,
    {
        // It never does, but warp takes filters of one kind of error with those of the other only side by side.
        let never = warp::any().and_then(|| ready(Ok::<(), Rejection>(())));
        never.untuple_one().and(filter)
    }
}

/// warp has no third kind.
mod sealed {
    use std::convert::Infallible;

    use warp::Rejection;

    #[expect(unnameable_types, reason = "nobody else is to implement the trait")]
    pub trait Sealed {}

    impl Sealed for Infallible {}

    impl Sealed for Rejection {}
}
