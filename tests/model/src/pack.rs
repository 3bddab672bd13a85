//! A state in few bits, the same for all states that differ only in names.
//!
//! Two reductions are exact, because the protocol cannot tell such states apart:
//!
//! - **Nodes** with the same policy can be exchanged. The key is the least over all permutations.
//! - **Revisions** are compared, never calculated with, so those that are in use are numbered 1, 2, 3, …. (Where the
//!   hybrid clock is broken, they are calculated with and stay as they are.)
//!
//! [`tidy`] also forgets what can no longer matter, such as the lease of a dead node.

use crate::config::{Budget, Config, Drain, NODES, Policy};
use crate::document::{Document, Phase};
use crate::rule::Rule;
use crate::state::{Answer, Call, Life, Member, Node, Report, Shelf, State, Store};

/// The most that a key needs, in words of 64 bits.
const WORDS: usize = 12;

/// A packed state. Only the first [`Layout::words`] words count.
pub(crate) type Key = [u64; WORDS];

/// How the states of a configuration are packed.
#[derive(Debug)]
pub(crate) struct Layout<'c> {
    config: &'c Config,
    /// The orders in which the nodes may be written.
    orders: Vec<[usize; NODES]>,
    pub(crate) words: usize,
}

impl<'c> Layout<'c> {
    pub(crate) fn new(config: &'c Config) -> Self {
        let all = [[0, 1, 2], [1, 0, 2], [0, 2, 1], [1, 2, 0], [2, 0, 1], [2, 1, 0]];
        let policy = |node: usize| config.policies.get(node);
        let is_symmetry = |order: &[usize; NODES]| (0..NODES).all(|node| policy(node) == policy(order[node]));
        let mut layout = Self {
            config,
            orders: all.into_iter().filter(is_symmetry).collect(),
            words: WORDS,
        };
        let mut writer = Writer::default();
        layout.visit(&mut State::new(config), &[0, 1, 2], &mut writer);
        layout.words = writer.at.div_ceil(64);
        layout
    }

    /// The key of a state.
    pub(crate) fn key(&self, state: &State) -> Key {
        let mut state = *state;
        tidy(&mut state, self.config);
        if !self.config.breaks(Rule::HybridRevision) {
            number_revisions(&mut state);
        }
        let is_lonely = self.orders.len() == 1;
        if is_lonely {
            let mut writer = Writer::default();
            self.visit(&mut state, &[0, 1, 2], &mut writer);
            return writer.words;
        }
        let keys = self.orders.iter().map(|order| {
            let mut writer = Writer::default();
            // A copy, since a writer puts back what it has written: sets of nodes in the other order.
            self.visit(&mut state.clone(), order, &mut writer);
            writer.words
        });
        keys.min().unwrap_or_default()
    }

    /// The state with this key, up to the names.
    pub(crate) fn state(&self, words: &[u64]) -> State {
        let mut reader = Reader::default();
        for (word, read) in reader.words.iter_mut().zip(words) {
            *word = *read;
        }
        let mut state = State::new(self.config);
        self.visit(&mut state, &[0, 1, 2], &mut reader);
        state
    }

    fn visit(&self, state: &mut State, order: &[usize; NODES], codec: &mut impl Codec) {
        let config = self.config;
        let mut fields = Fields { config, order, codec };
        fields.store(&mut state.store);
        if config.copies() {
            let (mut kind, mut left) = match state.shelf {
                Shelf::Empty => (0, 0),
                Shelf::Copy => (1, 0),
                Shelf::OldMaster(left) => (2, left),
            };
            fields.number(&mut kind, 2);
            fields.number(&mut left, 3);
            state.shelf = match kind {
                0 => Shelf::Empty,
                1 => Shelf::Copy,
                _ => Shelf::OldMaster(left),
            };
            fields.store(&mut state.shelved);
        }
        for node in order.iter().take(config.nodes()) {
            fields.node(&mut state.nodes[*node], config.policy(*node));
        }
        fields.document(&mut state.memory.greatest);
        fields.flag(&mut state.memory.said_closed);
        fields.nodes(&mut state.memory.excused);
        if config.outlasts() {
            fields.flag(&mut state.memory.heard_in_grace);
        }
        if config.is_timed() {
            fields.flag(&mut state.is_due);
        }
        fields.number(&mut state.activations, 2);
        let Budget {
            activations,
            deactivations,
            edits,
            inits,
            crashes,
            goodbyes,
            jumps,
            flushes,
            evictions,
            restarts,
            failovers,
            rollbacks,
            erasures,
            mistakes,
        } = &mut state.left;
        let most = &config.budget;
        for (left, most) in [
            (activations, most.activations),
            (deactivations, most.deactivations),
            (edits, most.edits),
            (inits, most.inits),
            (crashes, most.crashes),
            (goodbyes, most.goodbyes),
            (jumps, most.jumps),
            (flushes, most.flushes),
            (evictions, most.evictions),
            (restarts, most.restarts),
            (failovers, most.failovers),
            (rollbacks, most.rollbacks),
            (erasures, most.erasures),
            (mistakes, most.mistakes),
        ] {
            if most > 0 {
                fields.number(left, 2);
            }
        }
    }
}

/// Forgets what can no longer matter.
fn tidy(state: &mut State, config: &Config) {
    let is_doubtful = may_doubt(state, config);
    for (index, node) in state.nodes.iter_mut().enumerate().take(config.nodes()) {
        if node.life != Life::Alive {
            *node = Node {
                life: node.life,
                late: node.late,
                visitor: node.visitor && node.life == Life::Left,
                ..Node::default()
            };
            state.memory.excused &= !(1 << index);
        }
        if !is_doubtful {
            forget_doubts(node, config.policy(index));
        }
        if !node.pushed.supersedes(node.view) {
            node.pushed = Document::default();
        }
    }
    let late: [bool; NODES] = std::array::from_fn(|node| state.nodes[node].late.is_some());
    for store in [&mut state.store, &mut state.shelved] {
        for (member, late) in store.members.iter_mut().zip(late) {
            tidy_member(member, late);
        }
        if store.grace == 0 {
            store.grace_age = 0;
        }
        if !config.outlasts() {
            store.grace_age = 0;
        }
        if store.document.phase != Phase::Activating || config.drain == Drain::Wait {
            store.draining_for = 0;
        }
        if state.left.deactivations == 0 {
            store.reconcile = 0;
        }
        store.quiescent &= config.visitors;
    }
    if state.shelf == Shelf::Empty {
        state.shelved = Store::default();
    }
}

/// Whether any store is, or may once be, in doubt of what it knows.
fn may_doubt(state: &State, config: &Config) -> bool {
    let left = &state.left;
    let losses = [left.flushes, left.evictions, left.restarts, left.failovers, left.rollbacks, left.erasures];
    let store = &state.store;
    let is_ahead = |view: Document| view.supersedes(store.document);
    config.loses()
        && (losses.iter().any(|left| *left > 0)
            || state.shelf != Shelf::Empty
            || store.grace > 0
            || store.newest_claimed > store.document.revision
            || state.nodes.iter().any(|node| {
                is_ahead(node.view)
                    || node.late.is_some_and(|report| is_ahead(report.view))
                    || node.stale.is_some_and(|answer| answer.in_grace)
                    || match node.call {
                        Call::Idle => false,
                        Call::Sent(report, _) => is_ahead(report.view),
                        Call::Answered(answer, _) => answer.in_grace,
                    }
            }))
}

/// Where no store is ever in doubt again, nobody looks at offers, nor at the lease of a node that does not fence itself.
fn forget_doubts(node: &mut Node, policy: Policy) {
    node.offer_next = false;
    for report in &mut node.late {
        (report.offers, report.heard_before) = (false, false);
    }
    if let Call::Sent(report, _) = &mut node.call {
        (report.offers, report.heard_before) = (false, false);
    }
    if !policy.fences() {
        node.lease = 0;
    }
}

fn tidy_member(member: &mut Member, is_late: bool) {
    if !member.known {
        *member = Member {
            departed: if is_late { member.departed } else { 0 },
            ..Member::default()
        };
    }
    member.heard_newer &= is_late;
    if member.given_up {
        member.expires = 0;
    }
}

fn number_revisions(state: &mut State) {
    let mut used = 0_u64;
    state.each_revision(|revision| used |= 1 << *revision);
    // Nought stays nought.
    used &= !1;
    state.each_revision(|revision| {
        if *revision > 0 {
            let below = used & ((1 << *revision) - 1);
            *revision = u8::try_from(below.count_ones() + 1).unwrap_or(u8::MAX);
        }
    });
}

/// Writes or reads one field after the other, so that what is written and what is read cannot differ.
trait Codec {
    /// Writes these bits, or reads as many; what they are now.
    fn bits(&mut self, bits: u16, width: usize) -> u16;
}

#[derive(Default)]
struct Writer {
    words: Key,
    at: usize,
}

impl Codec for Writer {
    #[inline]
    fn bits(&mut self, bits: u16, width: usize) -> u16 {
        debug_assert!(u32::from(bits) < 1 << width, "{bits} does not fit into {width} bits");
        let (word, shift) = (self.at / 64, self.at % 64);
        self.words[word] |= u64::from(bits) << shift;
        if shift + width > 64 {
            self.words[word + 1] |= u64::from(bits) >> (64 - shift);
        }
        self.at += width;
        bits
    }
}

#[derive(Default)]
struct Reader {
    words: Key,
    at: usize,
}

impl Codec for Reader {
    #[inline]
    fn bits(&mut self, _: u16, width: usize) -> u16 {
        let (word, shift) = (self.at / 64, self.at % 64);
        let mut read = self.words[word] >> shift;
        if shift + width > 64 {
            read |= self.words[word + 1] << (64 - shift);
        }
        self.at += width;
        u16::try_from(read & ((1 << width) - 1)).unwrap_or(u16::MAX)
    }
}

struct Fields<'a, C> {
    config: &'a Config,
    order: &'a [usize; NODES],
    codec: &'a mut C,
}

impl<C: Codec> Fields<'_, C> {
    #[inline]
    fn number(&mut self, value: &mut u8, width: usize) {
        let [low, _] = self.codec.bits(u16::from(*value), width).to_le_bytes();
        *value = low;
    }

    #[inline]
    fn flag(&mut self, flag: &mut bool) {
        *flag = self.codec.bits(u16::from(*flag), 1) > 0;
    }

    #[inline]
    fn flags<const COUNT: usize>(&mut self, flags: [&mut bool; COUNT]) {
        let written = flags.iter().rev().fold(0, |bits, flag| bits << 1 | u16::from(**flag));
        let read = self.codec.bits(written, COUNT);
        for (place, flag) in flags.into_iter().enumerate() {
            *flag = read & (1 << place) != 0;
        }
    }

    /// A set of nodes.
    #[inline]
    fn nodes(&mut self, set: &mut u8) {
        let mut permuted = self.permuted(*set);
        self.number(&mut permuted, self.config.nodes());
        *set = permuted;
    }

    #[inline]
    fn permuted(&self, set: u8) -> u8 {
        if set == 0 {
            return 0;
        }
        let places = self.order.iter().enumerate();
        places.fold(0, |permuted, (place, node)| permuted | ((set >> node) & 1) << place)
    }

    #[inline]
    fn document(&mut self, document: &mut Document) {
        let Document {
            revision,
            phase,
            activation,
            unconfirmed,
            says_lost,
            forced,
            read_only,
            by_itself,
        } = *document;
        debug_assert!(revision < 16 && activation < 4, "{document} does not fit");
        let numbers = [
            (revision, 0),
            (phase as u8, 4),
            (activation, 6),
            (self.permuted(unconfirmed), 8),
            (u8::from(says_lost), 11),
            (u8::from(forced), 12),
            (u8::from(read_only), 13),
            (u8::from(by_itself), 14),
        ];
        let written = numbers.iter().fold(0, |bits, (number, shift)| bits | u16::from(*number) << shift);
        let read = self.codec.bits(written, 15);
        let [low, high] = read.to_le_bytes();
        *document = Document {
            revision: low & 15,
            phase: match (low >> 4) & 3 {
                0 => Phase::Deactivated,
                1 => Phase::Activating,
                _ => Phase::Activated,
            },
            activation: low >> 6,
            unconfirmed: high & 7,
            says_lost: high & 8 != 0,
            forced: high & 16 != 0,
            read_only: high & 32 != 0,
            by_itself: high & 64 != 0,
        };
    }

    fn store(&mut self, store: &mut Store) {
        let Store {
            document,
            newest_claimed,
            unseen_time,
            grace,
            grace_age,
            reconcile,
            draining_for,
            is_lost,
            known_before,
            quiescent,
            members,
        } = store;
        self.document(document);
        self.number(newest_claimed, 4);
        self.number(unseen_time, 3);
        if self.config.loses() {
            self.number(grace, 4);
            self.number(reconcile, 3);
        }
        if self.config.loses() || self.config.given_up_kept == 0 {
            self.flag(is_lost);
            self.flag(known_before);
        }
        if self.config.outlasts() {
            self.number(grace_age, 4);
        }
        if self.config.drain != Drain::Wait {
            self.number(draining_for, 3);
        }
        if self.config.visitors {
            self.flag(quiescent);
        }
        for node in self.order.iter().take(self.config.nodes()) {
            self.member(&mut members[*node], self.config.policy(*node));
        }
    }

    fn member(&mut self, member: &mut Member, policy: Policy) {
        let Member {
            known,
            given_up,
            closed,
            drained,
            quiet,
            heard_newer,
            expires,
            departed,
        } = member;
        self.flags([known, given_up, closed, drained, quiet]);
        if policy != Policy::Hold {
            self.number(expires, 3);
        }
        if self.config.network.late_reports {
            self.flag(heard_newer);
            if self.config.budget.goodbyes > 0 {
                self.number(departed, 3);
            }
        }
    }

    fn node(&mut self, node: &mut Node, policy: Policy) {
        let Node {
            life,
            view,
            joined,
            probation,
            offer_next,
            cut_off,
            lease,
            running,
            visitor,
            call,
            late,
            stale,
            pushed,
        } = node;
        let mut number = *life as u8;
        self.number(&mut number, 2);
        *life = match number {
            0 => Life::Alive,
            1 => Life::Left,
            _ => Life::Dead,
        };
        self.document(view);
        self.flags([joined, probation, offer_next, running]);
        if self.config.is_timed() {
            self.flag(cut_off);
        }
        if self.config.visitors {
            self.flag(visitor);
        }
        if self.config.loses() || policy.fences() {
            self.number(lease, 3);
        }
        self.call(call);
        if self.config.network.late_reports {
            let mut some = late.is_some();
            self.flag(&mut some);
            let mut report = late.unwrap_or_default();
            self.report(&mut report);
            *late = some.then_some(report);
        }
        if self.config.breaks(Rule::ReplyMatches) {
            let mut some = stale.is_some();
            self.flag(&mut some);
            let mut answer = stale.unwrap_or_default();
            self.answer(&mut answer);
            *stale = some.then_some(answer);
        }
        if self.config.network.late_pushes {
            self.document(pushed);
        }
    }

    /// A report and an answer share their bits.
    fn call(&mut self, call: &mut Call) {
        let (mut kind, mut report, mut age) = match *call {
            Call::Idle => (0, Report::default(), 0),
            Call::Sent(report, age) => (1, report, age),
            Call::Answered(answer, age) => {
                let report = Report {
                    view: answer.document,
                    offers: answer.in_grace,
                    ..Report::default()
                };
                (2, report, age)
            }
        };
        self.number(&mut kind, 2);
        self.report(&mut report);
        self.number(&mut age, 3);
        *call = match kind {
            0 => Call::Idle,
            1 => Call::Sent(report, age),
            _ => {
                let answer = Answer {
                    document: report.view,
                    in_grace: report.offers,
                };
                Call::Answered(answer, age)
            }
        };
    }

    fn report(&mut self, report: &mut Report) {
        let Report {
            view,
            offers,
            drained,
            quiet,
            heard_before,
        } = report;
        self.document(view);
        self.flags([offers, drained, quiet, heard_before]);
    }

    fn answer(&mut self, answer: &mut Answer) {
        self.document(&mut answer.document);
        self.flag(&mut answer.in_grace);
    }
}
