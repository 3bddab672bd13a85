//! The signals that are meant for the command.

use std::fs::{self, File};
use std::future::poll_fn;
use std::io;
use std::task::Poll;

use rustix::process::{Signal, getpgrp};
use rustix::termios::tcgetpgrp;
use tokio::signal::unix::{self, SignalKind, signal};

use crate::exit_code::ExitCode;

/// What is passed on.
const PASSED_ON: [Signal; 4] = [Signal::TERM, Signal::INT, Signal::HUP, Signal::QUIT];

/// The signals that come, none of which ends this process from now on.
pub(crate) struct Signals(Vec<(Signal, unix::Signal)>);

impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        let ignored = ignored();
        PASSED_ON
            .into_iter()
            // What `nohup` or a shell's `&` has ignored stays so for the command: it would not, had it a handler here.
            .filter(|which| !is_in(ignored, *which))
            .map(|which| Ok((which, signal(SignalKind::from_raw(which.as_raw()))?)))
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// Waits for the next one.
    ///
    /// # Cancel safety
    ///
    /// Safe: what came is found by the next call.
    pub(crate) async fn next(&mut self) -> Signal {
        poll_fn(|context| {
            for (which, stream) in &mut self.0 {
                if stream.poll_recv(context).is_ready() {
                    return Poll::Ready(*which);
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// How a shell says that a signal has ended something.
pub(crate) fn ended_by(signal: Signal) -> ExitCode {
    ExitCode::Child(u8::try_from(128 + signal.as_raw()).unwrap_or(u8::MAX))
}

/// Whether a terminal has sent it to the command, too: its keys are for all processes in the foreground. Passed on, one
/// Ctrl-C would be two, and many programs take the second for "at once".
pub(crate) fn is_of_the_keyboard(signal: Signal) -> bool {
    matches!(signal, Signal::INT | Signal::QUIT)
        && File::open("/dev/tty")
            .is_ok_and(|terminal| tcgetpgrp(terminal).is_ok_and(|front| front == getpgrp()))
}

/// The signals that this process was started to ignore, one bit for each. Where the kernel does not say, none.
fn ignored() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    ignored_in(&status)
}

fn ignored_in(status: &str) -> u64 {
    let bits = status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok());
    bits.unwrap_or_default()
}

fn is_in(bits: u64, signal: Signal) -> bool {
    let bit = u32::try_from(signal.as_raw() - 1).unwrap_or(u32::MAX);
    bits.checked_shr(bit).unwrap_or_default() & 1 == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nohup_ignores_is_known() {
        // As of `nohup cat /proc/self/status &` in a shell without job control.
        let bits =
            ignored_in("Name:\tcat\nSigBlk:\tffff\nSigIgn:\t0000000000000007\nSigCgt:\tffff\n");
        for (signal, is_ignored) in [
            (Signal::HUP, true),
            (Signal::INT, true),
            (Signal::QUIT, true),
            (Signal::TERM, false),
        ] {
            assert_eq!(is_in(bits, signal), is_ignored, "{signal:?}");
        }
        assert_eq!(ignored_in("Name:\tcat\n"), 0);
    }

    #[test]
    fn ends_are_told_as_shells_do() {
        assert_eq!(ended_by(Signal::TERM), ExitCode::Child(143));
        assert_eq!(ended_by(Signal::INT), ExitCode::Child(130));
    }
}
