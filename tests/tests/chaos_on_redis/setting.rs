//! How the fleet of a round is set up.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use intermission::{LostContact, Timing};

use crate::random::Random;

pub(crate) const NODES: usize = 20;
pub(crate) const SITE: &str = "chaos";

/// How long Redis may take for one answer. A call takes at most two and a half times as long.
pub(crate) const ANSWER: Duration = Duration::from_millis(400);

/// Short periods, so that much happens.
pub(crate) fn timing() -> Timing {
    let mut timing = Timing::default();
    timing.lease = Duration::from_secs(3);
    timing.heartbeat = Duration::from_millis(500);
    timing.timeout = Duration::from_secs(1);
    timing.margin = Duration::from_millis(700);
    timing.step = Duration::from_millis(300);
    timing.grace = Duration::from_secs(3);
    timing.reconcile = Duration::from_secs(1);
    timing.drain_poll = Duration::from_millis(100);
    timing
}

/// Which policies the nodes of a round have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mix {
    All,
    Only(Lost),
}

/// What being out of contact means for a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    Wait,
    Hold,
    Fence,
}

impl Mix {
    /// Consecutive seeds give every mix, and the mixed one most often.
    pub(crate) fn of(seed: u64) -> Self {
        match seed % 6 {
            1 => Self::Only(Lost::Fence),
            3 => Self::Only(Lost::Hold),
            5 => Self::Only(Lost::Wait),
            _ => Self::All,
        }
    }

    pub(crate) fn draw(self, random: &mut Random) -> Lost {
        match self {
            Self::All => random.pick(&[Lost::Wait, Lost::Hold, Lost::Fence]),
            Self::Only(lost) => lost,
        }
    }
}

impl Lost {
    pub(crate) fn policy(self) -> LostContact {
        let more = Duration::from_secs(1);
        match self {
            Self::Wait => LostContact::Wait(more),
            Self::Hold => LostContact::Hold,
            Self::Fence => LostContact::Fence(more),
        }
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wait => "wait",
            Self::Hold => "hold",
            Self::Fence => "fence",
        })
    }
}

impl FromStr for Lost {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "wait" => Ok(Self::Wait),
            "hold" => Ok(Self::Hold),
            "fence" => Ok(Self::Fence),
            _ => Err(()),
        }
    }
}
