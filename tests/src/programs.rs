//! The programs under test, built once for each test process.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::app::Framework;

/// Cargo's target folder.
///
/// # Panics
///
/// The running program is no test of cargo's.
#[must_use]
pub fn target() -> PathBuf {
    // A test runs from `target/PROFILE/deps`.
    let own = std::env::current_exe().expect("a test knows where it is");
    own.ancestors()
        .find(|folder| folder.ends_with("debug") || folder.ends_with("release"))
        .and_then(Path::parent)
        .expect("a test lies in cargo's target folder")
        .to_owned()
}

/// Where cargo puts the programs of this build.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args([
                "build",
                "--quiet",
                "--package",
                "intermission-cli",
                "--package",
                "axum-app",
                "--package",
                "actix-app",
                "--package",
                "warp-app",
                "--package",
                "relay",
                "--package",
                "worker",
            ])
            .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
            .status()
            .expect("cargo starts");
        assert!(status.success(), "the programs under test do not build");
        target().join("debug")
    })
}

/// The example application on that framework.
#[must_use]
pub fn app(framework: Framework) -> PathBuf {
    folder().join(format!("{framework}-app"))
}

/// The example of one fleet that follows another.
#[must_use]
pub fn relay() -> PathBuf {
    folder().join("relay")
}

/// The example of a consumer of a queue.
#[must_use]
pub fn worker() -> PathBuf {
    folder().join("worker")
}

/// The command.
#[must_use]
pub fn intermission() -> PathBuf {
    folder().join("intermission")
}
