//! What must come back, written once for all servers.

use std::collections::BTreeMap;

use intermission::reply::{
    BYPASSED, HeaderText, Replies, Reply, ReplyForm, ReplyRequest, SCHEDULED_HEADER, Scheduled,
};
use intermission::{AdmitReason, Decision, RefuseReason};

use crate::failure::{Checked, ensure, ensure_eq};

use super::Answer;
use super::http1::{Received, Request};
use super::stage::Stage;

/// The headers that are compared: those that Intermission sets, those of the application, and what the outer
/// middleware adds. A line of one of these that is not expected fails the row.
const COMPARED: &[&str] = &[
    "cache-control",
    "content-length",
    "content-security-policy",
    "content-type",
    "grpc-message",
    "grpc-retry-pushback-ms",
    "grpc-status",
    "location",
    "maintenance-mode",
    SCHEDULED_HEADER,
    "referrer-policy",
    "refresh",
    "retry-after",
    "set-cookie",
    "vary",
    "x-content-type-options",
    DECISION,
    "x-outer",
];

const DECISION: &str = "x-decision";

/// What must come back for a request.
#[derive(Clone, Debug)]
pub(crate) enum Expect {
    /// The application's answer, let in by that rule; `None` if nothing was asked.
    Admitted {
        status: u16,
        body: &'static str,
        reason: Option<AdmitReason>,
    },
    /// The refusal, in that form, by that rule.
    Refused { form: Form, reason: RefuseReason },
    /// The refusal by that rule, in the form that core chooses for the request.
    RefusedAsCoreSays(RefuseReason),
    /// That status and no call, whatever else.
    Status(u16),
    /// A refusal that has these lines, whatever else. An empty value means that there is no such line.
    Lines {
        status: u16,
        lines: &'static [(&'static str, &'static str)],
    },
    /// Everything to the letter, with no call.
    Exactly {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: String,
    },
}

/// The form of a refusal, independently of how it is negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Text,
    Problem,
    Page,
    Grpc,
}

pub(crate) fn admitted(body: &'static str, reason: impl Into<Option<AdmitReason>>) -> Expect {
    Expect::Admitted {
        status: 200,
        body,
        reason: reason.into(),
    }
}

/// Nothing had to be asked.
pub(crate) fn open(body: &'static str) -> Expect {
    admitted(body, None)
}

pub(crate) const fn refused() -> Expect {
    refused_as(Form::Text)
}

pub(crate) const fn refused_as(form: Form) -> Expect {
    Expect::Refused {
        form,
        reason: RefuseReason::Maintenance,
    }
}

pub(crate) const fn refused_by(reason: RefuseReason) -> Expect {
    Expect::Refused {
        form: Form::Text,
        reason,
    }
}

pub(crate) const fn lines(lines: &'static [(&'static str, &'static str)]) -> Expect {
    Expect::Lines { status: 503, lines }
}

type Headers = BTreeMap<String, Vec<String>>;

impl Expect {
    const fn is_call(&self) -> bool {
        matches!(self, Self::Admitted { .. })
    }

    /// Compares it with what came back for a request that was asked when so many calls had been made.
    pub(crate) fn check(
        &self,
        stage: &Stage,
        request: &Request,
        received: &Received,
        calls_before: usize,
    ) -> Checked {
        self.compare(stage, request, received)
            .map_err(|failure| failure.during(&format!("{} {}", request.method, request.target)))?;
        ensure_eq(
            "the number of calls of the application",
            &(stage.site.calls() - calls_before),
            &usize::from(self.is_call()),
        )
    }

    fn compare(&self, stage: &Stage, request: &Request, received: &Received) -> Checked {
        let http2 = received.ended_with_headers.is_some();
        let (status, mut headers, body) = match self {
            Self::Status(status) => return status_is(*status, received),
            Self::Lines { status, lines } => {
                status_is(*status, received)?;
                return lines.iter().try_for_each(|(name, value)| {
                    let expected: &[&str] = if value.is_empty() { &[] } else { &[value] };
                    same_lines(name, expected, received)
                });
            }
            Self::Admitted {
                status,
                body,
                reason,
            } => (
                *status,
                admitted_headers(stage, body, *reason),
                body.as_bytes().to_vec(),
            ),
            Self::RefusedAsCoreSays(reason) => {
                let reply = reply_to(stage, request);
                let headers = refused_headers(&reply, *reason, http2);
                (reply.status(), headers, reply.body().to_vec())
            }
            Self::Refused { form, reason } => {
                let reply = reply(stage, request, *form);
                let headers = refused_headers(&reply, *reason, http2);
                (reply.status(), headers, reply.body().to_vec())
            }
            Self::Exactly {
                status,
                headers,
                body,
            } => {
                let headers = headers.iter();
                let headers =
                    headers.map(|(name, value)| ((*name).to_owned(), vec![value.clone()]));
                (*status, headers.collect(), body.clone().into_bytes())
            }
        };
        headers.insert("x-outer".to_owned(), vec!["seen".to_owned()]);
        status_is(status, received)?;
        let head_of_application = request.is_head() && self.is_call();
        for name in COMPARED {
            if *name == DECISION && !stage.shows_decisions {
                continue;
            }
            // What a framework says of a body that it does not send is its own.
            if *name == "content-length" && head_of_application {
                continue;
            }
            let expected = headers.get(*name).map_or(&[][..], Vec::as_slice);
            same_lines(name, expected, received)?;
        }
        let body = if request.is_head() { Vec::new() } else { body };
        ensure(received.body == body, || {
            let body = String::from_utf8_lossy(&body);
            format!("the body is {:?} and should be {body:?}", received.text())
        })
    }
}

fn status_is(status: u16, received: &Received) -> Checked {
    ensure(received.status == status, || {
        format!("the status should be {status}, and what came is {received:?}")
    })
}

fn same_lines<T: AsRef<str> + std::fmt::Debug>(
    name: &str,
    expected: &[T],
    received: &Received,
) -> Checked {
    let found = received.values(name);
    let is_same = found.len() == expected.len()
        && found
            .iter()
            .zip(expected)
            .all(|(found, expected)| *found == expected.as_ref());
    ensure(is_same, || {
        format!("`{name}` is {found:?} and should be {expected:?}, in {received:?}")
    })
}

fn admitted_headers(stage: &Stage, body: &str, reason: Option<AdmitReason>) -> Headers {
    let mut headers = Headers::new();
    let mut set = |name: &str, value: &str| {
        headers.insert(name.to_owned(), vec![value.to_owned()]);
    };
    for (name, value) in Answer::HEADERS {
        set(name, value);
    }
    set("content-length", &body.len().to_string());
    let upcoming = stage.gate.upcoming();
    if let Some(plan) = upcoming.filter(|_| stage.given.announces) {
        let value = written(Scheduled::of(&plan).value());
        set(SCHEDULED_HEADER, &value);
    }
    if let Some(reason) = reason {
        set(DECISION, &Decision::Admit(reason).to_string());
        if reason.is_bypass() {
            for (name, value) in BYPASSED {
                set(name, value);
            }
        }
    }
    headers
}

/// What core renders for those who are refused at present.
fn replies(stage: &Stage) -> Replies {
    let given = &stage.given;
    let passes = !stage.gate.record().passes().is_empty();
    Replies::render(&given.reply_policy, &given.notice(stage.now(), passes))
}

/// The reply of this form as core makes it.
fn reply(stage: &Stage, request: &Request, form: Form) -> Reply {
    let asked = ReplyRequest::new(request.method);
    let accepting = |accept: &'static [u8]| asked.with_accept([accept]);
    let asked = match form {
        Form::Text => accepting(b"text/plain"),
        Form::Problem => accepting(b"application/problem+json"),
        Form::Page => accepting(b"text/html"),
        Form::Grpc => accepting(b"*/*").with_content_type(&b"application/grpc"[..]),
    };
    replies(stage).reply(asked, stage.now(), 0)
}

/// The reply to what the request accepts, as core makes it.
fn reply_to(stage: &Stage, request: &Request) -> Reply {
    let content_type = request.lines("content-type").next();
    let asked = ReplyRequest::new(request.method)
        .with_accept(request.lines("accept"))
        .with_content_type(content_type);
    let replies = replies(stage);
    let path = request.target.split('?').next().unwrap_or_default();
    let asked = asked.with_vendor(replies.vendor_at(path));
    replies.reply(asked, stage.now(), 0)
}

fn refused_headers(reply: &Reply, reason: RefuseReason, http2: bool) -> Headers {
    let mut headers: Headers = reply
        .headers()
        .map(|(name, value)| (name.to_owned(), vec![written(value)]))
        .collect();
    let decision = Decision::Refuse(reason).to_string();
    headers.insert(DECISION.to_owned(), vec![decision]);
    if !http2 && reply.form() == ReplyForm::Grpc {
        // A client of HTTP/1 would wait for more.
        headers.insert("content-length".to_owned(), vec!["0".to_owned()]);
    }
    headers
}

fn written(value: HeaderText<'_>) -> String {
    value.to_string()
}
