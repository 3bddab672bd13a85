//! Programs and files from the Python environment that `cargo xtask test` makes below cargo's target folder.

use std::fs;
use std::path::{Path, PathBuf};

use crate::programs;

/// What must be installed. xtask leaves a copy of it in an environment that it has finished.
const LIST: &str = include_str!("../python/requirements.txt");

/// The environment.
fn environment() -> PathBuf {
    // The same names as in `xtask/src/test/python.rs`.
    let folder = programs::target().join("python-for-tests");
    let installed = fs::read_to_string(folder.join("installed.txt")).unwrap_or_default();
    assert!(
        installed == LIST,
        "{} is missing or older than tests/python/requirements.txt: run `cargo xtask test` once, it makes it \
         (with the name of a test after it, to run only that test)",
        folder.display()
    );
    folder
}

/// A program of the environment, such as `python`.
///
/// # Panics
///
/// There is no environment, or no such program in it.
#[must_use]
pub fn program(name: &str) -> PathBuf {
    existing(environment().join("bin").join(name))
}

/// A file of an installed package, such as `package/file.js`.
///
/// # Panics
///
/// There is no environment, or no such file in it.
#[must_use]
pub fn packaged(file: &str) -> PathBuf {
    let versions = environment().join("lib");
    let version = fs::read_dir(&versions)
        .expect("an environment has a library")
        .map(|entry| entry.expect("a folder can be read").path())
        .find(|version| version.join("site-packages").is_dir())
        .expect("an environment has packages");
    existing(version.join("site-packages").join(file))
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(Path::exists(&path), "there is no {}", path.display());
    path
}
