//! How fast a change spreads from one process to another through a file state.
//!
//! The parent changes the mode; the child enforces it and says when. Both read the same clock, which all processes of
//! a machine share.

use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{
    Activate, Actor, Change, Clock, Deactivate, Gate, Operator, SystemClock, Visitor,
};
use intermission_file::FileState;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStdout, Command};
use tokio::time::timeout;

use crate::statistics::{Sample, millis_between};

const FLIPS: usize = 200;

/// Longer than any change takes to reach another process of the machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Flips the mode; how long the other process took to enforce it each time, in milliseconds.
pub(super) fn measure() -> Result<Sample> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(parent())
}

async fn parent() -> Result<Sample> {
    let folder = tempfile::tempdir()?;
    let state = FileState::open_or_create(folder.path())?;
    let operator = Operator::new(state, Actor::new("bench", "bench"));
    let mut child = Command::new(std::env::current_exe()?)
        .args(["flip-child".as_ref(), folder.path().as_os_str()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = child.stdout.take().context("the child's output is piped")?;
    let mut lines = BufReader::new(output).lines();
    ensure!(
        next(&mut lines).await? == "ready",
        "the child does not start"
    );
    let mut took = Vec::with_capacity(FLIPS);
    for flip in 0..FLIPS {
        let change = if flip % 2 == 0 {
            Change::Activate(Activate::by("bench"))
        } else {
            Change::Deactivate(Deactivate::new())
        };
        // From before the call: the child may enforce the change before the parent's call has returned.
        let began = SystemClock.steady();
        operator.change(change).await?;
        let enforced = Duration::from_nanos(next(&mut lines).await?.parse()?);
        took.push(millis_between(began, enforced));
    }
    child.kill().await?;
    Ok(Sample::new(took))
}

/// What the child says next.
async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Result<String> {
    let line = timeout(PATIENCE, lines.next_line()).await;
    let line = line.context("the other process says nothing: a change does not reach it")?;
    line?.context("the other process has ended")
}

/// The other process: says `ready`, and then for each change of its answer when it was. It ends with its input, and so with
/// the one who started it, whatever ends that.
///
/// # Errors
/// If the state in this directory or the input cannot be used.
pub async fn child(directory: &Path) -> Result<()> {
    let gate = Gate::builder(FileState::open(directory)?).start().await?;
    let page = Visitor::new("POST", "/");
    let mut admitted = gate.decide(&page).is_admit();
    let mut changes = gate.subscribe();
    println!("ready");
    tokio::spawn(async move {
        while changes.next().await.is_some() {
            let now_admitted = gate.decide(&page).is_admit();
            if now_admitted != admitted {
                println!("{}", SystemClock.steady().as_nanos());
                admitted = now_admitted;
            }
        }
    });
    let input = || io::copy(&mut io::stdin().lock(), &mut io::sink());
    tokio::task::spawn_blocking(input).await??;
    Ok(())
}
