//! What gungraun has written down.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use gungraun_runner::api::EventKind;
use gungraun_runner::metrics::model::Metric;
use gungraun_runner::summary::model::{
    BenchmarkSummary, ProfilePart, SCHEMA_VERSION, ToolMetricResults,
};

use super::{Counts, TIMES};

/// What one operation of each of these cases costs. Gungraun knows them by their number.
pub(super) fn read(home: &Path, names: &[String]) -> Result<Counts> {
    let folder = home.join("intermission-bench/instructions/cases");
    let mut each = Counts::new();
    for (at, name) in names.iter().enumerate() {
        let file = folder.join(format!("operations.case_{at}/summary.json"));
        let text = fs::read(&file).with_context(|| {
            format!(
                "`{name}` was not counted: there is no {}; `cargo xtask bench instructions` counts all",
                file.display()
            )
        })?;
        let summary: BenchmarkSummary = serde_json::from_slice(&text)
            .with_context(|| format!("{} is no summary of gungraun", file.display()))?;
        let counted = of_one(&summary)
            .with_context(|| format!("{} does not say what `{name}` costs", file.display()))?;
        each.insert(name.clone(), counted);
    }
    // What the loop itself costs.
    let nothing = each.get("nothing").copied().unwrap_or_default();
    for (name, each) in &mut each {
        if name != "nothing" {
            *each = each.saturating_sub(nothing);
        }
    }
    Ok(each)
}

/// The difference of the two counts of a case, divided by the difference of their lengths.
fn of_one(summary: &BenchmarkSummary) -> Result<u64> {
    ensure!(
        summary.version == SCHEMA_VERSION,
        "it is of version {} and not {SCHEMA_VERSION}: another gungraun-runner wrote it",
        summary.version
    );
    let [profile] = summary.profiles.0.as_slice() else {
        anyhow::bail!("it has another number of profiles than one");
    };
    let parts = profile.data.parts.as_slice();
    // The third is what comes after.
    let [few, many, _] = parts else {
        anyhow::bail!(
            "callgrind wrote {} parts and not 3: it does not know the function `instructions::counted` by that name",
            parts.len()
        );
    };
    let (few, many) = (instructions(few)?, instructions(many)?);
    let operations = many
        .checked_sub(few)
        .context("more operations cost fewer instructions")?;
    ensure!(operations > 0, "more operations cost no more instructions");
    // To the nearest: a few more or less for all of them are the harness's.
    Ok((operations + TIMES / 2) / TIMES)
}

fn instructions(part: &ProfilePart) -> Result<u64> {
    let ToolMetricResults::Callgrind(metrics) = &part.metrics else {
        anyhow::bail!("it is not callgrind's");
    };
    let metric = metrics
        .0
        .get(&EventKind::Ir)
        .and_then(|result| result.values.as_ref().left());
    match metric {
        Some(Metric::Int(count)) => Ok(*count),
        _ => anyhow::bail!("it counted no instructions"),
    }
}
