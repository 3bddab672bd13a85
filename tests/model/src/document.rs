//! The record, with nothing in it but what the protocol looks at.

use std::fmt;

/// How far the mode has got. The order is that of `Phase` in core: the more restrictive is the greater.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[expect(clippy::exhaustive_enums, reason = "there is no fourth phase")]
pub enum Phase {
    /// The site is open.
    #[default]
    Deactivated,
    /// It drains.
    Activating,
    /// The drain is complete.
    Activated,
}

/// A record. The default is that of a site that was never changed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a state of the model, looked at by everything here")]
pub struct Document {
    /// How new it is; nought for a site that was never changed.
    pub revision: u8,
    /// How far the mode has got.
    pub phase: Phase,
    /// Which activation is on; nought while none is.
    pub activation: u8,
    /// The nodes that the completion names as unconfirmed, one bit each.
    pub unconfirmed: u8,
    /// Whether the completion says that the store has lost its data.
    pub says_lost: bool,
    /// Whether the drain's limit completed it.
    pub forced: bool,
    /// Whether visitors are still served, as by `Level::ReadOnly`.
    pub read_only: bool,
    /// Deactivated: a maintenance is planned. On: it ends by itself.
    pub by_itself: bool,
}

impl Document {
    /// Whether an activation is on.
    #[must_use]
    pub fn is_on(self) -> bool {
        self.phase != Phase::Deactivated
    }

    /// Whether the drain is complete.
    #[must_use]
    pub fn is_complete(self) -> bool {
        self.phase == Phase::Activated
    }

    /// The order of `Record::supersedes`: revision, then phase. Between equals the operation's random id decides, here
    /// whatever else differs.
    #[must_use]
    pub fn supersedes(self, other: Self) -> bool {
        self.rank() > other.rank()
    }

    fn rank(self) -> (u8, Phase, [u8; 6]) {
        let rest = [
            self.activation,
            self.unconfirmed,
            u8::from(self.says_lost),
            u8::from(self.forced),
            u8::from(self.read_only),
            u8::from(self.by_itself),
        ];
        (self.revision, self.phase, rest)
    }
}

impl fmt::Display for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.revision, self.phase) {
            (0, _) => return f.write_str("nothing"),
            (_, Phase::Deactivated) => f.write_str("off")?,
            (_, Phase::Activating) => write!(f, "activating#{}", self.activation)?,
            (_, Phase::Activated) => write!(f, "activated#{}", self.activation)?,
        }
        write!(f, "@{}", self.revision)?;
        if self.unconfirmed != 0 {
            write!(f, " unconfirmed {}", names(self.unconfirmed))?;
        }
        let marks = [
            (self.says_lost, " data-lost"),
            (self.forced, " forced"),
            (self.read_only, " read-only"),
            (self.by_itself && self.is_on(), " ends-by-itself"),
            (self.by_itself && !self.is_on(), " planned"),
        ];
        for (_, mark) in marks.iter().filter(|(is_set, _)| *is_set) {
            f.write_str(mark)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The names of these nodes.
pub(crate) fn names(nodes: u8) -> String {
    let listed = ["A", "B", "C"].into_iter().enumerate();
    let listed = listed.filter(|(node, _)| nodes & (1 << node) != 0);
    listed.map(|(_, name)| name).collect()
}
