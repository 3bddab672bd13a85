//! One file for each verb.

pub(crate) mod activate;
pub(crate) mod allow_ips;
pub(crate) mod completions;
pub(crate) mod deactivate;
pub(crate) mod during;
pub(crate) mod exec;
pub(crate) mod executions;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod history;
pub(crate) mod init;
pub(crate) mod man;
pub(crate) mod nodes;
pub(crate) mod pass;
pub(crate) mod status;
pub(crate) mod watch;
