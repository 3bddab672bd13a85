//! `wrk`, which asks as fast as it is answered.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use anyhow::{Context, Result, ensure};

use super::process::{Processors, Side, mortal};

/// How many connections are kept busy.
pub(super) const CONNECTIONS: u32 = 32;

/// What came of one run.
#[derive(Debug, PartialEq)]
pub(super) struct Run {
    pub(super) requests: u64,
    pub(super) per_second: f64,
    /// How many answers had a status of 400 or more.
    pub(super) refused: u64,
    /// What it says of connections that broke.
    pub(super) trouble: Option<String>,
}

/// Asks one server for that long.
pub(super) fn run(processors: &Processors, server: SocketAddr, seconds: u32) -> Result<Run> {
    let mut command = mortal("wrk");
    command
        .args(["--threads", "1", "--header", "Accept: */*"])
        .args(["--connections", &CONNECTIONS.to_string()])
        .args(["--duration", &format!("{seconds}s")])
        .arg(format!("http://{server}/hello"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let output = processors.on(Side::Client, || command.spawn().and_then(wait))?;
    let output = output.context("cannot start wrk")?;
    let said = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "wrk ended with {}: {said}{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    parse(&said).with_context(|| format!("wrk said something that is not understood:\n{said}"))
}

fn wait(child: std::process::Child) -> std::io::Result<Output> {
    child.wait_with_output()
}

/// What wrk 4 prints.
fn parse(said: &str) -> Option<Run> {
    let lines = || said.lines().map(str::trim);
    let value = |name: &str| {
        lines()
            .find_map(|line| line.strip_prefix(name))
            .map(str::trim)
    };
    let requests = lines().find_map(|line| line.split_once(" requests in "))?.0;
    Some(Run {
        requests: requests.parse().ok()?,
        per_second: value("Requests/sec:")?.parse().ok()?,
        refused: match value("Non-2xx or 3xx responses:") {
            Some(number) => number.parse().ok()?,
            None => 0,
        },
        trouble: value("Socket errors:").map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "\
Running 1s test @ http://127.0.0.1:8080/hello
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   294.44us   83.41us   2.77ms   93.74%
    Req/Sec   107.61k     3.09k  110.13k    90.91%
  117793 requests in 1.10s, 14.83MB read
Requests/sec: 107089.95
Transfer/sec:     13.48MB
";

    #[test]
    fn an_open_server() {
        let run = Run {
            requests: 117_793,
            per_second: 107_089.95,
            refused: 0,
            trouble: None,
        };
        assert_eq!(parse(OPEN), Some(run));
    }

    #[test]
    fn a_closed_server_and_broken_connections() {
        let more = "  Socket errors: connect 0, read 3, write 0, timeout 0\n  Non-2xx or 3xx responses: 117793\n";
        let said = OPEN.replace("Requests/sec", &format!("{more}Requests/sec"));
        let run = parse(&said).unwrap();
        assert_eq!(run.refused, 117_793);
        assert_eq!(
            run.trouble.as_deref(),
            Some("connect 0, read 3, write 0, timeout 0")
        );
    }

    #[test]
    fn anything_else_is_not_understood() {
        assert_eq!(
            parse("unable to connect to 127.0.0.1:1 Connection refused\n"),
            None
        );
        assert_eq!(parse(&OPEN.replace("107089.95", "many")), None);
    }
}
