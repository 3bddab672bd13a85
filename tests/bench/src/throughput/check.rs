//! One real request to each server, before it is measured: it must answer what it is measured for.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use anyhow::{Context, Result, bail, ensure};

use super::process::PATIENCE;

/// What came back.
#[derive(Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    /// The names in lower case.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
    /// How many bytes the status line and the headers are.
    pub(super) head_length: usize,
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Asks twice on one connection, since that is how it is measured, and returns the second answer.
pub(super) fn ask(server: SocketAddr) -> Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)
        .with_context(|| format!("nobody listens on {server}"))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut ask = || -> Result<Answer> {
        let request = format!("GET /hello HTTP/1.1\r\nHost: {server}\r\nAccept: */*\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        read(&mut stream)
    };
    let first = ask()?;
    ensure!(
        first.header("connection") != Some("close"),
        "it closes the connection after an answer"
    );
    let second = ask().context("it does not answer a second request on the same connection")?;
    ensure!(
        first.status == second.status && first.body == second.body,
        "two requests have two different answers: {first:?} and {second:?}"
    );
    Ok(second)
}

/// Reads one answer, and nothing that comes after it.
fn read(stream: &mut impl Read) -> Result<Answer> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        if let Some(answer) = parse(&bytes)? {
            return Ok(answer);
        }
        let count = stream.read(&mut buffer)?;
        ensure!(count > 0, "it hangs up in the middle of an answer");
        bytes.extend(buffer.iter().take(count));
    }
}

/// The answer, if it is there as a whole.
fn parse(bytes: &[u8]) -> Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(bytes)? else {
        return Ok(None);
    };
    let headers: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|header| {
            let value = String::from_utf8_lossy(header.value).into_owned();
            (header.name.to_ascii_lowercase(), value)
        })
        .collect();
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length: usize = match length {
        Some((_, length)) => length.parse()?,
        None => bail!("it sends an answer without a length"),
    };
    let body = bytes.get(head_length..).unwrap_or_default();
    ensure!(body.len() <= length, "it sends more than one answer");
    if body.len() < length {
        return Ok(None);
    }
    Ok(Some(Answer {
        status: head.code.context("it sends no status")?,
        headers,
        body: String::from_utf8_lossy(body).into_owned(),
        head_length,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &[u8] =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 600\r\nContent-Length: 5\r\n\r\nback\n";

    #[test]
    fn an_answer_in_pieces() {
        for end in 0..SENT.len() {
            assert_eq!(parse(&SENT[..end]).unwrap(), None);
        }
        let answer = parse(SENT).unwrap().unwrap();
        assert_eq!(answer.status, 503);
        assert_eq!(answer.header("retry-after"), Some("600"));
        assert_eq!(answer.body, "back\n");
        assert_eq!(answer.head_length + answer.body.len(), SENT.len());
    }

    #[test]
    fn what_is_no_answer_is_an_error() {
        assert!(parse(b"SSH-2.0-OpenSSH\r\n\r\n").is_err());
        assert!(parse(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(parse(&[SENT, b"more"].concat()).is_err());
        assert!(read(&mut &SENT[..40]).is_err());
    }
}
