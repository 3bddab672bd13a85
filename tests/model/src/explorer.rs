//! Breadth first through every history, so that the first violation found is one of the shortest.

use crate::config::Config;
use crate::event::Event;
use crate::pack::{Key, Layout};
use crate::state::State;
use crate::world::{Invariant, Violation, World};

/// What an exploration came to.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a result")]
pub struct Exploration {
    /// How many different states were seen.
    pub states: usize,
    /// How many events the longest history has that was looked at.
    pub depth: usize,
    /// Whether nothing was left out.
    pub is_exhaustive: bool,
    /// The shortest history that breaks a promise.
    pub found: Option<Counterexample>,
}

/// A history that breaks a promise.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a result")]
pub struct Counterexample {
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What is wrong in the end.
    pub violation: Violation,
}

/// Explores until nothing is left, a promise is broken, or `bound` states were seen.
#[must_use]
pub fn explore(config: &Config, bound: usize) -> Exploration {
    let layout = Layout::new(config);
    let mut seen = Seen::new(layout.words);
    let mut start = World::new(config, State::new(config));
    start.hurry();
    seen.insert(&layout.key(&start.state), NOBODY);
    let mut events = Vec::new();
    let (mut depth, mut level_ends, mut next) = (0, 1, 0);
    let mut is_exhaustive = true;
    while next < seen.len() {
        if next == level_ends {
            depth += 1;
            level_ends = seen.len();
        }
        if seen.len() >= bound {
            is_exhaustive = false;
            break;
        }
        let world = World::new(config, layout.state(seen.key(next)));
        events.clear();
        if !world.is_over() {
            world.events(&mut events);
        }
        for event in &events {
            let mut after = world.clone();
            after.happen(*event);
            after.hurry();
            if after.violation.is_none() && after.is_cut {
                continue;
            }
            let key = layout.key(&after.state);
            let is_new = seen.insert(&key, next);
            if after.violation.is_none() && is_new {
                after.violation = after.recovers().map(|story| Violation {
                    invariant: Invariant::I4,
                    story,
                });
            }
            if after.violation.is_some() {
                let mut path = seen.path(next);
                path.push(key);
                let found = retrace(config, &layout, &path);
                return Exploration {
                    states: seen.len(),
                    depth: depth + 1,
                    is_exhaustive: false,
                    found: Some(found),
                };
            }
        }
        next += 1;
    }
    Exploration {
        states: seen.len(),
        depth,
        is_exhaustive,
        found: None,
    }
}

/// Finds the events that lead from key to key, this time without exchanging nodes, so that the history can be read.
fn retrace(config: &Config, layout: &Layout<'_>, path: &[Key]) -> Counterexample {
    let mut world = World::new(config, State::new(config));
    let mut events = Vec::new();
    let mut history = world.hurry();
    for (place, key) in path.iter().enumerate().skip(1) {
        world.events(&mut events);
        let is_last = place + 1 == path.len();
        let taken = events.iter().find_map(|event| {
            let mut after = world.clone();
            after.happen(*event);
            let at_once = after.hurry();
            if is_last && after.violation.is_none() {
                after.violation = after.recovers().map(|story| Violation {
                    invariant: Invariant::I4,
                    story,
                });
            }
            let leads_there = layout.key(&after.state) == *key;
            (leads_there && after.violation.is_some() == is_last).then_some((*event, at_once, after))
        });
        // INVARIANT: states with the same key can do the same.
        let Some((event, at_once, after)) = taken else {
            unreachable!("a history that cannot be told: {history:?}");
        };
        history.extend(event.parts());
        history.extend(at_once);
        world = after;
    }
    Counterexample {
        events: without_vain_sends(config, &history),
        violation: world.violation.unwrap_or(Violation {
            invariant: Invariant::I4,
            story: String::new(),
        }),
    }
}

/// A report that never arrives and of which nothing is learned need not have been sent.
fn without_vain_sends(config: &Config, history: &[Event]) -> Vec<Event> {
    let may_be_late = config.network.late_reports;
    let is_vain = |place: usize, node: usize| {
        let after = history[place + 1..].iter();
        let mut fates = after.filter_map(|event| match event {
            Event::Send(other) if *other == node => Some(true),
            Event::Crash(other) | Event::Goodbye(other) if *other == node => Some(!may_be_late),
            Event::Execute(other, _) | Event::GiveUp(other, _) | Event::StaleAnswer(other) if *other == node => {
                Some(false)
            }
            _ => None,
        });
        fates.next().unwrap_or(true)
    };
    let places = history.iter().enumerate();
    let kept = places.filter(|(place, event)| !matches!(event, Event::Send(node) if is_vain(*place, *node)));
    kept.map(|(_, event)| *event).collect()
}

const NOBODY: usize = u32::MAX as usize;

/// All states that were seen, in the order in which they were, each with where it came from.
struct Seen {
    words: usize,
    keys: Vec<u64>,
    parents: Vec<u32>,
    /// Open addressing: numbers of states, plus one.
    table: Vec<u32>,
}

impl Seen {
    fn new(words: usize) -> Self {
        Self {
            words,
            keys: Vec::new(),
            parents: Vec::new(),
            table: vec![0; 1 << 12],
        }
    }

    fn len(&self) -> usize {
        self.parents.len()
    }

    fn key(&self, state: usize) -> &[u64] {
        &self.keys[state * self.words..(state + 1) * self.words]
    }

    /// Whether the state is new.
    fn insert(&mut self, key: &Key, parent: usize) -> bool {
        let key = &key[..self.words];
        let place = self.place(key);
        if self.table[place] != 0 {
            return false;
        }
        self.keys.extend_from_slice(key);
        self.parents.push(u32::try_from(parent).unwrap_or(u32::MAX));
        let number = u32::try_from(self.len()).unwrap_or(u32::MAX);
        assert!(number < u32::MAX, "more states than can be numbered");
        self.table[place] = number;
        if self.len() * 2 > self.table.len() {
            self.grow();
        }
        true
    }

    fn grow(&mut self) {
        self.table = vec![0; self.table.len() * 2];
        for state in 0..self.len() {
            let place = self.place(self.key(state));
            self.table[place] = u32::try_from(state + 1).unwrap_or(u32::MAX);
        }
    }

    /// Where the key is, or would be.
    fn place(&self, key: &[u64]) -> usize {
        let mask = self.table.len() - 1;
        let mut place = hash(key) & mask;
        loop {
            match self.table[place] {
                0 => return place,
                number if self.key(number as usize - 1) == key => return place,
                _ => place = (place + 1) & mask,
            }
        }
    }

    /// The keys from the beginning to this state.
    fn path(&self, state: usize) -> Vec<Key> {
        let mut path = Vec::new();
        let mut next = state;
        while next != NOBODY {
            let mut key = Key::default();
            key[..self.words].copy_from_slice(self.key(next));
            path.push(key);
            next = self.parents[next] as usize;
        }
        path.reverse();
        path
    }
}

fn hash(key: &[u64]) -> usize {
    let mut hash = 0x9E37_79B9_7F4A_7C15_u64;
    for word in key {
        hash = (hash ^ word).wrapping_mul(0xD6E8_FEB8_6659_FD93);
        hash ^= hash >> 32;
    }
    usize::try_from(hash >> 8).unwrap_or(0)
}
