//! The maintenance layers of others, to be measured beside Intermission's: `intermission-bench throughput` builds this
//! and starts it.
//!
//! `serve NAME BODY` runs a server with one worker thread, whose first line says where it listens; `count NAME TIMES`
//! does one request that many times, in this process, to be counted by callgrind.

mod axum07;
mod axum08;

use std::future::Future;
use std::pin::pin;
use std::process::ExitCode;
use std::task::{Context, Poll, Waker};

type Error = Box<dyn std::error::Error>;
/// Does one request that many times.
type Case = Box<dyn FnMut(u64) -> Result<(), Error>>;

/// Who may pass while it is closed: nobody who asks here.
const ALLOWED: [&str; 3] = ["192.0.2.0/24", "198.51.100.0/24", "2001:db8::/32"];

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Error> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", name, body] => {
            // A string that lives as long as the server, as the bare ones of Intermission's own bench have it.
            let body = &*Box::leak((*body).to_owned().into_boxed_str());
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(serve(name, body))
        }
        ["count", name, times] => {
            let case = axum08::case(name).or_else(|| axum07::case(name));
            case.ok_or_else(|| format!("there is no case `{name}`"))?(times.parse()?)
        }
        _ => Err("usage: serve NAME BODY, or count NAME TIMES".into()),
    }
}

async fn serve(name: &str, body: &'static str) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    if let Some(app) = axum08::app(name, body).await? {
        axum_08::serve(listener, app).await?;
    } else if let Some(app) = axum07::app(name, body).await? {
        axum_07::serve(listener, app).await?;
    } else {
        return Err(format!("there is no server `{name}`").into());
    }
    Ok(())
}

/// What a future gives that has to wait for nothing.
fn ready<F: Future>(future: F) -> Result<F::Output, Error> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err("hello is not ready at once".into()),
    }
}

/// A message that fills a body up to the length of `body`, if the body has this length without any message.
fn filling(body: &str, length_without: usize) -> Result<String, Error> {
    let room = body.len().checked_sub(length_without);
    let room = room.ok_or("the page is longer than the body of the others without any message")?;
    // Words of the others' body, without anything that HTML or JSON would have to escape.
    Ok(body.trim_end().chars().cycle().take(room).collect())
}
