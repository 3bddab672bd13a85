//! `export`: the page as files, for a proxy in front of an application that is down.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use atomic_write_file::AtomicWriteFile;
use intermission::reply::{Marker, Notice, PageTemplate, Replies, ReplyPolicy};
use serde::Serialize;

use crate::args::Export;
use crate::exit_code::ExitCode;
use crate::export::{File, render};
use crate::failure::{Failure, in_full};
use crate::session::Session;

#[derive(Serialize)]
struct Exported<'a> {
    v: u8,
    dir: String,
    files: Vec<&'a str>,
}

pub(crate) async fn run(args: &Export, session: &mut Session<'_, '_>) -> Result<ExitCode, Failure> {
    let mut policy = ReplyPolicy::default();
    if let Some(retry_after) = args.retry_after {
        policy = policy.with_retry_after(retry_after);
    }
    if let Some(page) = &args.page {
        policy = policy.with_page(template(page)?);
    }
    let directory =
        std::path::absolute(&args.dir).map_err(|error| cannot("find", &args.dir, &error))?;
    let record = session.operator.inspect(0).await?.record;
    let settings = match (record.activation(), record.plan()) {
        (Some(activation), _) => Some(&activation.settings),
        (None, plan) => plan.map(|plan| &plan.settings),
    };
    // An application that is down is closed whatever the level, and to everybody.
    let mut notice = Notice::new(Marker::Activated);
    if let Some(settings) = settings {
        notice = notice
            .with_message(settings.message.as_deref())
            .with_until(settings.ends_at)
            .with_retry_after(settings.retry_after);
    }
    let replies = Replies::render(&policy, &notice);
    let files = render(&directory, &replies, session.now())
        .map_err(|error| Failure::usage(in_full(&error)))?;
    write(&directory, &files).map_err(|error| cannot("write into", &directory, &error))?;
    report(&directory, &files, session)?;
    Ok(ExitCode::Done)
}

fn template(file: &Path) -> Result<PageTemplate, Failure> {
    let text = fs::read_to_string(file).map_err(|error| cannot("read", file, &error))?;
    PageTemplate::parse(&text)
        .map_err(|error| Failure::usage(format!("{}: {}", file.display(), in_full(&error))))
}

fn write(directory: &Path, files: &[File]) -> io::Result<()> {
    for file in files {
        let path = directory.join(file.name);
        fs::create_dir_all(path.parent().unwrap_or(directory))?;
        let mut written = AtomicWriteFile::open(&path)?;
        written.write_all(&file.content)?;
        written.commit()?;
    }
    Ok(())
}

fn report(directory: &Path, files: &[File], session: &mut Session<'_, '_>) -> Result<(), Failure> {
    if session.json {
        session.output.json(&Exported {
            v: 1,
            dir: directory.display().to_string(),
            files: files.iter().map(|file| file.name).collect(),
        })?;
    } else {
        for file in files {
            session
                .output
                .line(&directory.join(file.name).display().to_string())?;
        }
    }
    let dir = directory.display();
    session.output.note(&format!(
        "nginx: include \"{dir}/nginx-http.conf\"; in `http`, and \"{dir}/nginx.conf\" in `server`"
    ))?;
    session.output.note(&format!(
        "HAProxy: load '{dir}/haproxy.cfg' with another -f, and say `errorfiles intermission 503` in the backend"
    ))?;
    session.output.note(&format!(
        "Caddy: import \"{dir}/Caddyfile\" in the site's block"
    ))
}

fn cannot(what: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::new(
        ExitCode::Failed,
        format!("cannot {what} {}: {error}", path.display()),
    )
}
