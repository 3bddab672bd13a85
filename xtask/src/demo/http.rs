//! As much of an HTTP/1.1 client as the demo needs: one request, one answer.

use std::fmt;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// No head and no body of the example comes near this.
const LARGEST: u64 = 1 << 20;

pub(super) struct Request {
    pub(super) method: &'static str,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
}

impl Request {
    pub(super) fn get(target: &str) -> Self {
        Self {
            method: "GET",
            target: target.to_owned(),
            headers: Vec::new(),
        }
    }

    pub(super) fn post(target: &str) -> Self {
        Self {
            method: "POST",
            ..Self::get(target)
        }
    }

    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

#[derive(Debug)]
pub(super) struct Response {
    /// `HTTP/1.1 503 Service Unavailable`.
    pub(super) status_line: String,
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Response {
    /// The value of a header, whatever the case of its name.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self
            .headers
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))?;
        Some(value)
    }

    /// What is not the same in the answer of another server, byte for byte: status, headers or body.
    ///
    /// The order of headers and the case of their names mean nothing, the `Date` is when it is, and the id of a job is its own, as long as it is.
    pub(super) fn difference(&self, other: &Self) -> Option<String> {
        let (here, there) = (self.facts(), other.facts());
        let only = |in_this: &[String], in_that: &[String]| {
            let missing = in_this.iter().filter(|fact| !in_that.contains(fact));
            missing.map(|fact| format!("{fact:?} ")).collect::<String>()
        };
        (here != there).then(|| {
            format!(
                "instead of {}it has {}",
                only(&here, &there),
                only(&there, &here)
            )
        })
    }

    fn facts(&self) -> Vec<String> {
        let is_job = self.body.starts_with(r#"{"id":"#);
        let headers = self.headers.iter();
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value));
        let mut facts: Vec<String> = headers
            .filter(|(name, _)| name != "date" && !(is_job && name == "content-length"))
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        facts.sort();
        let body = if is_job { "a job's id" } else { &self.body };
        facts.extend([self.status_line.clone(), body.to_owned()]);
        facts
    }
}

/// Sends a request and reads the answer. `limit` is for each step of it: connecting, writing, every read.
pub(super) fn send(
    address: SocketAddr,
    request: &Request,
    limit: Duration,
) -> anyhow::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    stream.write_all(head(address, request).as_bytes())?;
    read_response(&mut BufReader::new(stream))
}

/// The request as it is written. It never has a body.
fn head(address: impl fmt::Display, request: &Request) -> String {
    let headers: String = request
        .headers
        .iter()
        .map(|(name, value)| format!("{name}: {value}\r\n"))
        .collect();
    format!(
        "{} {} HTTP/1.1\r\nHost: {address}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n",
        request.method, request.target
    )
}

fn read_response(reader: &mut impl BufRead) -> anyhow::Result<Response> {
    loop {
        let status_line = read_line(reader)?;
        let status = status(&status_line)?;
        let headers = read_headers(reader)?;
        let mut response = Response {
            status_line,
            status,
            headers,
            body: String::new(),
        };
        // An interim answer; the real one follows.
        if (100..200).contains(&status) {
            continue;
        }
        let body = read_body(reader, &response)?;
        response.body = String::from_utf8(body).context("the body is not UTF-8")?;
        return Ok(response);
    }
}

/// The number in `HTTP/1.1 503 Service Unavailable`.
fn status(line: &str) -> anyhow::Result<u16> {
    let mut words = line.split(' ');
    match (words.next(), words.next().map(str::parse)) {
        (Some(version), Some(Ok(status))) if version.starts_with("HTTP/1.") => Ok(status),
        _ => bail!("`{line}` is no status line of HTTP/1"),
    }
}

fn read_headers(reader: &mut impl BufRead) -> anyhow::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line
            .split_once(':')
            .with_context(|| format!("`{line}` is no header"))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn read_body(reader: &mut impl BufRead, response: &Response) -> anyhow::Result<Vec<u8>> {
    if matches!(response.status, 204 | 304) {
        return Ok(Vec::new());
    }
    if response
        .header("transfer-encoding")
        .is_some_and(|coding| coding.eq_ignore_ascii_case("chunked"))
    {
        return read_chunks(reader);
    }
    match response.header("content-length") {
        Some(length) => {
            let length = length
                .parse()
                .with_context(|| format!("`{length}` is no content length"))?;
            read_exactly(reader, length)
        }
        None => {
            let mut body = Vec::new();
            reader.take(LARGEST).read_to_end(&mut body)?;
            Ok(body)
        }
    }
}

fn read_chunks(reader: &mut impl BufRead) -> anyhow::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let line = read_line(reader)?;
        // What follows the `;` are extensions, which nobody has to know.
        let size = line.split(';').next().unwrap_or_default().trim();
        let size = u64::from_str_radix(size, 16)
            .with_context(|| format!("`{line}` is no size of a chunk"))?;
        if size == 0 {
            // Trailers end with an empty line, just as headers.
            read_headers(reader)?;
            return Ok(body);
        }
        body.extend(read_exactly(reader, size)?);
        ensure!(
            body.len() as u64 <= LARGEST,
            "the body is larger than {LARGEST} bytes"
        );
        ensure!(
            read_exactly(reader, 2)? == b"\r\n",
            "a chunk does not end where it said"
        );
    }
}

fn read_exactly(reader: &mut impl BufRead, length: u64) -> anyhow::Result<Vec<u8>> {
    ensure!(length <= LARGEST, "the body is larger than {LARGEST} bytes");
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body)?;
    ensure!(
        body.len() as u64 == length,
        "the connection ended after {} of {length} bytes",
        body.len()
    );
    Ok(body)
}

/// A line without its end.
fn read_line(reader: &mut impl BufRead) -> anyhow::Result<String> {
    let mut line = String::new();
    reader.take(LARGEST).read_line(&mut line)?;
    let whole = line
        .strip_suffix('\n')
        .context("the connection ended in the middle of the answer")?;
    Ok(whole.strip_suffix('\r').unwrap_or(whole).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> anyhow::Result<Response> {
        read_response(&mut text.as_bytes())
    }

    #[test]
    fn a_request_is_written_as_the_protocol_wants_it() {
        let request = Request::post("/jobs?ms=1").with("Accept", "text/plain");
        assert_eq!(
            head("127.0.0.1:80", &request),
            "POST /jobs?ms=1 HTTP/1.1\r\nHost: 127.0.0.1:80\r\nContent-Length: 0\r\nConnection: close\r\nAccept: text/plain\r\n\r\n"
        );
    }

    #[test]
    fn a_body_with_a_length_ends_there() {
        let response = read("HTTP/1.1 503 Service Unavailable\r\nretry-after: 120\r\nContent-Length: 4\r\n\r\nbackMORE").unwrap();
        assert_eq!(response.status_line, "HTTP/1.1 503 Service Unavailable");
        assert_eq!((response.status, response.body.as_str()), (503, "back"));
        assert_eq!(response.header("Retry-After"), Some("120"));
        assert_eq!(response.header("Location"), None);
    }

    #[test]
    fn chunks_are_put_together() {
        let response = read(
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\nhel\r\nA\r\nlo, world!\r\n0\r\nExpires: 0\r\n\r\n",
        );
        assert_eq!(response.unwrap().body, "hello, world!");
    }

    #[test]
    fn a_body_without_a_length_ends_with_the_connection() {
        assert_eq!(
            read("HTTP/1.0 200 OK\r\n\r\nall of it").unwrap().body,
            "all of it"
        );
    }

    #[test]
    fn an_interim_answer_is_not_the_answer() {
        let response = read(
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n",
        );
        assert_eq!(response.unwrap().status, 304);
    }

    #[test]
    fn answers_that_are_none_are_errors() {
        for text in [
            "",
            "HTTP/1.1 200 OK",
            "HTTP/1.1 200 OK\r\n",
            "HTTP/1.1 OK\r\n\r\n",
            "SSH-2.0-OpenSSH 200\r\n\r\n",
            "HTTP/1.1 200 OK\r\nno header\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfour\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        ] {
            assert!(read(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn answers_of_several_servers_are_compared_byte_for_byte() {
        let answer = |headers: &str, body: &str| {
            read(&format!("HTTP/1.1 200 OK\r\n{headers}\r\n\r\n{body}")).unwrap()
        };
        let one = answer("Vary: Accept\r\nRetry-After: 9\r\nDate: Mon", "hello");
        let same = answer("retry-after: 9\r\nvary: Accept\r\ndate: Tue", "hello");
        assert_eq!(one.difference(&same), None);
        for (headers, body, words) in [
            (
                "vary: Accept\r\nretry-after: 10",
                "hello",
                "retry-after: 10",
            ),
            ("vary: Accept", "hello", "retry-after: 9"),
            ("vary: Accept\r\nretry-after: 9", "Hello", "Hello"),
            (
                "vary: Accept\r\nvary: Accept\r\nretry-after: 9",
                "hello",
                "instead of",
            ),
        ] {
            let difference = one.difference(&answer(headers, body)).unwrap();
            assert!(difference.contains(words), "{difference}");
        }
    }

    #[test]
    fn it_speaks_over_a_socket() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream);
            let first = read_line(&mut reader).unwrap();
            read_headers(&mut reader).unwrap();
            reader
                .get_mut()
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                .unwrap();
            first
        });
        let response = send(address, &Request::get("/health"), Duration::from_secs(60)).unwrap();
        assert_eq!((response.status, response.body.as_str()), (200, "ok"));
        assert_eq!(server.join().unwrap(), "GET /health HTTP/1.1");
    }
}
