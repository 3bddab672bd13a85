//! A site on a Redis that is initialised at once.

use std::time::Duration;

use intermission::{Actor, Operator, OperatorError, Timing};
use intermission_redis::RedisOptions;

/// Initialises the site that this URL names, as somebody did long ago.
///
/// An empty Redis hears its nodes for a whole grace first, since it may have lost its data. Here nobody can know more,
/// so all is as brief as it can be. The first node that joins brings its own periods.
pub(crate) async fn new_site(url: &str) {
    let mut timing = Timing::default();
    let brief = Duration::from_millis(1);
    (timing.step, timing.margin) = (brief, brief * 2);
    (timing.heartbeat, timing.timeout) = (brief, brief);
    (timing.lease, timing.grace, timing.reconcile) = (brief * 10, brief * 10, brief);
    let url = url.parse().expect("a state's URL");
    let options = RedisOptions::from_url(&url).expect("a Redis");
    let options = options.with_timing(timing).expect("they fit together");
    let state = options.build();
    let operator = Operator::new(state, Actor::new("ana", "test"));
    loop {
        match operator.init().await {
            Ok(is_new) => return assert!(is_new, "somebody was faster"),
            Err(OperatorError::Reconciling { .. }) => tokio::task::yield_now().await,
            Err(error) => panic!("{error}"),
        }
    }
}
