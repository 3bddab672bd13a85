//! What a refused visitor gets on the paths of an API that has a format of its own.

use std::time::Duration;

use intermission::reply::{Notice, RefusalStatus, ReplyPolicy, VendorFormat};
use intermission::{Activate, Change, Level};

use super::replies::{BROWSER, exactly, moving, row};
use crate::adapter::expected::{Expect, Form, refused, refused_as};
use crate::adapter::given::Given;
use crate::adapter::http1::{Request, get, post};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::failure::{Checked, ensure_eq};

/// A format for what is nested, and for the paths below `/api`.
#[derive(Debug)]
struct Vendor;

impl VendorFormat for Vendor {
    fn is_for(&self, path: &str) -> bool {
        ["/nested/", "/api/"]
            .iter()
            .any(|prefix| path.starts_with(prefix))
    }

    fn content_type(&self) -> &'static str {
        "application/vnd.vendor+json"
    }

    fn body(&self, notice: &Notice<'_>, message: &str) -> Vec<u8> {
        format!("{} {message}", notice.marker()).into_bytes()
    }

    fn status(&self, _policy: RefusalStatus) -> RefusalStatus {
        RefusalStatus::SERVICE_UNAVAILABLE
    }
}

fn speaking_vendor() -> ReplyPolicy {
    let status = RefusalStatus::new(429).unwrap_or_default();
    ReplyPolicy::default()
        .with_status(status)
        .with_vendor_format(Vendor)
}

fn vendor() -> Expect {
    exactly(
        503,
        &[
            ("content-type", "application/vnd.vendor+json"),
            ("content-length", "39"),
            ("retry-after", "120"),
            ("cache-control", "no-store"),
            ("vary", "Accept"),
            ("maintenance-mode", "activated"),
            ("x-content-type-options", "nosniff"),
            ("x-decision", "refuse (maintenance)"),
        ],
        "activated We are moving to a new shelf.",
    )
}

pub(super) fn rows() -> Vec<Row> {
    let given = || moving().replying(speaking_vendor());
    let accepting = |path: &str, accept: &str| get(path).with("accept", accept);
    vec![
        row(
            "a_path_with_a_format_of_its_own_gets_it",
            "Refusals on the paths of a vendor format have it, whatever is accepted, and no others have.",
            given(),
            [
                (get("/api/v1/things"), vendor()),
                (accepting("/api/v1/things", BROWSER), vendor()),
                (accepting("/api/x?y=/", "text/plain"), vendor()),
                (
                    post("/api/v1/things")
                        .with("content-type", "application/json")
                        .body("{}"),
                    vendor(),
                ),
                (Request::new("HEAD", "/api/v1/things"), vendor()),
                (get("/apix"), refused()),
                (get("/?/api/"), refused()),
                (accepting("/items", "text/html"), refused_as(Form::Page)),
                (
                    post("/api/x").with("content-type", "application/grpc"),
                    refused_as(Form::Grpc),
                ),
            ],
        ),
        row(
            "a_nested_path_is_the_whole_one",
            "Whether a vendor format is for a path is judged by the whole path, wherever the route is nested.",
            given(),
            [(get("/nested/page"), vendor()), (get("/page"), refused())],
        ),
        plays!(
            Replies,
            a_vendor_format_follows_the_mode,
            "Each refusal in a vendor format says the mode, the message and the time of its moment.",
            Given::closed()
                .ending_in(Duration::from_secs(90))
                .replying(speaking_vendor())
        ),
    ]
}

async fn a_vendor_format_follows_the_mode(stage: &Stage) -> Checked {
    for left in ["90", "80"] {
        let received = stage.ask(&get("/api/x")).await?;
        ensure_eq("the time", &received.one("retry-after")?, &left)?;
        stage.clock.advance(Duration::from_secs(10));
    }
    for message in ["before", "after"] {
        let activate = Activate::by("ana")
            .with_message(message)
            .with_level(Level::ReadOnly);
        stage.change(Change::Activate(activate)).await?;
        let received = stage.ask(&post("/api/x")).await?;
        ensure_eq(
            "the body",
            &&*received.text(),
            &&*format!("read-only {message}"),
        )?;
    }
    Ok(())
}
