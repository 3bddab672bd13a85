//! Ctrl-C, and everything else that asks a process to end.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::{SignalKind, signal};

use crate::patience::Deadline;

/// Whether somebody wants this to end.
///
/// It is a flag and not an exit, so that whoever owns a process or a folder puts it away.
pub(super) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// From now on SIGINT, SIGTERM and SIGHUP raise the flag instead of ending this process.
    pub(super) fn listen() -> anyhow::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()
            .context("cannot listen for Ctrl-C")?;
        let kinds = [
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::hangup(),
        ];
        let mut signals = {
            let _inside = runtime.enter();
            kinds
                .map(signal)
                .into_iter()
                .collect::<Result<Vec<_>, _>>()
                .context("cannot listen for Ctrl-C")?
        };
        let asked = Arc::new(AtomicBool::new(false));
        let raised = Arc::clone(&asked);
        std::thread::spawn(move || {
            runtime.block_on(poll_fn(|context| {
                for signal in &mut signals {
                    if signal.poll_recv(context).is_ready() {
                        raised.store(true, Ordering::Relaxed);
                        // Registers again: a second Ctrl-C must not end the putting away either.
                        context.waker().wake_by_ref();
                    }
                }
                Poll::<()>::Pending
            }));
        });
        Ok(Self { asked })
    }

    /// A flag that nobody raises.
    #[cfg(test)]
    pub(super) fn never() -> Self {
        Self {
            asked: Arc::default(),
        }
    }

    /// Looks again and again, until there is something, time is up (`None`), or somebody wants this to end.
    pub(super) fn wait<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut() -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<Option<T>> {
        let deadline = Deadline::after(limit);
        loop {
            self.check()?;
            if let Some(found) = look()? {
                return Ok(Some(found));
            }
            if !deadline.pause() {
                return Ok(None);
            }
        }
    }

    /// Fails if somebody wants this to end.
    pub(super) fn check(&self) -> Result<(), Interrupted> {
        if self.asked.load(Ordering::Relaxed) {
            Err(Interrupted)
        } else {
            Ok(())
        }
    }
}

/// Somebody wanted this to end before it was at its end.
#[derive(Debug)]
pub(super) struct Interrupted;

impl fmt::Display for Interrupted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("interrupted")
    }
}

impl std::error::Error for Interrupted {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_ends_with_what_was_found() {
        let mut looks = 0;
        let found = Interrupt::never().wait(Duration::MAX, || {
            looks += 1;
            Ok((looks == 3).then_some(looks))
        });
        assert_eq!(found.unwrap(), Some(3));
    }

    #[test]
    fn waiting_ends_in_time_and_looks_at_least_once() {
        let mut looks = 0;
        let found = Interrupt::never().wait(Duration::ZERO, || {
            looks += 1;
            Ok(None::<()>)
        });
        assert_eq!((found.unwrap(), looks), (None, 1));
    }

    #[test]
    fn waiting_ends_when_somebody_asks() {
        let interrupt = Interrupt::never();
        let error = interrupt.wait(Duration::MAX, || {
            interrupt.asked.store(true, Ordering::Relaxed);
            Ok(None::<()>)
        });
        assert!(error.unwrap_err().is::<Interrupted>());
    }
}
