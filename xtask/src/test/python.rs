//! The Python environment of the tests, below cargo's target folder.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use crate::workspace::{Workspace, line_of, run, text_of};

/// What is installed, from the root of the workspace.
const LIST: &str = "tests/python/requirements.txt";

/// Where, from cargo's target folder, so that `cargo clean` takes it away. `tests/src/python.rs` looks there.
const FOLDER: &str = "python-for-tests";

/// A copy of the list that was installed, written last: an environment without it is not finished.
const STAMP: &str = "installed.txt";

/// Makes the environment unless the one that is there was made from the same list and still runs.
pub(super) fn provide(workspace: &Workspace) -> anyhow::Result<()> {
    let list = workspace.root().join(LIST);
    let wanted = std::fs::read_to_string(&list).with_context(|| format!("cannot read {LIST}"))?;
    let folder = target_folder(workspace)?.join(FOLDER);
    if is_current(&folder, &wanted) {
        return Ok(());
    }
    if folder.exists() {
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot remove the old {}", folder.display()))?;
    }
    make(&folder, &list).with_context(|| advice(&folder))?;
    std::fs::write(folder.join(STAMP), wanted)
        .with_context(|| format!("cannot write to {}", folder.display()))
}

fn is_current(folder: &Path, wanted: &str) -> bool {
    std::fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == wanted)
        // The Python that it was made with may have been removed, or replaced by another version.
        && python(folder)
            .args(["-c", "import schemathesis, cloudify_rest_client"])
            .output()
            .is_ok_and(|output| output.status.success())
}

fn make(folder: &Path, list: &Path) -> anyhow::Result<()> {
    let mut create = Command::new("python3");
    create.args(["-m", "venv"]).arg(folder);
    let mut install = python(folder);
    install
        .args(["-m", "pip", "install", "--quiet", "--no-deps", "--no-input"])
        .args(["--disable-pip-version-check", "--requirement"])
        .arg(list);
    for mut step in [create, install] {
        println!("\n== {}", line_of(&step));
        let status = run(step.stdin(Stdio::null()))?;
        if !status.success() {
            bail!("`{}` ended with {status}", line_of(&step));
        }
    }
    Ok(())
}

fn advice(folder: &Path) -> String {
    format!(
        "the Python environment of the tests cannot be made; what went wrong is said above. It takes the packages of \
         {LIST} from the index that pip is set to (PIP_INDEX_URL names another one), so without a network it must have \
         been made before: it stays in {}",
        folder.display()
    )
}

fn python(folder: &Path) -> Command {
    let mut command = Command::new(folder.join("bin/python"));
    // A person's own packages must not stand in for those of the list.
    command.arg("-I");
    command
}

/// Where cargo builds. It may be told otherwise in many ways, so cargo is asked.
fn target_folder(workspace: &Workspace) -> anyhow::Result<PathBuf> {
    let metadata = text_of(&mut workspace.cargo([
        "metadata",
        "--no-deps",
        "--offline",
        "--format-version",
        "1",
    ]))?;
    let metadata: serde_json::Value =
        serde_json::from_str(&metadata).context("cargo's metadata is not JSON")?;
    let folder = metadata
        .get("target_directory")
        .and_then(serde_json::Value::as_str)
        .context("cargo does not say where it builds")?;
    Ok(PathBuf::from(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_current_only_when_it_is_whole_and_runs() {
        let folder = tempfile::tempdir().unwrap();
        assert!(!is_current(folder.path(), "a==1"));
        std::fs::write(folder.path().join(STAMP), "a==1").unwrap();
        assert!(!is_current(folder.path(), "a==2"));
        // The list is the same, but there is no Python in it.
        assert!(!is_current(folder.path(), "a==1"));
    }

    #[test]
    fn failure_names_the_step_and_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let in_the_way = folder.path().join("a-file");
        std::fs::write(&in_the_way, "").unwrap();
        let error = make(&in_the_way.join("environment"), Path::new("list.txt")).unwrap_err();
        assert!(error.to_string().contains("`python3 -m venv"), "{error}");
        let advice = advice(&in_the_way);
        assert!(
            advice.contains(LIST) && advice.contains("PIP_INDEX_URL"),
            "{advice}"
        );
    }
}
