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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn part(count: u64) -> Value {
        json!({
            "metrics": {"Ir": {"values": {"new": count}}},
            "tool_run": {"new": {"command": "instructions", "part": 1, "pid": 1}},
        })
    }

    fn summary(version: &str, parts: &[Value]) -> Value {
        json!({
            "baselines": [null, null],
            "benchmark_exe": "instructions",
            "benchmark_file": "tests/bench/benches/instructions.rs",
            "duration_ns": 1,
            "function_name": "operations",
            "group": "cases",
            "id": "case_0",
            "kind": "LibraryBenchmark",
            "module_path": "instructions::cases::operations",
            "output_dir": "gungraun",
            "package_dir": "tests/bench",
            "profiles": [{
                "data": {"parts": parts, "total": {"metrics": {}, "regressions": []}},
                "duration_ns": 1,
                "process_ns": 1,
                "started_at": "2026-11-30T12:00:00Z",
                "tool": "Callgrind",
            }],
            "project_root": "",
            "started_at": "2026-11-30T12:00:00Z",
            "version": version,
        })
    }

    fn counted(version: &str, parts: &[Value]) -> Result<u64, String> {
        let summary = serde_json::from_value(summary(version, parts)).unwrap();
        of_one(&summary).map_err(|error| error.to_string())
    }

    #[test]
    fn what_all_operations_have_in_common_is_in_neither() {
        let parts = [part(19_040), part(38_036), part(20)];
        assert_eq!(counted(SCHEMA_VERSION, &parts), Ok(19));
    }

    #[test]
    fn what_is_no_count_is_an_error_that_says_why() {
        for (version, parts, why) in [
            (
                "6",
                vec![part(1_000), part(2_000), part(0)],
                "another gungraun-runner",
            ),
            (SCHEMA_VERSION, vec![part(3_000)], "wrote 1 parts and not 3"),
            (
                SCHEMA_VERSION,
                vec![part(2), part(1), part(0)],
                "cost fewer",
            ),
            (
                SCHEMA_VERSION,
                vec![part(0), part(0), part(0)],
                "cost no more",
            ),
        ] {
            let error = counted(version, &parts).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_case_that_was_not_counted_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = read(folder.path(), &["decide-off".to_owned()]).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("`decide-off` was not counted"),
            "{error}"
        );
    }
}
