//! Model.
#![expect(
    clippy::indexing_slicing,
    reason = "nodes are numbered below the length of every list of nodes, and keys know their length"
)]

mod config;
mod document;
mod event;
mod explorer;
mod pack;
mod rule;
mod state;
mod table;
mod world;

pub use config::{Assumptions, Budget, Config, Drain, NODES, Network, Periods, Policy};
pub use document::{Document, Phase};
pub use event::Event;
pub use explorer::{Counterexample, Exploration, explore};
pub use rule::Rule;
pub use state::{Answer, Call, Life, Member, Memory, Node, Report, Shelf, State, Store};
pub use table::{Case, Expected, limits, mutations, promises};
pub use world::{Invariant, Violation, Which, World};
