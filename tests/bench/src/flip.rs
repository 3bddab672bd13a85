//! How fast a change spreads from one process to another through a file state.
//!
//! The parent changes the mode; the child enforces it and says when. Both read the same clock, which all processes of
//! a machine share.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use intermission::{
    Activate, Actor, Change, Clock, Deactivate, Gate, Operator, SystemClock, Visitor,
};
use intermission_file::FileState;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

const FLIPS: usize = 200;

/// Flips the mode that often, and prints how long the other process took to enforce it.
pub(crate) async fn parent() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let state = FileState::open_or_create(folder.path())?;
    let operator = Operator::new(state, Actor::new("bench", "bench"));
    let mut child = Command::new(std::env::current_exe()?)
        .args(["flip-child".as_ref(), folder.path().as_os_str()])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let mut lines =
        BufReader::new(child.stdout.take().context("the child's output is piped")?).lines();
    ensure!(
        lines.next_line().await?.as_deref() == Some("ready"),
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
        let line = lines.next_line().await?.context("the child ended")?;
        let enforced = Duration::from_nanos(line.parse()?);
        took.push(enforced.saturating_sub(began));
    }
    child.kill().await?;
    took.sort_unstable();
    let at = |hundredths: usize| {
        took.get(took.len() * hundredths / 100)
            .or_else(|| took.last())
            .copied()
            .unwrap_or_default()
    };
    let millis = |duration: Duration| duration.as_secs_f64() * 1_000.0;
    println!(
        "\na change, from the operator's call until the other process enforces it (file state, {FLIPS} changes)"
    );
    println!(
        "  median {:.1} ms   p90 {:.1} ms   worst {:.1} ms",
        millis(at(50)),
        millis(at(90)),
        millis(at(100))
    );
    println!("  budget: median under 20 ms where a file watcher works, 250 ms at most");
    Ok(())
}

/// Says `ready`, and then for each change of its answer when it was.
pub(crate) async fn child(directory: &Path) -> Result<()> {
    let gate = Gate::builder(FileState::open(directory)?).start().await?;
    println!("ready");
    let page = Visitor::new("POST", "/");
    let mut admitted = gate.decide(&page).is_admit();
    let mut changes = gate.subscribe();
    while changes.next().await.is_some() {
        let now_admitted = gate.decide(&page).is_admit();
        if now_admitted != admitted {
            println!("{}", SystemClock.steady().as_nanos());
            admitted = now_admitted;
        }
    }
    Ok(())
}
