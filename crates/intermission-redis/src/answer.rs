//! What the scripts answer.

use std::time::Duration;

use intermission_core::{
    ActivationId, FleetCount, LostContact, NodeFacts, NodeId, NodeView, Record, Revision,
    StateError, StateErrorKind, Timestamp,
};
use redis::Value;

/// The values of one answer, taken from the front.
pub(crate) struct Answer {
    operation: &'static str,
    values: std::vec::IntoIter<Value>,
}

/// What a script says of the record.
pub(crate) enum Newest {
    /// There is none.
    None,
    /// It is the one that the caller said it has.
    Same,
    /// This one.
    Record(Box<Record>),
}

impl Answer {
    pub(crate) fn new(operation: &'static str, values: Vec<Value>) -> Self {
        Self {
            operation,
            values: values.into_iter(),
        }
    }

    fn next(&mut self) -> Value {
        self.values.next().unwrap_or(Value::Nil)
    }

    pub(crate) fn malformed(&self) -> StateError {
        StateError::new(
            StateErrorKind::Corrupt,
            format!(
                "the script `{}` gave an answer of another form than its own: do two versions of Intermission share \
                 this site?",
                self.operation
            ),
        )
    }

    pub(crate) fn text(&mut self) -> Result<String, StateError> {
        match self.next() {
            Value::BulkString(bytes) => String::from_utf8(bytes).map_err(|_| self.malformed()),
            Value::SimpleString(text) => Ok(text),
            _ => Err(self.malformed()),
        }
    }

    pub(crate) fn number(&mut self) -> Result<u64, StateError> {
        let text = self.text()?;
        text.parse().map_err(|_| self.malformed())
    }

    pub(crate) fn optional_number(&mut self) -> Result<Option<u64>, StateError> {
        match self.values.as_slice().first() {
            Some(Value::Nil) => {
                self.next();
                Ok(None)
            }
            _ => self.number().map(Some),
        }
    }

    pub(crate) fn millis(&mut self) -> Result<Duration, StateError> {
        self.number().map(Duration::from_millis)
    }

    pub(crate) fn list(&mut self) -> Result<Vec<Value>, StateError> {
        match self.next() {
            Value::Array(values) => Ok(values),
            _ => Err(self.malformed()),
        }
    }

    fn nested(&mut self) -> Result<Self, StateError> {
        let values = self.list()?;
        Ok(Self::new(self.operation, values))
    }

    /// What has not changed since `known` is shared with it.
    pub(crate) fn newest(&mut self, known: Option<&Record>) -> Result<Newest, StateError> {
        match self.next() {
            Value::Nil => Ok(Newest::None),
            Value::BulkString(bytes) if bytes.is_empty() => Ok(Newest::Same),
            Value::BulkString(bytes) => {
                let read = known.map_or_else(
                    || Record::from_json(&bytes),
                    |known| Record::from_json_after(&bytes, known),
                );
                let record = read.map_err(|error| {
                    StateError::new(
                        StateErrorKind::Corrupt,
                        "what is kept of the record cannot be read: restore it, or delete its key so that the nodes \
                         bring it back",
                    )
                    .with_source(error)
                })?;
                Ok(Newest::Record(Box::new(record)))
            }
            _ => Err(self.malformed()),
        }
    }

    pub(crate) fn count(&mut self) -> Result<FleetCount, StateError> {
        let mut counts = self.nested()?;
        let mut count = FleetCount::default();
        count.nodes = counts.number()?;
        count.closed = counts.number()?;
        count.drained = counts.number()?;
        count.running = counts.number()?;
        Ok(count)
    }

    /// The nodes as the ledger lists them: those that hold up a drain first.
    pub(crate) fn nodes(
        &mut self,
        limit: usize,
        now: Timestamp,
        lease: Duration,
    ) -> Result<Vec<NodeView>, StateError> {
        let listed = self.list()?;
        let mut nodes = Vec::with_capacity(listed.len());
        for value in listed {
            let Value::Array(values) = value else {
                return Err(self.malformed());
            };
            let mut one = Self::new(self.operation, values);
            let node: NodeId = one.text()?.parse().map_err(|_| self.malformed())?;
            let report = one.text()?;
            let flags = one.text()?;
            let view = node_view(node, &report, &flags, now, lease);
            nodes.push(view.ok_or_else(|| self.malformed())?);
        }
        // The order of the ledger. A script with many nodes has chosen those that hold up the drain already.
        nodes.sort_by(|(one, a), (other, b)| {
            (!one, &a.facts.label, a.node).cmp(&(!other, &b.facts.label, b.node))
        });
        Ok(nodes
            .into_iter()
            .map(|(_, node)| node)
            .take(limit)
            .collect())
    }
}

/// A node, and whether it holds up a drain. A report is kept as: sequence, seen, heard (fleet clock), heard (calendar),
/// policy, running, for which epochs it said closed, drained and quiet (the flags say whether these are the present ones),
/// what it says of scopes, facts as JSON.
fn node_view(
    node: NodeId,
    report: &str,
    flags: &str,
    now: Timestamp,
    lease: Duration,
) -> Option<(bool, NodeView)> {
    let mut parts = report.splitn(11, ' ');
    let mut number = || parts.next().and_then(|part| part.parse::<u64>().ok());
    let (_sequence, seen, _heard, heard_at) = (number()?, number()?, number()?, number()?);
    let lost_contact = policy(parts.next()?)?;
    let [_running, _closed, _drained, _quiet] = [(); 4].map(|()| parts.next());
    let (_, undrained) = parts.next()?.rsplit_once(':')?;
    let facts: NodeFacts = serde_json::from_str(parts.next()?).ok()?;
    let heard_at = Timestamp::from_millis(heard_at);
    let has = |flag: char| flags.contains(flag);
    let is_given_up = has('g');
    let mut view = NodeView::new(node, facts);
    view.seen = Revision::new(seen);
    view.heard_at = heard_at;
    view.out_of_contact = is_given_up || now.saturating_since(heard_at) > lease;
    (view.closed, view.drained) = (has('c'), has('d'));
    view.lost_contact = lost_contact;
    let undrained = undrained.split_terminator(',');
    let id = |id: &str| Some(ActivationId::new(Revision::new(id.parse().ok()?)));
    view.undrained = undrained.map(id).collect::<Option<_>>()?;
    Some((!has('d') && !is_given_up, view))
}

fn policy(text: &str) -> Option<LostContact> {
    let (kind, more) = text.split_at_checked(1)?;
    let more = || more.parse().ok().map(Duration::from_millis);
    match kind {
        "w" => more().map(LostContact::Wait),
        "h" => Some(LostContact::Hold),
        "f" => more().map(LostContact::Fence),
        "l" => Some(LostContact::Leave),
        _ => None,
    }
}

/// The same in the other direction.
pub(crate) fn policy_text(policy: LostContact) -> String {
    let millis = |more: Duration| countable(u64::try_from(more.as_millis()).unwrap_or(u64::MAX));
    match policy {
        LostContact::Wait(more) => format!("w{}", millis(more)),
        LostContact::Hold => "h".to_owned(),
        LostContact::Fence(more) => format!("f{}", millis(more)),
        LostContact::Leave => "l".to_owned(),
    }
}

/// Lua counts exactly up to 2^53.
pub(crate) fn countable(number: u64) -> u64 {
    number.min(Revision::MAX.number())
}
