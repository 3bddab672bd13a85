//! The executions of some threads: counted, listed and closed under one lock.
//!
//! An execution has to be listed, and so a lock is taken in any case; then the door may as well be behind it. Whoever
//! closes it holds the lock, so no execution begins between "stop" and the count of what runs. The lock is held for a
//! few instructions and nearly always by the same thread. The model in `tests/loom` goes through every interleaving
//! of this file.

use std::sync::Arc;

use super::sync::Mutex;

/// Executions, each with what `T` says of it. See the [module's documentation](self).
///
/// A part of them may be closed by itself. `P` says which part: it is behind the lock as well, so that no execution of a
/// part begins between its closing and the count of what runs in it.
#[derive(Debug)]
pub(crate) struct Table<T, P = ()>(Mutex<Inner<T, P>>);

#[derive(Debug)]
struct Inner<T, P> {
    closed: bool,
    watched: bool,
    /// Whether somebody waits for anything of this: what the end of an execution looks at.
    is_watched: bool,
    /// Which parts are closed; `None` if none is.
    parts: Option<Arc<P>>,
    /// Whether somebody waits for executions of a part to end.
    parts_watched: bool,
    /// How many of the listed ones a drain waits for.
    awaited: u64,
    begun: u64,
    /// Executions with a number up to this are to end.
    cancelled: u64,
    /// Executions with a number up to this are dropped, if they may be.
    dropped: u64,
    /// A slab of our own instead of the `slab` crate's: built in place, it halves what an execution costs.
    slots: Vec<Slot<T>>,
    first_free: usize,
}

#[derive(Debug)]
enum Slot<T> {
    Free {
        next: usize,
    },
    Taken {
        number: u64,
        awaited: bool,
        /// Whether it belongs to a part.
        in_part: bool,
        /// Whether its part was ended: then it has both orders, whatever all were given.
        part_ended: bool,
        entry: T,
    },
}

/// Where an execution is listed. Given back once, at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(usize);

/// What an execution is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// To end.
    Cancel,
    /// That it is dropped, if it may be.
    Drop,
}

impl<T, P> Table<T, P> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Inner {
            closed: false,
            watched: false,
            is_watched: false,
            parts: None,
            parts_watched: false,
            awaited: 0,
            begun: 0,
            cancelled: 0,
            dropped: 0,
            slots: Vec::new(),
            first_free: 0,
        }))
    }

    /// Lists an execution; `None` if the door is closed. Those that are not to be `awaited` find no door closed, and
    /// nobody waits for them until the door has been open again.
    #[inline(always)]
    pub(crate) fn begin(&self, entry: T, awaited: bool) -> Option<Place> {
        let mut inner = self.0.lock();
        if inner.closed && awaited {
            return None;
        }
        Some(inner.list(entry, false))
    }

    /// Lists an execution that belongs to parts. What `entry` makes of the closed ones decides: `None` if one is closed to
    /// it.
    pub(crate) fn begin_in_part(
        &self,
        entry: impl FnOnce(Option<&P>) -> Option<T>,
        awaited: bool,
    ) -> Option<Place> {
        let mut inner = self.0.lock();
        if inner.closed && awaited {
            return None;
        }
        let entry = entry(inner.parts.as_deref())?;
        Some(inner.list(entry, true))
    }

    /// From now on, these parts are closed.
    pub(crate) fn close_parts(&self, parts: Option<Arc<P>>) {
        let mut inner = self.0.lock();
        inner.watch_parts(false);
        let before = std::mem::replace(&mut inner.parts, parts);
        // What may be large is not given back behind the lock.
        drop(inner);
        drop(before);
    }

    /// Shows what belongs to parts; from now on, each of them that ends says so.
    pub(crate) fn watch_parts(&self, mut show: impl FnMut(&T)) {
        let mut inner = self.0.lock();
        inner.watch_parts(true);
        for slot in &inner.slots {
            if let Slot::Taken {
                in_part: true,
                entry,
                ..
            } = slot
            {
                show(entry);
            }
        }
    }

    /// Nobody waits for the end of what belongs to parts any more.
    pub(crate) fn unwatch_parts(&self) {
        self.0.lock().watch_parts(false);
    }

    /// Gives both orders to those that run now and belong to these parts.
    pub(crate) fn end_parts(&self, is_in: impl Fn(&T) -> bool) {
        for slot in &mut self.0.lock().slots {
            if let Slot::Taken {
                in_part: true,
                part_ended,
                entry,
                ..
            } = slot
                && is_in(entry)
            {
                *part_ended = true;
            }
        }
    }

    /// Takes an execution off the list. Says whether somebody waits and no awaited one is left, or waits for a part and it
    /// belonged to one.
    #[inline]
    pub(crate) fn end(&self, place: Place) -> bool {
        let mut guard = self.0.lock();
        let inner = &mut *guard;
        let Some(slot) = inner.slots.get_mut(place.0) else {
            return false;
        };
        let Slot::Taken {
            awaited, in_part, ..
        } = slot
        else {
            return false;
        };
        inner.awaited -= u64::from(*awaited);
        let was_in_part = *in_part;
        let next = inner.first_free;
        *slot = Slot::Free { next };
        inner.first_free = place.0;
        // Nearly always nobody waits, which one look tells.
        if !inner.is_watched {
            return false;
        }
        (inner.watched && inner.awaited == 0) || (inner.parts_watched && was_in_part)
    }

    /// From now on, no execution that a drain waits for begins.
    pub(crate) fn close(&self) {
        self.0.lock().closed = true;
    }

    /// From now on, executions may begin, and nobody waits for their end. Those that were let in past the closed door
    /// are now like all others: the next drain waits for them.
    pub(crate) fn open(&self) {
        let mut inner = self.0.lock();
        inner.closed = false;
        inner.watch(false);
        let mut listed = 0;
        for slot in &mut inner.slots {
            if let Slot::Taken { awaited, .. } = slot {
                *awaited = true;
                listed += 1;
            }
        }
        inner.awaited = listed;
    }

    /// How many a drain waits for; from now on, the last to end says so.
    pub(crate) fn watch(&self) -> u64 {
        let mut inner = self.0.lock();
        inner.watch(true);
        inner.awaited
    }

    /// How many a drain waits for, and how many others there are.
    pub(crate) fn count(&self) -> (u64, u64) {
        let inner = self.0.lock();
        let listed = inner
            .slots
            .iter()
            .filter(|slot| matches!(slot, Slot::Taken { .. }))
            .count();
        (
            inner.awaited,
            u64::try_from(listed)
                .unwrap_or(u64::MAX)
                .saturating_sub(inner.awaited),
        )
    }

    /// Gives an order to all that run now.
    pub(crate) fn order(&self, order: Order) {
        let mut inner = self.0.lock();
        match order {
            Order::Cancel => inner.cancelled = inner.begun,
            Order::Drop => inner.dropped = inner.begun,
        }
    }

    /// Whether the execution with that number, which is listed there unless it has ended, was given the order.
    pub(crate) fn is_ordered(&self, order: Order, place: Place, number: u64) -> bool {
        let inner = self.0.lock();
        let is_ended = matches!(
            inner.slots.get(place.0),
            Some(Slot::Taken { number: listed, part_ended: true, .. }) if *listed == number
        );
        is_ended
            || match order {
                Order::Cancel => number <= inner.cancelled,
                Order::Drop => number <= inner.dropped,
            }
    }

    /// The how-manieth execution of this table is listed there.
    pub(crate) fn number(&self, place: Place) -> u64 {
        match self.0.lock().slots.get(place.0) {
            Some(Slot::Taken { number, .. }) => *number,
            Some(Slot::Free { .. }) | None => 0,
        }
    }

    /// Whether a drain waits for the execution that is listed there.
    pub(crate) fn is_awaited(&self, place: Place) -> bool {
        let inner = self.0.lock();
        matches!(
            inner.slots.get(place.0),
            Some(Slot::Taken { awaited: true, .. })
        )
    }

    /// Shows all, each with its number, and whether a drain waits for it.
    pub(crate) fn for_each(&self, mut show: impl FnMut(u64, bool, &T)) {
        for slot in &self.0.lock().slots {
            if let Slot::Taken {
                number,
                awaited,
                entry,
                ..
            } = slot
            {
                show(*number, *awaited, entry);
            }
        }
    }
}

impl<T, P> Inner<T, P> {
    fn watch(&mut self, watched: bool) {
        self.watched = watched;
        self.is_watched = watched || self.parts_watched;
    }

    fn watch_parts(&mut self, watched: bool) {
        self.parts_watched = watched;
        self.is_watched = watched || self.watched;
    }

    #[inline(always)]
    fn list(&mut self, entry: T, in_part: bool) -> Place {
        // Only past a closed door is anybody let in for whom nobody waits.
        let awaited = !self.closed;
        self.awaited += u64::from(awaited);
        self.begun += 1;
        let place = self.first_free;
        match self.slots.get_mut(place) {
            Some(slot @ Slot::Free { .. }) => {
                if let Slot::Free { next } = *slot {
                    self.first_free = next;
                }
                *slot = Slot::taken(self.begun, awaited, in_part, entry);
                Place(place)
            }
            _ => self.append(Slot::taken(self.begun, awaited, in_part, entry)),
        }
    }

    /// Lists it where nothing was listed before.
    #[cold]
    fn append(&mut self, taken: Slot<T>) -> Place {
        let place = self.slots.len();
        self.slots.push(taken);
        // INVARIANT: the list of free places holds free places only. If it does not, a new place is right, and the list stays.
        if self.first_free == place {
            self.first_free = self.slots.len();
        }
        Place(place)
    }
}

impl<T> Slot<T> {
    #[inline(always)]
    const fn taken(number: u64, awaited: bool, in_part: bool, entry: T) -> Self {
        Self::Taken {
            number,
            awaited,
            in_part,
            part_ended: false,
            entry,
        }
    }
}
