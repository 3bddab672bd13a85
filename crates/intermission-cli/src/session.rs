//! What a verb works with.

use std::sync::Arc;

use intermission::{
    Accepted, Actor, Change, Clock, MaintenanceState, Operator, Record, ScopeName, SharedState,
    StateError, Timestamp, Timing,
};

use intermission_redis::{RedisOptions, RedisState};

use crate::failure::Failure;
use crate::output::Output;
use crate::patience::patiently;
use crate::place::Reached;
use intermission_admin::json;

/// What a verb works with: a state, a clock, who asks, and where to say what.
#[derive(Debug)]
pub(crate) struct Session<'s, 'o> {
    pub(crate) operator: Operator,
    state: SharedState,
    redis: Option<(RedisOptions, RedisState)>,
    clock: Arc<dyn Clock>,
    /// Who asks.
    pub(crate) requested_by: String,
    /// Whether data is printed as JSON.
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    /// How a command line begins that reaches the same state.
    pub(crate) invocation: String,
    /// Whether the state may fail apart from the services.
    pub(crate) is_remote: bool,
    /// The part of the site that is meant; `None` for the whole.
    pub(crate) scope: Option<ScopeName>,
    pub(crate) output: &'s mut Output<'o>,
}

/// How verbs are to print, and what they need to know of the state's place.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    pub(crate) json: bool,
    pub(crate) verbose: bool,
    pub(crate) invocation: String,
    pub(crate) is_remote: bool,
    pub(crate) scope: Option<ScopeName>,
}

impl<'s, 'o> Session<'s, 'o> {
    pub(crate) fn new(
        reached: Reached,
        clock: Arc<dyn Clock>,
        requested_by: String,
        manner: Manner,
        output: &'s mut Output<'o>,
    ) -> Self {
        let Reached { state, redis, .. } = reached;
        let actor = Actor::new(requested_by.clone(), "command");
        let operator = Operator::new(state.clone(), actor).with_clock(Arc::clone(&clock));
        let operator = match &manner.scope {
            Some(scope) => operator.for_scope(scope.clone()),
            None => operator,
        };
        Self {
            operator,
            state,
            redis,
            clock,
            requested_by,
            json: manner.json,
            verbose: manner.verbose,
            invocation: manner.invocation,
            is_remote: manner.is_remote,
            scope: manner.scope,
            output,
        }
    }

    /// The state for a node that joins it for a while, and the periods that the others there have. With longer ones it
    /// would make the whole fleet notice a dead node later, and with shorter ones speak oftener than need be.
    ///
    /// In files each node goes by its own, whatever the others have.
    pub(crate) async fn joinable(&self) -> Result<(SharedState, Timing), StateError> {
        let Some((options, state)) = &self.redis else {
            return Ok((self.state.clone(), Timing::default()));
        };
        let timing = state.timing_in_use().await?;
        Ok(match options.clone().with_timing(timing) {
            Ok(options) => (SharedState::new(options.build()), timing),
            // Somebody has brought periods that never fit together. What the library has by default does.
            Err(_) => (self.state.clone(), Timing::default()),
        })
    }

    /// The record of the whole site, whichever part of it is meant.
    pub(crate) async fn whole_record(&self) -> Result<Arc<Record>, StateError> {
        Ok(self.state.inspect(0).await?.record)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.clock)
    }

    /// Makes a change. A state that hears its nodes first is waited for.
    pub(crate) async fn change(&mut self, change: Change) -> Result<Accepted, Failure> {
        patiently(self, async |operator| operator.change(change.clone()).await).await
    }

    /// What a verb that changes something prints as data: nothing but with `--json`.
    pub(crate) fn report_change(&mut self, record: &Record, changed: bool) -> Result<(), Failure> {
        if self.json {
            self.output.json(&json::Changed::of(record, changed))
        } else {
            Ok(())
        }
    }
}
