//! Servers that answer what a test wants them to.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

/// Answers every command with what this makes of its words; with nothing, it closes the connection.
///
/// It listens for as long as the test's process lives.
pub(crate) fn fake(answer: impl Fn(&[String]) -> Option<String> + Clone + Send + 'static) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let answer = answer.clone();
            thread::spawn(move || serve(&stream, answer));
        }
    });
    port
}

fn serve(mut stream: &TcpStream, answer: impl Fn(&[String]) -> Option<String>) -> Option<()> {
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    loop {
        let words = command(&mut reader)?;
        stream.write_all(answer(&words)?.as_bytes()).ok()?;
    }
}

/// An array of bulk strings, as clients send it.
fn command(reader: &mut impl BufRead) -> Option<Vec<String>> {
    let count = number(reader, '*')?;
    let mut words = Vec::new();
    for _ in 0..count {
        let mut word = vec![0; number(reader, '$')? + 2];
        reader.read_exact(&mut word).ok()?;
        word.truncate(word.len() - 2);
        words.push(String::from_utf8(word).ok()?);
    }
    Some(words)
}

fn number(reader: &mut impl BufRead, mark: char) -> Option<usize> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    line.trim_end().strip_prefix(mark)?.parse().ok()
}
