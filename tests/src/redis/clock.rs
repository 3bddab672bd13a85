//! A clock that can be put forward and back.

use std::ffi::OsString;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tempfile::TempDir;

const SOURCE: &str = include_str!("clock_shim.c");

/// The wall clock of the processes that run under it, some time ahead of or behind the machine's.
///
/// A small library, preloaded into the process, answers `clock_gettime` (`CLOCK_REALTIME` only), `gettimeofday` and
/// `time` with what the kernel says plus the shift. Monotonic clocks are left alone, as they are when somebody sets a
/// machine's clock. It asks the kernel directly instead of looking the real functions up, because that allocates, and
/// in Debian's redis-server the allocator asks for the time: libfaketime hangs there.
///
/// Clones share one shift. It works for every program that is linked dynamically, those of this workspace included.
///
/// # Examples
///
/// ```no_run
/// # async fn example() {
/// use intermission_tests::redis::{ClockShim, ServerOptions};
///
/// let clock = ClockShim::new();
/// let server = ServerOptions::new().with_clock(&clock).start().await;
/// clock.shift(3_600_000); // The server believes that an hour has passed.
/// clock.shift(0); // And now that it has not.
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ClockShim {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    shift: File,
    path: PathBuf,
    library: Arc<Library>,
    _folder: TempDir,
}

/// The compiled shim, shared by all who use one at the same time.
#[derive(Debug)]
struct Library {
    path: PathBuf,
    _folder: TempDir,
}

impl ClockShim {
    /// One that is right.
    ///
    /// # Panics
    ///
    /// There is no C compiler, or no room in the folder for temporary files.
    #[must_use]
    #[expect(
        clippy::new_without_default,
        reason = "it runs a compiler and may fail"
    )]
    pub fn new() -> Self {
        let library = Library::shared();
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let path = folder.path().join("shift");
        let shift = File::create(&path).expect("a file can be made in a new folder");
        let clock = Self {
            shared: Arc::new(Shared {
                shift,
                path,
                library,
                _folder: folder,
            }),
        };
        clock.shift(0);
        clock
    }

    /// From now on the clock is that many milliseconds ahead; behind, if they are negative. At once, for all processes.
    ///
    /// # Panics
    ///
    /// The disk is full.
    pub fn shift(&self, millis: i64) {
        // The processes have the file mapped, and read the eight bytes at once.
        self.shared
            .shift
            .write_all_at(&millis.to_ne_bytes(), 0)
            .expect("eight bytes can be written");
    }

    /// The environment in which a process runs on this clock, for [`Command::envs`].
    #[must_use]
    pub fn environment(&self) -> [(OsString, OsString); 2] {
        [
            (
                "LD_PRELOAD".into(),
                self.shared.library.path.clone().into_os_string(),
            ),
            (
                "INTERMISSION_CLOCK_SHIFT".into(),
                self.shared.path.clone().into_os_string(),
            ),
        ]
    }
}

impl Library {
    fn shared() -> Arc<Self> {
        static CURRENT: Mutex<Weak<Library>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        current.upgrade().unwrap_or_else(|| {
            let library = Arc::new(Self::compile());
            *current = Arc::downgrade(&library);
            library
        })
    }

    fn compile() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let source = folder.path().join("clock_shim.c");
        std::fs::write(&source, SOURCE).expect("a file can be written in a new folder");
        let path = folder.path().join("clock_shim.so");
        let output = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-o"])
            .args([&path, &source])
            .output()
            .expect("a C compiler is installed as `cc`");
        assert!(
            output.status.success(),
            "the clock does not compile: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Self {
            path,
            _folder: folder,
        }
    }
}
