//! The API without any framework: what each request is answered, and what it changes.

mod bad_input;
mod changes;
mod conflicts;
mod events;
mod guard;
mod lockout;
mod openapi;
mod passes;
mod reads;
mod site;
