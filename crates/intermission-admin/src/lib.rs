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
//! [`public_status`] tells anybody what anybody may know, [`cloudify`] answers Cloudify's clients in their own words, and
//! [`json`] is what the API answers and the command prints.
//!
//! # Nobody is locked out by accident
//!
//! A change after which nobody could open the site again over HTTP is refused with `409` and an explanation, unless it says
//! `lockout_accepted`. It is one if the route of this is not always open ([`Admin::with_route_access`]) and whoever asks would not
//! pass by address; permission is not counted, since the gate asks for it and not this. The command works in any case.
//!
//! # Security
//!
//! - There is no way to mount it without saying who may administer ([`Authorization`]).
//! - Nothing is changed by `GET`. A change needs the content type JSON (or, of Cloudify's clients, none), and, from a
//!   browser, our own page (`Sec-Fetch-Site`, `Origin`).
//! - A body is read only of somebody who may administer, and at most [`BODY_LIMIT`] bytes of it.
//! - A pass's secret is shown once, in the reply to whoever made it, and is in no log, event or history.
//! - The page allows its own style and script by their hashes and nothing else, and nobody may frame it.
//!
//! # Metrics
//!
//! With the feature `metrics`, `intermission_admin_authorizations_total` counts everybody who comes, by `outcome`: `granted`,
//! `unauthenticated`, `forbidden`, and `foreign-origin` for a change that another site asked a browser for (who was granted
//! before). A rising rate of the last three is somebody who tries.
//!
//! # Reading order
//!
//! `admin.rs` (a request's way) → `endpoint.rs` → `api/` → `input/` and `json/` (what comes in, what goes out) → `events.rs` →
//! `page/` → `cloudify/`. `mount.rs` and `body.rs` are for the adapters.

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
