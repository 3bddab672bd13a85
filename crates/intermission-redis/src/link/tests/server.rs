//! Real servers: each test has its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use redis::{FromRedisValue, ToRedisArgs};
use tempfile::TempDir;

/// How often a test looks whether what must happen has happened.
const LOOKS: u32 = 6_000;

const PAUSE: Duration = Duration::from_millis(5);

/// A redis-server. It is killed when this is dropped, and when the process of the test dies.
pub(crate) struct Server {
    pub(crate) port: u16,
    options: Vec<String>,
    folder: TempDir,
    process: Option<Child>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these options of the command line.
    pub(crate) fn start_with(options: &[&str]) -> Self {
        for _ in 0..10 {
            let mut server = Self {
                port: free_port(),
                options: options.iter().map(ToString::to_string).collect(),
                folder: TempDir::new().unwrap(),
                process: None,
            };
            if server.run() {
                return server;
            }
        }
        panic!("no free port was left alone by others");
    }

    /// With these lines of a file that the server may rewrite. `PORT` stands for its port.
    pub(crate) fn start_sentinel(lines: &[String]) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("sentinel.conf");
        std::fs::write(&path, lines.join("\n") + "\n").unwrap();
        Self::start_with(&[path.to_str().unwrap(), "--sentinel"])
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // The end of its input ends the server.
            drop(process.stdin.take());
            process.wait().unwrap();
        }
    }

    /// Again, on the same port.
    pub(crate) fn restart(&mut self) {
        self.kill();
        assert!(self.run(), "somebody has taken the port meanwhile");
    }

    /// Whether it has come up, and not somebody else on its port.
    fn run(&mut self) -> bool {
        let script = "redis-server \"$@\" </dev/null >log 2>&1 & server=$!; read -r _; kill -9 $server; wait $server";
        let mut command = Command::new("sh");
        command
            .args(["-c", script, "sh"])
            .args(&self.options)
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--enable-debug-command",
                "local",
            ]);
        command.current_dir(self.folder.path());
        command.stdin(Stdio::piped()).stderr(Stdio::null());
        self.process = Some(command.spawn().unwrap());
        for _ in 0..LOOKS {
            if let Ok(info) = self.try_ask::<String>(&["INFO", "server"]) {
                return self.is_ours(field(&info, "process_id"));
            }
            std::thread::sleep(PAUSE);
        }
        panic!("redis-server does not start: {}", self.log());
    }

    /// Another process of the machine may have taken the port before ours did.
    fn is_ours(&self, process: &str) -> bool {
        let home = self.folder.path().canonicalize().unwrap();
        match std::fs::read_link(format!("/proc/{process}/cwd")) {
            Ok(works_in) => works_in == home,
            Err(_) => !Path::new("/proc").exists(),
        }
    }

    /// What somebody with all rights gets for an answer.
    pub(crate) fn ask<T: FromRedisValue>(&self, words: &[impl ToRedisArgs]) -> T {
        self.try_ask(words).unwrap()
    }

    pub(crate) fn tell(&self, words: &[&str]) {
        self.ask::<()>(words);
    }

    pub(crate) fn try_ask<T: FromRedisValue>(
        &self,
        words: &[impl ToRedisArgs],
    ) -> redis::RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(word);
        }
        let client = redis::Client::open(("127.0.0.1", self.port))?;
        command.query(&mut client.get_connection_with_timeout(LOOKS * PAUSE)?)
    }

    /// The connections of links, which alone speak RESP3 here.
    pub(crate) fn links(&self) -> Vec<String> {
        let list: String = self.ask(&["CLIENT", "LIST"]);
        list.lines()
            .filter(|line| line.contains("resp=3"))
            .map(str::to_owned)
            .collect()
    }

    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.folder.path().join("log"));
        log.unwrap_or_else(|error| error.to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A field of what `INFO` says.
fn field<'a>(info: &'a str, name: &str) -> &'a str {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .unwrap()
}

/// A port on which nobody listens. In a Cluster, a server listens ten thousand ports further up, too.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let Some(bus) = port.checked_add(10_000) else {
            continue;
        };
        if TcpListener::bind(("127.0.0.1", bus)).is_ok() {
            return port;
        }
    }
}

/// Waits until something is so.
pub(crate) async fn until(what: &str, is_so: impl AsyncFn() -> bool) {
    for _ in 0..LOOKS {
        if is_so().await {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("it never came to this: {what}");
}
