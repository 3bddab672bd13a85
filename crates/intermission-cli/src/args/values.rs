//! What stands behind an option, and why it may be wrong.

use std::convert::Infallible;
use std::error::Error;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use intermission::{AllowChange, AllowList, DrainPolicy, Goal, OnFailure};

use super::IfClosed;
use crate::failure::{Failure, in_full};
use crate::time::{BadDuration, BadWhen, When, parse_duration, parse_whole_seconds};

/// One of these words and no other, so that help and completions list them.
pub(super) fn words<T, E>(
    words: &'static [&'static str],
    parse: fn(&str) -> Result<T, E>,
) -> impl TypedValueParser<Value = T>
where
    T: Clone + Send + Sync + 'static,
    E: Error + Send + Sync + 'static,
{
    PossibleValuesParser::new(words).try_map(move |word| parse(&word))
}

pub(super) fn parse_goal(word: &str) -> Result<Goal, Infallible> {
    Ok(if word == "quiescent" {
        Goal::Quiescent
    } else {
        Goal::Activated
    })
}

pub(super) fn parse_if_closed(word: &str) -> Result<IfClosed, Infallible> {
    Ok(match word {
        "wait" => IfClosed::Wait,
        "run" => IfClosed::Run,
        _ => IfClosed::Skip,
    })
}

pub(super) fn parse_on_failure(word: &str) -> Result<OnFailure, Infallible> {
    Ok(if word == "lift" {
        OnFailure::Lift
    } else {
        OnFailure::Keep
    })
}

/// A command that says nothing.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the command is empty: write what is to be run, as in `./purge-cdn`")]
pub(super) struct EmptyCommand;

pub(super) fn parse_command(text: &str) -> Result<String, EmptyCommand> {
    if text.trim().is_empty() {
        Err(EmptyCommand)
    } else {
        Ok(text.to_owned())
    }
}

/// A text that is no drain policy.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadDrain {
    #[error("unknown policy `{word}`: write `wait`, `force:5m` or `abort:5m`")]
    Unknown { word: String },
    #[error("`{policy}` needs a limit: write for example `{policy}:5m`")]
    NoLimit { policy: String },
    #[error("`wait` has no limit: write `wait`, or `force:{limit}` or `abort:{limit}`")]
    NeedlessLimit { limit: String },
    #[error("{0}")]
    Limit(BadDuration),
}

pub(super) fn parse_drain(text: &str) -> Result<DrainPolicy, BadDrain> {
    let (word, limit) = match text.split_once(':') {
        Some((word, limit)) => (word, Some(limit)),
        None => (text, None),
    };
    let limited: fn(Duration) -> DrainPolicy = match word {
        "wait" => {
            let limit = limit.map(str::to_owned);
            return limit.map_or(Ok(DrainPolicy::Wait), |limit| {
                Err(BadDrain::NeedlessLimit { limit })
            });
        }
        "force" => DrainPolicy::Force,
        "abort" => DrainPolicy::Abort,
        _ => {
            return Err(BadDrain::Unknown {
                word: word.to_owned(),
            });
        }
    };
    let limit = limit.ok_or_else(|| BadDrain::NoLimit {
        policy: word.to_owned(),
    })?;
    parse_duration(limit).map(limited).map_err(BadDrain::Limit)
}

/// Reads the addresses of all values. Each may hold several, separated by commas or white space, and may end in one:
/// what `status` prints, and what Magento's prints, can be given back as it is.
pub(super) fn parse_addresses(values: &[String]) -> Result<AllowList, Failure> {
    let entries = values.iter().flat_map(|value| entries(value));
    AllowList::parse(entries).map_err(|error| Failure::usage(in_full(&error)))
}

fn entries(value: &str) -> impl Iterator<Item = &str> {
    let value = value.trim();
    let parts = value.strip_suffix(',').unwrap_or(value).split(',');
    // An empty part is kept, to be named: between two commas an address may have got lost.
    parts.flat_map(|part| {
        let is_empty = part.trim().is_empty();
        is_empty
            .then_some(part)
            .into_iter()
            .chain(part.split_whitespace())
    })
}

/// The change that replaces the list by these addresses, or clears it at the word `none`.
pub(super) fn replacement(values: &[String]) -> Result<Option<AllowChange>, Failure> {
    match values {
        [] => Ok(None),
        [word] if word == NONE => Ok(Some(AllowChange::Replace(AllowList::default()))),
        several
            if several
                .iter()
                .any(|value| entries(value).any(|entry| entry == NONE)) =>
        {
            Err(Failure::usage(format!(
                "`{NONE}` stands alone: write either `{NONE}` or addresses"
            )))
        }
        several => Ok(Some(AllowChange::Replace(parse_addresses(several)?))),
    }
}

const NONE: &str = "none";

/// What is said, or that what was said before is taken back: the word `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OrNone<T> {
    None,
    This(T),
}

pub(super) fn parse_end(text: &str) -> Result<OrNone<When>, BadWhen> {
    or_none(text, str::parse)
}

pub(super) fn parse_retry_after(text: &str) -> Result<OrNone<Duration>, BadDuration> {
    or_none(text, parse_whole_seconds)
}

fn or_none<T, E>(text: &str, parse: fn(&str) -> Result<T, E>) -> Result<OrNone<T>, E> {
    if text == NONE {
        Ok(OrNone::None)
    } else {
        parse(text).map(OrNone::This)
    }
}

#[derive(Debug, thiserror::Error)]
pub(super) enum BadRequest {
    #[error("methods are written in capitals: write `{capitals}`")]
    SmallLetters { capitals: String },
    #[error("not a method: write for example `GET`")]
    Method,
    #[error("a path begins with a slash: write for example `/checkout`")]
    Path,
    #[error("write an address of the site without a fragment, as in `https://shop.example/`")]
    BaseUrl,
}

/// Methods are case-sensitive, and an unknown one is not safe. So `get` would be explained as something that nobody
/// sends.
pub(super) fn parse_method(text: &str) -> Result<String, BadRequest> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err(BadRequest::Method);
    }
    let capitals = text.to_ascii_uppercase();
    if capitals == text {
        Ok(capitals)
    } else {
        Err(BadRequest::SmallLetters { capitals })
    }
}

/// The path without its query, which no rule looks at.
pub(super) fn parse_path(text: &str) -> Result<String, BadRequest> {
    let path = text.split(['?', '#']).next().unwrap_or_default();
    if path.starts_with('/') || path == "*" {
        Ok(path.to_owned())
    } else {
        Err(BadRequest::Path)
    }
}

pub(super) fn parse_base_url(text: &str) -> Result<String, BadRequest> {
    let host = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let is_plain = !text
        .contains(|letter: char| letter == '#' || letter.is_whitespace() || letter.is_control());
    match host {
        Some(host) if is_plain && !host.is_empty() && !host.starts_with('/') => Ok(text.to_owned()),
        _ => Err(BadRequest::BaseUrl),
    }
}
