//! What anybody may know.

use intermission::{Gate, Level, Phase, Plan, Timestamp};
use serde::Serialize;

use crate::problem::Problem;
use crate::reply::AdminReply;

/// How the site is, for the public: for applications and pages that tell their users, without any permission.
///
/// The answer is `{"phase":"activated","message":"Back soon","ends_at":null,"retry_after_s":600,"upcoming":null}`, with these
/// keys and no others: nothing of who made the change, of who may pass, or of the nodes. It is what the node's gate knows, so
/// it asks no store and may be asked as often as anybody likes; caches may keep it for a second. `retry_after_s` is what a
/// refused visitor is told, and `null` while the node is open. `upcoming` is the maintenance that is planned and has not begun
/// ([`Gate::upcoming`]), for a banner or a countdown: `{"starts_at":…,"ends_at":null,"level":"full","message":"A new
/// database"}`. Times are in UTC; show them in the zone of whoever reads.
///
/// # Examples
///
/// ```
/// use intermission::{Gate, MemoryState};
/// use intermission_admin::{AdminBody, public_status};
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let gate = Gate::builder(MemoryState::new()).start().await?;
/// let reply = public_status(&gate, "GET");
/// assert_eq!(reply.status(), 200);
/// let AdminBody::Full(body) = reply.into_body() else { panic!("these are no events") };
/// assert_eq!(body, r#"{"phase":"deactivated","message":null,"ends_at":null,"retry_after_s":null,"upcoming":null}"#);
/// # Ok(()) }
/// ```
pub fn public_status(gate: &Gate, method: &str) -> AdminReply {
    let reply = match method {
        "GET" | "HEAD" => {
            let record = gate.record();
            let upcoming = gate.upcoming();
            let status = PublicStatus {
                phase: record.phase(),
                message: record.message(),
                ends_at: record.ends_at(),
                retry_after_s: gate.retry_after_s(),
                upcoming: upcoming.as_ref().map(Upcoming::from),
            };
            AdminReply::json(200, &status).with_header("cache-control", "public, max-age=1")
        }
        _ => Problem::new(405, "this can be asked with GET, HEAD only")
            .reply()
            .with_header("allow", "GET, HEAD"),
    };
    reply.finished(method == "HEAD")
}

#[derive(Serialize)]
struct PublicStatus<'a> {
    phase: Phase,
    message: Option<&'a str>,
    ends_at: Option<Timestamp>,
    retry_after_s: Option<u64>,
    upcoming: Option<Upcoming<'a>>,
}

#[derive(Serialize)]
struct Upcoming<'a> {
    starts_at: Timestamp,
    ends_at: Option<Timestamp>,
    level: Level,
    message: Option<&'a str>,
}

impl<'a> From<&'a Plan> for Upcoming<'a> {
    fn from(plan: &'a Plan) -> Self {
        Self {
            starts_at: plan.starts_at,
            ends_at: plan.settings.ends_at,
            level: plan.settings.level,
            message: plan.settings.message.as_deref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use intermission::{Activate, Actor, AllowChange, AllowList, Change, MemoryState, Pass};
    use serde_json::{Value, json};

    use super::*;
    use crate::reply::AdminBody;

    fn answered(gate: &Gate, method: &str) -> (u16, Vec<(&'static str, String)>, Value) {
        let reply = public_status(gate, method);
        let headers = reply
            .headers()
            .map(|(name, value)| (name, value.to_owned()));
        let (status, headers) = (reply.status(), headers.collect());
        let AdminBody::Full(body) = reply.into_body() else {
            panic!("a stream")
        };
        let body = serde_json::from_slice(&body).unwrap_or_default();
        (status, headers, body)
    }

    #[tokio::test]
    async fn the_public_is_told_five_things_and_no_more() {
        let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
        let expected = json!({
            "phase": "deactivated", "message": null, "ends_at": null, "retry_after_s": null, "upcoming": null,
        });
        let (status, headers, body) = answered(&gate, "GET");
        assert_eq!((status, body), (200, expected));
        let caching = ("cache-control", "public, max-age=1".to_owned());
        assert!(headers.contains(&caching), "{headers:?}");

        let operator = gate.operator(Actor::new("ana", "test"));
        let pass = Pass::issue("ben", None).unwrap().0;
        let allow = AllowChange::Replace(AllowList::parse(["192.0.2.10"]).unwrap());
        let activate = Activate::by("ana")
            .with_message("Back soon")
            .with_allow(allow)
            .with_retry_after(Duration::from_secs(77));
        operator.change(Change::Activate(activate)).await.unwrap();
        gate.reached(|record| record.phase() == Phase::Activated)
            .await;
        operator.change(Change::IssuePass(pass)).await.unwrap();
        gate.reached(|record| !record.passes().is_empty()).await;
        let expected = json!({
            "phase": "activated", "message": "Back soon", "ends_at": null, "retry_after_s": 77, "upcoming": null,
        });
        assert_eq!(answered(&gate, "GET").2, expected);

        let (status, headers, body) = answered(&gate, "HEAD");
        assert_eq!((status, body), (200, Value::Null));
        let length = ("content-length", expected.to_string().len().to_string());
        assert!(headers.contains(&length), "{headers:?}");
    }

    #[tokio::test]
    async fn the_public_is_told_what_is_planned() {
        let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
        let operator = gate.operator(Actor::new("ana", "test"));
        let plan = Activate::by("ana")
            .with_message("A new database")
            .with_level(Level::ReadOnly)
            .with_starts_at("2999-01-01T00:00:00Z".parse().unwrap())
            .with_ends_at("2999-01-01T01:00:00Z".parse().unwrap())
            .with_auto_end(true);
        operator.change(Change::Activate(plan)).await.unwrap();
        gate.reached(|record| record.plan().is_some()).await;
        let expected = json!({
            "phase": "deactivated", "message": null, "ends_at": null, "retry_after_s": null,
            "upcoming": {
                "starts_at": "2999-01-01T00:00:00.000Z", "ends_at": "2999-01-01T01:00:00.000Z", "level": "read-only",
                "message": "A new database",
            },
        });
        assert_eq!(answered(&gate, "GET").2, expected);
    }

    #[tokio::test]
    async fn the_public_may_only_read() {
        let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            let (status, headers, _) = answered(&gate, method);
            assert_eq!(status, 405, "{method}");
            assert!(headers.contains(&("allow", "GET, HEAD".to_owned())));
            assert!(headers.contains(&("cache-control", "no-store".to_owned())));
        }
    }
}
