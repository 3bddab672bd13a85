//! The cases. Those of a framework are in a file of its own; a new one gets a file, and a line in `FRAMEWORKS` and
//! in [`prepare`].

mod actix;
mod axum;
mod hyper;
mod tower;
mod warp;

use std::future::Future;
use std::hint::black_box;
use std::net::IpAddr;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Result, bail, ensure};
use http::StatusCode;
use intermission::{
    Activate, Actor, Admission, AllowChange, AllowList, Change, ClientAddress, Clock,
    ExecutionInfo, Gate, MaintenanceState, MemoryState, Network, Operation, OperationId, Operator,
    Outcome, Phase, Record, RouteAccess, ScopeName, SystemClock, Visitor,
};
use tokio::runtime::{Builder, Runtime};

/// Does one thing that many times. What it needs is there already.
pub type Case = Box<dyn FnMut(u64) -> Result<()>>;

/// A case that has been set up.
#[expect(missing_debug_implementations, reason = "a case is a closure")]
pub struct Prepared {
    /// The case.
    pub case: Case,
    /// What keeps it alive. It has one thread, on which the keeper runs only while somebody waits: what is counted is
    /// the caller's work alone.
    _runtime: Runtime,
}

impl Prepared {
    /// Sets the case of this name up.
    ///
    /// # Errors
    /// If there is no such case, or what it needs cannot be set up.
    pub fn new(name: &str) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        Ok(Self {
            case: runtime.block_on(prepare(name))?,
            _runtime: runtime,
        })
    }
}

const GATE: &[&str] = &[
    "nothing",
    "decide-off",
    "decide-refused",
    "decide-address-1",
    "decide-address-100",
    "decide-address-10000",
    "decide-address-1000000",
    "decide-scope-none-of-10000",
    "decide-scope-open-of-10000",
    "decide-scope-refused-of-10000",
    "admit-off",
    "admit-refused",
    "admit-execution",
    "execution",
    "execution-refused",
];

/// The frameworks, each with its cases.
const FRAMEWORKS: &[(&str, &[&str])] = &[
    ("actix", actix::NAMES),
    ("axum", axum::NAMES),
    ("hyper", hyper::NAMES),
    ("tower", tower::NAMES),
    ("warp", warp::NAMES),
];

/// The names of all cases.
#[must_use]
pub fn names() -> Vec<String> {
    let frameworks = FRAMEWORKS
        .iter()
        .flat_map(|(framework, names)| names.iter().map(move |name| format!("{framework}-{name}")));
    let gate = GATE.iter().map(|name| (*name).to_owned());
    gate.chain(frameworks).collect()
}

/// Sets a case up.
///
/// # Errors
/// If there is no case of this name, or what it needs cannot be set up.
pub async fn prepare(name: &str) -> Result<Case> {
    let page = Visitor::new("GET", "/hello");
    Ok(match name {
        "nothing" => Box::new(|times| {
            (0..times).for_each(|time| {
                black_box(time);
            });
            Ok(())
        }),
        "decide-off" => decide(off().await?, page, true)?,
        "decide-refused" => decide(on().await?, page, false)?,
        "decide-address-1" => decide(closed(networks(1)).await?, listed(page), true)?,
        "decide-address-100" => decide(closed(networks(100)).await?, listed(page), true)?,
        "decide-address-10000" => decide(closed(networks(10_000)).await?, listed(page), true)?,
        "decide-address-1000000" => decide(closed(networks(1_000_000)).await?, listed(page), true)?,
        // All of them are closed but `open`.
        "decide-scope-none-of-10000" => decide(with_scopes(10_000).await?, page, true)?,
        "decide-scope-open-of-10000" => {
            decide(with_scopes(10_000).await?, of("open", page)?, true)?
        }
        "decide-scope-refused-of-10000" => {
            decide(with_scopes(10_000).await?, of("tenant-5000", page)?, false)?
        }
        "admit-off" => {
            let gate = off().await?;
            let admitted = gate.admit_open("GET", RouteAccess::Ordinary);
            ensure!(admitted.is_some(), "an open gate does not let in");
            Box::new(move |times| {
                for _ in 0..times {
                    drop(black_box(
                        black_box(&gate).admit_open(black_box("GET"), RouteAccess::Ordinary),
                    ));
                }
                Ok(())
            })
        }
        "admit-refused" => {
            let gate = on().await?;
            let admission = gate.admit(&page);
            ensure!(
                matches!(admission, Admission::Refused(_)),
                "a closed gate lets in"
            );
            Box::new(move |times| {
                for _ in 0..times {
                    drop(black_box(black_box(&gate).admit(black_box(&page))));
                }
                Ok(())
            })
        }
        "admit-execution" => {
            let gate = off().await?;
            let job = page.with_access(RouteAccess::StartsExecution);
            let admission = gate.admit(&job);
            let begins = matches!(&admission, Admission::Admitted(job) if job.execution.is_some());
            ensure!(begins, "an open gate begins no execution");
            Box::new(move |times| {
                for _ in 0..times {
                    drop(black_box(black_box(&gate).admit(black_box(&job))));
                }
                Ok(())
            })
        }
        "execution" => execution(off().await?, true)?,
        "execution-refused" => execution(on().await?, false)?,
        _ => match name.split_once('-') {
            Some(("actix", case)) => actix::prepare(case).await?,
            Some(("axum", case)) => axum::prepare(case).await?,
            Some(("hyper", case)) => hyper::prepare(case).await?,
            Some(("tower", case)) => tower::prepare(case).await?,
            Some(("warp", case)) => warp::prepare(case).await?,
            _ => return unknown(name),
        },
    })
}

fn unknown(name: &str) -> Result<Case> {
    bail!(
        "there is no case `{name}`; there are: {}",
        names().join(", ")
    )
}

/// What is decided is seen to before it is counted: a refusal costs something else.
fn decide(gate: Gate, visitor: Visitor<'static>, admits: bool) -> Result<Case> {
    let decision = gate.decide(&visitor);
    ensure!(
        decision.is_admit() == admits,
        "it is decided otherwise: {decision:?}"
    );
    Ok(Box::new(move |times| {
        for _ in 0..times {
            black_box(black_box(&gate).decide(black_box(&visitor)));
        }
        Ok(())
    }))
}

/// The same of an execution.
fn execution(gate: Gate, begins: bool) -> Result<Case> {
    let begun = gate.execution(ExecutionInfo::new("job"));
    ensure!(
        begun.is_ok() == begins,
        "an execution does otherwise: {begun:?}"
    );
    drop(begun);
    Ok(Box::new(move |times| {
        for _ in 0..times {
            drop(gate.execution(ExecutionInfo::new("job")));
        }
        Ok(())
    }))
}

/// How the case of this name is answered. It is the counted requests that are looked at: asked elsewhere as well, the same
/// code would be put inline otherwise, and cost something else.
fn status_of(case: &str) -> StatusCode {
    if case.starts_with("refused") {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    }
}

#[cold]
fn otherwise<T>() -> Result<T> {
    bail!("it is answered otherwise than its name says")
}

/// What a future gives that has to wait for nothing, so that nothing but the application is counted.
fn ready<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => bail!("hello is not ready at once"),
    }
}

/// An address in the middle of the list.
fn listed(visitor: Visitor<'static>) -> Visitor<'static> {
    visitor.with_address(ClientAddress::from(Some(IpAddr::from([10, 0, 0, 1]))))
}

/// That many networks, of which the middle one holds the [`listed`] address.
pub(crate) fn networks(count: u32) -> AllowList {
    let middle = u32::from_be_bytes([10, 0, 0, 0]);
    let first = middle - (count / 2) * 16;
    (0..count)
        .filter_map(|at| Network::new(IpAddr::from((first + at * 16).to_be_bytes()), 28).ok())
        .collect()
}

/// The same, of this scope.
fn of(scope: &str, visitor: Visitor<'static>) -> Result<Visitor<'static>> {
    let scopes = Box::leak(Box::new([ScopeName::new(scope)?]));
    Ok(visitor.with_scopes(scopes))
}

/// A gate with the mode off, and that many scopes with the mode on.
async fn with_scopes(count: usize) -> Result<Gate> {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await?;
    let now = SystemClock.now();
    let mut record = Record::default();
    // Written down, since each change on its own would copy those before it.
    let close = Change::Activate(Activate::by("bench"));
    if let Outcome::Changed(one) = record.apply(&close.in_scope(ScopeName::new("one")?), now)? {
        let one = serde_json::to_value(one.scopes().get("one"))?;
        let scopes: serde_json::Map<_, _> = (0..count)
            .map(|tenant| (format!("tenant-{tenant}"), one.clone()))
            .collect();
        let all = serde_json::json!({
            "v": Record::VERSION,
            "revision": 0,
            "phase": record.phase().as_str(),
            "scopes": scopes,
        });
        record = Record::from_json(all.to_string().as_bytes())?;
    }
    let actor = Actor::new("bench", "bench");
    let operation = Operation::replace(OperationId::random()?, &Record::default(), record, actor);
    state.operate(operation).await?;
    gate.reached(|record| record.scopes().len() == count && record.scopes().draining() == 0)
        .await;
    Ok(gate)
}

/// A gate with the mode off.
pub(crate) async fn off() -> Result<Gate> {
    Ok(Gate::builder(MemoryState::new()).start().await?)
}

/// A gate with the mode on, for everybody.
pub(crate) async fn on() -> Result<Gate> {
    closed(AllowList::default()).await
}

/// The same, but for those on this list.
pub(crate) async fn closed(allow: AllowList) -> Result<Gate> {
    closed_by(Activate::by("bench").with_allow(AllowChange::Replace(allow))).await
}

/// A gate that was closed by this.
pub(crate) async fn closed_by(activate: Activate) -> Result<Gate> {
    let state = MemoryState::new();
    let gate = Gate::builder(state.clone()).start().await?;
    Operator::new(state, Actor::new("bench", "bench"))
        .change(Change::Activate(activate))
        .await?;
    gate.reached(|record| record.phase() == Phase::Activated)
        .await;
    Ok(gate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_case_that_does_something_else_is_not_counted() {
        let page = || Visitor::new("GET", "/hello");
        assert!(decide(on().await.unwrap(), page(), true).is_err());
        assert!(decide(off().await.unwrap(), page(), false).is_err());
        assert!(execution(on().await.unwrap(), true).is_err());
        assert!(execution(off().await.unwrap(), false).is_err());
        for mut refused in [
            tower::closed_for("off").await.unwrap(),
            hyper::closed_for("off").await.unwrap(),
        ] {
            let error = refused(1).unwrap_err();
            assert!(error.to_string().contains("otherwise"), "{error}");
        }
    }

    #[test]
    fn every_case_does_what_its_name_says() {
        for name in names() {
            let mut prepared =
                Prepared::new(&name).unwrap_or_else(|error| panic!("{name}: {error:#}"));
            (prepared.case)(2).unwrap();
        }
    }
}
