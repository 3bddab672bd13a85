//! Processes that do not outlive the test.

use std::fmt;
use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{OnceLock, mpsc};
use std::thread;

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};

/// A command that the kernel kills when the process that starts it is gone.
///
/// `setpriv` asks the kernel for that and then becomes the program, with the same process id. To ask for it from here
/// would take `unsafe`, since it must happen between fork and exec.
pub(crate) fn mortal(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// A running process. It is killed and waited for when this is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts one.
    ///
    /// # Errors
    ///
    /// The program cannot be started.
    pub(crate) fn start(command: Command) -> io::Result<Self> {
        // "When the parent is gone" means the *thread* that started the process. A test's thread, or one of tokio's,
        // ends long before the test does; this one ends with the process.
        type Order = (Command, mpsc::Sender<io::Result<Child>>);
        static STARTER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
        let starter = STARTER.get_or_init(|| {
            let (orders, incoming) = mpsc::channel::<Order>();
            let run = move || {
                for (mut command, done) in incoming {
                    // The one who waits for it may have been cancelled; dropped unseen, a child would live on.
                    if let Err(mpsc::SendError(Ok(child))) = done.send(command.spawn()) {
                        drop(Self { child });
                    }
                }
            };
            thread::Builder::new()
                .name("starter".to_owned())
                .spawn(run)
                .expect("a thread starts");
            orders
        });
        let (done, answer) = mpsc::channel();
        starter
            .send((command, done))
            .expect("the starter ends with the process");
        let child = answer.recv().expect("the starter answers every order")?;
        Ok(Self { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it has ended, if it has.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be asked after")
    }

    /// Asks it to end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Stops it, and returns when it stands still.
    ///
    /// # Panics
    ///
    /// It has ended.
    pub(crate) fn pause(&self) {
        self.signal(Signal::STOP);
        // `NOWAIT` leaves an end to be collected by `Child`.
        let changes = WaitIdOptions::STOPPED | WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let change = waitid(WaitId::Pid(Pid::from_child(&self.child)), changes)
            .expect("a child can be waited for")
            .expect("waiting returns with a change");
        assert!(
            change.stopped(),
            "process {} has ended, so it cannot be paused",
            self.id()
        );
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        // Its id is its own until it has been waited for, so nobody else can be hit.
        kill_process(Pid::from_child(&self.child), signal).expect("a child can be signalled");
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Process").field(&self.id()).finish()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Killing what has been waited for already does nothing, and nothing else can fail with one's own child.
        drop(self.child.kill().and_then(|()| self.child.wait()));
    }
}
