//! A folder that is gone afterwards, also when this process is killed.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// Removes the folder when its standard input is closed. What still writes there is being killed at that moment, so it
/// tries again.
const JANITOR: &str = r#"
cat >/dev/null
tries=0
until rm -rf -- "$1" 2>/dev/null || [ "$tries" -ge 100 ]; do
  tries=$((tries + 1))
  sleep 0.1
done
"#;

/// A temporary folder for all files of this process, those of the servers included.
#[derive(Debug)]
pub(crate) struct Scratch {
    path: PathBuf,
    janitor: Child,
}

impl Scratch {
    /// Makes the folder, and has everything in this process that asks for a temporary one get it in there.
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new()
            .prefix("intermission-chaos-")
            .tempdir()
            .expect("a temporary folder can be made");
        let path = folder.keep();
        let janitor = Command::new("sh")
            .args(["-c", JANITOR, "janitor"])
            .arg(&path)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // What a terminal sends to end the test does not reach it.
            .process_group(0)
            .spawn()
            .expect("a shell starts");
        let scratch = Self { path, janitor };
        tempfile::env::override_temp_dir(&scratch.path)
            .expect("nobody else in this process has asked for another place");
        scratch
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.janitor.stdin.take());
        // If waiting fails, the janitor ends by itself.
        drop(self.janitor.wait());
    }
}
