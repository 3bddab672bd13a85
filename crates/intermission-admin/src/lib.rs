//! The admin API and page of Intermission, for any framework.
//!
//! An application mounts it with its adapter's feature `admin` and a closure that says who may administer. This crate is
//! what is behind the mount: [`Admin`] takes an [`AdminRequest`] and gives an [`AdminReply`], without any framework's types.
//!
//! ```text
//! request ──► the adapter's mount: authorize ──► AdminRequest ──► Admin::answer ──► AdminReply ──► response
//!                                                                      │
//!                                          Change ──► Operator ──► MaintenanceState
//! ```
//!
//! [`cloudify`] answers clients of Cloudify Manager about the same mode, in their own words.
//!
//! # Security
//!
//! - There is no way to mount it without saying who may administer ([`Authorization`]).
//! - Nothing is changed by `GET`. A change needs the content type JSON (or, of Cloudify's clients, none), and, from a
//!   browser, our own page (`Sec-Fetch-Site`, `Origin`).
//! - A body is read only of somebody who may administer, and at most [`BODY_LIMIT`] bytes of it.
//! - A pass's secret is shown once, in the reply to whoever made it, and is in no log, event or history.

mod admin;
mod api;
mod authorization;
mod body;
pub mod cloudify;
mod endpoint;
mod events;
mod if_match;
mod input;
pub mod json;
mod line;
mod lockout;
mod metrics;
mod mount;
mod openapi;
mod page;
mod problem;
mod public_status;
mod reply;
mod request;
mod same_origin;

pub use admin::{Admin, BODY_LIMIT};
pub use authorization::Authorization;
pub use body::read_body;
pub use events::EventStream;
pub use line::{Line, since};
pub use mount::split_mount;
pub use public_status::public_status;
pub use reply::{AdminBody, AdminReply};
pub use request::{AdminRequest, BodyError};
