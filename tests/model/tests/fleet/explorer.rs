//! Looks at every state that can be reached, nearest first, so that what is found has the shortest story.
//!
//! Of a state that was looked at, 64 bits are kept to know it again, and by which move of which other state it was
//! reached. Two states that are taken for one would hide what follows from the second; with 64 bits and some ten million
//! states, that happens once in a hundred thousand runs. The story of a state is told by making the moves again.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::invariants::{Invariant, broken_by_move, broken_in, is_beyond_assumptions};
use crate::moves::successors;
use crate::rules::Rules;
use crate::state::{Flight, Ledger, Life, Phase, Record, State};

/// What was found.
#[derive(Debug)]
pub(crate) struct Explored {
    pub(crate) states: usize,
    /// How many moves the farthest state is away.
    pub(crate) depth: usize,
    /// Whether there is no other state.
    pub(crate) is_whole: bool,
    pub(crate) broken: Option<(Invariant, String)>,
}

/// How a state was reached first.
#[derive(Clone, Copy, Debug)]
struct Link {
    from: u32,
    /// Which of the other's successors it is.
    which: u8,
}

/// Explores until everything is known, something is broken, or this many states are known.
pub(crate) fn explore(rules: &Rules, most: usize) -> Explored {
    let mut explorer = Explorer {
        rules,
        known: HashSet::default(),
        links: Vec::new(),
    };
    let mut level = Vec::new();
    let (start, _) = start(rules).canonical(rules);
    explorer.add(&start, Link { from: 0, which: 0 });
    level.push((start, 0));
    let mut depth = 0;
    loop {
        let mut next = Vec::new();
        for (state, at) in &level {
            if let Some((invariant, link)) = explorer.expand(state, *at, &mut next) {
                return explorer.found(depth + 1, false, Some((invariant, explorer.story(link))));
            }
            if explorer.links.len() >= most {
                return explorer.found(depth + 1, false, None);
            }
        }
        if next.is_empty() {
            return explorer.found(depth, true, None);
        }
        level = next;
        depth += 1;
    }
}

fn start(rules: &Rules) -> State {
    let mut start = State {
        budget: rules.budget,
        ledger: Ledger {
            outlasts: true,
            ..Ledger::default()
        },
        ..State::default()
    };
    if rules.require_init {
        start.newest.revision = 1;
        start.ledger.record = start.newest;
    }
    start
}

struct Explorer<'a> {
    rules: &'a Rules,
    known: HashSet<u64, BuildHasherDefault<Mixed>>,
    links: Vec<Link>,
}

impl Explorer<'_> {
    /// Whether this state is a new one.
    fn add(&mut self, state: &State, link: Link) -> bool {
        let mut mixer = Mixer::default();
        state.hash(&mut mixer);
        let is_new = self.known.insert(mixer.finish());
        if is_new {
            self.links.push(link);
        }
        is_new
    }

    fn expand(
        &mut self,
        state: &State,
        at: u32,
        next: &mut Vec<(State, u32)>,
    ) -> Option<(Invariant, Link)> {
        for (which, (_, after)) in successors(self.rules, state).iter().enumerate() {
            let link = Link {
                from: at,
                which: u8::try_from(which).unwrap_or(u8::MAX),
            };
            if is_beyond_assumptions(self.rules, after) {
                continue;
            }
            if let Some(invariant) = broken_by_move(state, after) {
                return Some((invariant, link));
            }
            let (after, _) = after.canonical(self.rules);
            let index = u32::try_from(self.links.len()).unwrap_or(u32::MAX);
            if !self.add(&after, link) {
                continue;
            }
            if let Some(invariant) = broken_in(self.rules, &after) {
                return Some((invariant, link));
            }
            next.push((after, index));
        }
        None
    }

    fn found(&self, depth: usize, is_whole: bool, broken: Option<(Invariant, String)>) -> Explored {
        Explored {
            states: self.links.len(),
            depth,
            is_whole,
            broken,
        }
    }

    /// What happened, move by move, and what it led to.
    fn story(&self, last: Link) -> String {
        let mut path = vec![last.which];
        let mut at = last.from;
        while at != 0 {
            let link = self.links[at as usize];
            path.push(link.which);
            at = link.from;
        }
        let (mut state, _) = start(self.rules).canonical(self.rules);
        let mut story = String::new();
        // The nodes change places in what is kept, but not in the story.
        let mut is_swapped = false;
        for which in path.into_iter().rev() {
            let (what, after) = successors(self.rules, &state)[usize::from(which)];
            let _ = writeln!(
                story,
                "  {:64} {}",
                if is_swapped { what.swapped() } else { what }.to_string(),
                Told(&after, is_swapped)
            );
            let (kept, swaps) = after.canonical(self.rules);
            state = kept;
            is_swapped ^= swaps;
        }
        story
    }
}

/// A state in one line.
struct Told<'a>(&'a State, bool);

impl std::fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self(state, is_swapped) = self;
        let ledger = &state.ledger;
        let record = |record: &Record| {
            let phase = match record.phase {
                Phase::Deactivated => "off",
                Phase::Activating => "activating",
                Phase::Activated => "activated",
            };
            let unconfirmed = match record.unconfirmed {
                0 => String::new(),
                mask => format!(" but {mask:02b}"),
            };
            let lost = if record.state_lost { " lost" } else { "" };
            format!("{}:{phase}{unconfirmed}{lost}", record.revision)
        };
        write!(
            f,
            "ledger {} grace {} claimed {}",
            record(&ledger.record),
            ledger.grace,
            ledger.newest_claimed
        )?;
        let order = if *is_swapped { [1, 0] } else { [0, 1] };
        for (name, node) in ["A", "B"].iter().zip(order) {
            let now = &state.nodes[node];
            if now.life != Life::Alive {
                write!(f, " | {name} {:?}", now.life)?;
                continue;
            }
            write!(f, " | {name} {} {}", record(&now.record), now.time_left)?;
            for (word, applies) in [
                ("runs", now.running),
                ("probation", now.probation),
                ("asking", now.flight != Flight::None),
                ("excused", now.excused),
            ] {
                if applies {
                    write!(f, " {word}")?;
                }
            }
            if let Some(member) = &ledger.members[node] {
                write!(
                    f,
                    " ({:?}{})",
                    member.said,
                    if member.given_up { ", given up" } else { "" }
                )?;
            }
        }
        Ok(())
    }
}

/// Mixes a state into 64 bits.
#[derive(Default)]
struct Mixer(u64);

impl Hasher for Mixer {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u8(*byte);
        }
    }

    fn write_u8(&mut self, i: u8) {
        self.write_u64(u64::from(i));
    }

    fn write_usize(&mut self, i: usize) {
        self.write_u64(i as u64);
    }

    fn write_isize(&mut self, i: isize) {
        self.write_u64(i.cast_unsigned() as u64);
    }

    fn write_u64(&mut self, i: u64) {
        self.0 = (self.0 ^ i)
            .wrapping_add(0x9e37_79b9_7f4a_7c15)
            .wrapping_mul(0xd134_2543_de82_ef95)
            .rotate_left(23);
    }

    fn finish(&self) -> u64 {
        let folded = (self.0 ^ self.0 >> 32).wrapping_mul(0xd6e8_feb8_6659_fd93);
        folded ^ folded >> 32
    }
}

/// What is mixed already.
#[derive(Default)]
struct Mixed(u64);

impl Hasher for Mixed {
    fn write(&mut self, _: &[u8]) {}

    fn write_u64(&mut self, i: u64) {
        self.0 = i;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
