//! For crates that adapt a framework: what all of them do alike, without any framework's types.
//!
//! Applications need nothing of it; they name the crate of their framework, which has it inside.
//!
//! An adapter has one [`Entrance`] for each place where it stands in front of something. For each request it does this:
//!
//! 1. It finds the route's flag: beside the route, or in the table ([`Entrance::look_up`]).
//! 2. It tries [`Passage::if_open`]. While the gate is open, that is all: nothing of the request was read but its method,
//!    and its path if there is a table. Where requests may belong to scopes, it does so only if no scope is closed
//!    ([`Gate::has_closed_scopes`](crate::Gate::has_closed_scopes)) and the request does not last
//!    ([`begins_conversation`], which reads `Upgrade` and `Accept` of a `GET`): what lasts has to know its scopes when one
//!    of them closes.
//! 3. Otherwise it shows the request as a [`RequestHead`] to [`Entrance::ask`], or where requests may belong to
//!    scopes to [`Entrance::ask_with_scopes`], which finds them (what the application says, and [`Entrance::scopes_of`]) and
//!    tries step 2 unless [`Gate::is_closed_in`](crate::Gate::is_closed_in) them. They read what the decision depends on:
//!    the visitor's address, the permission, the pass. What comes back is an [`Answer`], and of what lasts a
//!    [`LetIn`](crate::LetIn) for the request's extensions.
//! 4. It keeps the [`Passage`] until the response's body has ended or was dropped. Then the request has ended.
//! 5. If the gate had to be asked, it puts the [`Decision`](crate::Decision) where the handler finds it, and the
//!    [`ExecutionHandle`] too, and the decision into the response for what is outside. The response gets the
//!    [headers of the passage](Passage::headers): they tell caches what not everybody gets, and visitors what is planned.
//!
//! A refusal is answered with all lines of `Accept` and with `Content-Type`, which gRPC goes by. It is a response and no
//! error, and the request's body is left unread. What a framework's crate has to keep in detail, `intermission-conformance`
//! has as a table to be run (feature `adapter`).
//!
//! Frameworks differ in their versions of `http`, so the head of a request is strings and bytes here.
//!
//! Four words for what is said of a request, each made of the one before:
//!
//! ```text
//! decide ─────► Decision   admit or refuse, and by which rule; pure    intermission-core, decision.rs
//! Gate::admit ► Admission  the same, with what is counted meanwhile    admission.rs
//! ask ────────► Answer     what to do: let in, refuse, redirect        adapter/ask.rs
//! └───────────► Passage    what whoever is let in takes along          adapter/passage.rs
//! ```
//!
//! # Examples
//!
//! The bones of an adapter (steps 1 to 4), for a framework whose requests are a struct:
//!
//! ```
//! use std::net::IpAddr;
//!
//! use intermission::adapter::{Answer, Entrance, Passage, RequestHead};
//! use intermission::reply::ReplyRequest;
//!
//! struct Request { method: String, path: String, peer: IpAddr, headers: Vec<(String, String)> }
//! struct Response { status: u16, headers: Vec<(String, String)>, body: Vec<u8>, passage: Passage }
//!
//! type Permission = fn(&Request) -> bool;
//!
//! impl RequestHead for Request {
//!     type Permission = Permission;
//!
//!     fn method(&self) -> &str { &self.method }
//!     fn path(&self) -> &str { &self.path }
//!     fn query(&self) -> Option<&str> { None }
//!     fn peer(&self) -> Option<IpAddr> { Some(self.peer) }
//!     fn is_https(&self) -> bool { false }
//!     fn permits(&self, permission: &Permission) -> bool { permission(self) }
//!     fn lines<'a>(&'a self, name: &str) -> impl DoubleEndedIterator<Item = &'a [u8]> {
//!         self.headers.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_bytes())
//!     }
//! }
//!
//! fn answer(entrance: &Entrance<Permission>, request: &Request, handler: fn(&Request) -> Response) -> Response {
//!     let access = entrance.look_up(&request.method, &request.path);
//!     if let Some(passage) = Passage::if_open(entrance.gate(), &request.method, access) {
//!         return Response { passage, ..handler(request) };
//!     }
//!     match entrance.ask(request, access) {
//!         Answer::Admitted { passage, .. } => Response { passage, ..handler(request) },
//!         Answer::Refused(refusal) => {
//!             let accept = request.lines("accept").next();
//!             let reply = refusal.reply(ReplyRequest::new(&request.method).with_accept(accept));
//!             let headers = reply.headers().map(|(name, value)| (name.to_owned(), value.to_string())).collect();
//!             let passage = Passage::default();
//!             Response { status: reply.status(), headers, body: reply.into_body().to_vec(), passage }
//!         }
//!         Answer::PassRedeemed(pass) => {
//!             let headers = pass.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).into();
//!             Response { status: pass.status(), headers, body: Vec::new(), passage: Passage::default() }
//!         }
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use intermission::{Gate, MemoryState, adapter::EntranceBuilder};
//! # let gate = Gate::builder(MemoryState::new()).start().await?;
//! # let entrance = EntranceBuilder::new(gate).with_always("/health").build()?;
//! # let request = Request { method: "GET".into(), path: "/".into(), peer: [127, 0, 0, 1].into(), headers: Vec::new() };
//! # let hello = |_: &Request| Response { status: 200, headers: Vec::new(), body: b"hello".into(), passage: Passage::default() };
//! # let response = answer(&entrance, &request, hello);
//! # assert_eq!((response.status, response.headers.len(), response.body), (200, 0, b"hello".to_vec()));
//! # drop(response.passage);
//! # Ok(()) }
//! ```

mod ask;
mod builder;
mod entrance;
mod execution_handle;
mod head;
mod pass_link;
mod passage;
mod reply_headers;

pub use ask::{Answer, Asked, begins_conversation};
pub use builder::{ConfigError, EntranceBuilder};
pub use entrance::{Entrance, FlagOf, UnknownRoutes};
pub use execution_handle::ExecutionHandle;
pub use head::RequestHead;
pub use pass_link::{BadPassName, RedeemedPass};
pub use passage::Passage;
pub use reply_headers::ReplyHeaders;
