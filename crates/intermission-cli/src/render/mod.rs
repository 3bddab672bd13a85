//! What the verbs show, as text and as JSON. Pure: the same view, the same bytes.

pub(crate) mod explanation;
pub(crate) mod fleet;
pub(crate) mod history;
#[cfg(test)]
mod json_tests;
pub(crate) mod manual;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod status;
pub(crate) mod table;
pub(crate) mod text;
