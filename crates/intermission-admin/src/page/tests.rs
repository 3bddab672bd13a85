//! The page as a browser gets it, before any script.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use intermission::{
    Acquire, Activate, Actor, AllowChange, AllowList, Change, Clock as _, Deactivate, Departure,
    ExecutionInfo, Gate, HistoryEntry, HolderId, Level, MaintenanceState, MemoryState, NodeId,
    NodeReport, OperateReply, Operation, Pass, Phase, Record, Revision, RouteAccess, ScopeName,
    StateError, StateErrorKind, SyncReply, SystemClock, View,
};
use sha2::{Digest, Sha256};

use super::assets;
use crate::{Admin, AdminBody, AdminReply, AdminRequest, Authorization, BodyError};

struct Site {
    gate: Gate,
    admin: Admin,
}

impl Site {
    async fn new() -> Self {
        let gate = Gate::builder(MemoryState::new())
            .with_node_name("n1 \"<b>\"")
            .start()
            .await
            .unwrap();
        Self::on(gate)
    }

    fn on(gate: Gate) -> Self {
        let admin = Admin::new(gate.clone())
            .with_site("Müller & Söhne")
            .with_route_access(RouteAccess::Always);
        Self { gate, admin }
    }

    async fn change(&self, change: Change) {
        let operator = self.gate.operator(Actor::new("ana <i>", "command"));
        let accepted = operator.change(change).await.unwrap();
        let revision = accepted.record.revision();
        self.gate
            .reached(|record| record.revision() >= revision)
            .await;
    }

    async fn activated(&self, activate: Activate) {
        self.change(Change::Activate(activate)).await;
        self.gate
            .reached(|record| {
                let on = record.activation();
                on.is_some_and(|on| on.completion.is_some())
            })
            .await;
    }

    async fn reply(&self, query: Option<&str>) -> AdminReply {
        let request = AdminRequest::new("GET", "/", Authorization::granted("ben \u{202e}'\""))
            .with_query(query)
            .with_peer(Some("192.0.2.7".parse().unwrap()));
        self.admin
            .answer(request, |_| async { Err(BodyError::Broken) })
            .await
    }

    async fn page(&self) -> String {
        text(self.reply(None).await)
    }
}

fn text(reply: AdminReply) -> String {
    assert_eq!(reply.status(), 200);
    match reply.into_body() {
        AdminBody::Full(body) => String::from_utf8(body.to_vec()).unwrap(),
        AdminBody::Events(_) => panic!("no page"),
    }
}

/// What stands between two marks, the first time.
fn between<'a>(text: &'a str, start: &str, end: &str) -> &'a str {
    text.split_once(start).unwrap().1.split_once(end).unwrap().0
}

fn says(html: &str, lines: &[&str]) {
    for line in lines {
        assert!(html.contains(line), "{line}\n{html}");
    }
}

#[tokio::test]
async fn an_open_site_is_shown_without_any_script() {
    let site = Site::new().await;
    let html = site.page().await;
    says(
        &html,
        &[
            "<html lang=\"en\">",
            "<title>Open · Müller &amp; Söhne · Maintenance</title>",
            "<h1 id=\"state-title\" tabindex=\"-1\">Open</h1>",
            "data-mood=\"deactivated\"",
            "Everybody is let in.",
            "Your address is <span class=\"code\">192.0.2.7</span>",
            "None is listed.",
            "n1 &quot;&lt;b&gt;&quot;",
            "Nothing has happened yet.",
            "Signed in as <bdi>ben \u{fffd}&#39;&quot;</bdi>",
        ],
    );
}

#[tokio::test]
async fn a_plan_is_shown_without_any_script() {
    let site = Site::new().await;
    let start = SystemClock.now().saturating_add(Duration::from_secs(3_600));
    let end = start.saturating_add(Duration::from_secs(600));
    let plan = Activate::by("ana")
        .with_starts_at(start)
        .with_ends_at(end)
        .with_auto_end(true)
        .with_level(Level::ReadOnly)
        .with_message("Soon");
    site.change(Change::Activate(plan)).await;
    let html = site.page().await;
    says(
        &html,
        &[
            "<h1 id=\"state-title\" tabindex=\"-1\">Open, maintenance planned</h1>",
            "data-mood=\"planned\"",
            &format!("<dt>Starts</dt><dd><time datetime=\"{start}\""),
            &format!("<time datetime=\"{end}\""),
            "opens by itself",
            "<dd>Read-only</dd>",
            "dir=\"auto\">Soon</dd>",
            "Cancel the plan…",
            &format!("data-at=\"{start}\""),
        ],
    );
}

#[tokio::test]
async fn a_drain_is_shown_without_any_script() {
    let site = Site::new().await;
    let job = ExecutionInfo::new("import").with_label("<script>7</script>");
    let execution = site.gate.execution(job).unwrap();
    site.change(Change::Activate(Activate::by("ana"))).await;
    // The node tells of what it runs with its next report.
    let html = loop {
        let html = site.page().await;
        if html.contains("1 execution still runs") {
            break html;
        }
        tokio::task::yield_now().await;
    };
    says(
        &html,
        &[
            "<h1 id=\"state-title\" tabindex=\"-1\">Closing: work drains</h1>",
            "data-mood=\"activating\"",
            "1 execution still runs on 1 node.",
            "<bdi>import</bdi> <bdi>&lt;script&gt;7&lt;/script&gt;</bdi>",
            "0 of 1 node drained",
            "waits until the last execution has ended",
        ],
    );
    drop(execution);
}

#[tokio::test]
async fn a_closed_site_is_shown_without_any_script() {
    let site = Site::new().await;
    let list = AllowList::parse(["192.0.2.0/24", "2001:db8::1"]).unwrap();
    site.change(Change::Allow(AllowChange::Add(list))).await;
    site.activated(Activate::by("ana <i>").with_message("One\nTwo"))
        .await;
    let (pass, secret) = Pass::issue("the \"auditor\"", None).unwrap();
    site.change(Change::IssuePass(pass.clone())).await;
    let html = site.page().await;
    says(
        &html,
        &[
            "<title>Closed · Müller &amp; Söhne · Maintenance</title>",
            "<h1 id=\"state-title\" tabindex=\"-1\">Closed</h1>",
            "data-mood=\"activated\"",
            "Visitors are refused.",
            "by <bdi>ana &lt;i&gt;</bdi>",
            "dir=\"auto\">One\nTwo</dd>",
            "<span class=\"code\">192.0.2.0/24</span> <span class=\"tag\">yours</span>",
            "<span class=\"code\">2001:db8::1</span> <button",
            "the &quot;auditor&quot;",
            "until the end",
            "<strong><bdi>ana &lt;i&gt;</bdi></strong> activated maintenance",
            "Deactivate maintenance…",
        ],
    );
    assert!(!html.contains(&secret.to_string()));
}

#[tokio::test]
async fn parts_that_are_closed_by_themselves_are_listed() {
    let site = Site::new().await;
    says(&site.page().await, &["None is closed by itself."]);
    let close = Change::Activate(Activate::by("ana <i>"));
    site.change(close.in_scope("billing".parse().unwrap()))
        .await;
    let billing: ScopeName = "billing".parse().unwrap();
    site.gate
        .reached(|record| record.scopes().phase(&billing) == Phase::Activated)
        .await;
    says(
        &site.page().await,
        &[
            "<h1 id=\"state-title\" tabindex=\"-1\">Open</h1>",
            "<strong><bdi>billing</bdi></strong> <span>closed, requested by <bdi>ana &lt;i&gt;</bdi>",
            "data-open=\"billing\"",
            "closed a part of the site; its drain began",
            "The drain is complete: a part of the site is closed: <span class=\"note\" dir=\"auto\">scope billing</span>",
        ],
    );
}

#[tokio::test]
async fn every_level_is_named() {
    for (level, headline) in [
        (Level::Full, "Closed"),
        (Level::ReadOnly, "Closed for changes"),
        (Level::Exclusive, "Closed for everybody"),
    ] {
        let site = Site::new().await;
        site.activated(Activate::by("ana").with_level(level)).await;
        let html = site.page().await;
        says(
            &html,
            &[
                &format!("tabindex=\"-1\">{headline}</h1>"),
                &format!("value=\"{level}\" aria-describedby=\"level-{level}-help\" checked>"),
            ],
        );
    }
}

#[tokio::test]
async fn what_people_write_is_text_and_nothing_else() {
    let site = Site::new().await;
    let hostile =
        "</textarea></script><img src=x onerror=\"alert(1)\">\u{202e}'\u{0}\u{2028}{{site}}";
    let plain = site.page().await;
    site.activated(Activate::by(hostile).with_message(hostile))
        .await;
    let (pass, _) = Pass::issue(hostile, None).unwrap();
    site.change(Change::IssuePass(pass)).await;
    let html = site.page().await;
    for part in ["<img", "onerror=\"", "\u{202e}", "\u{0}", "\u{2028}"] {
        assert!(!html.contains(part), "{part:?}");
    }
    // Nor has it ended the script or the style.
    for mark in ["<script", "</script", "<style", "</style", "</textarea"] {
        assert_eq!(
            html.matches(mark).count(),
            plain.matches(mark).count(),
            "{mark}"
        );
    }
    let facts = between(&html, "data-facts=\"", "\"").replace("&quot;", "\"");
    let facts: serde_json::Value = serde_json::from_str(&facts).unwrap();
    assert_eq!(facts["phase"], "activated");
    assert_eq!(facts["you"], "192.0.2.7");
}

#[tokio::test]
async fn the_policy_allows_exactly_the_style_and_the_script_in_the_page() {
    let site = Site::new().await;
    let reply = site.reply(None).await;
    let policy = header(&reply, "content-security-policy");
    assert_eq!(header(&reply, "cache-control"), "no-store");
    let html = text(reply);
    let hash = |content: &str| STANDARD.encode(Sha256::digest(content));
    let style = hash(between(&html, "<style>", "</style>"));
    let script = hash(between(&html, "<script>", "</script>"));
    assert_eq!(
        html.matches("<style").count() + html.matches("<script").count(),
        2
    );
    assert_eq!(
        policy,
        format!(
            "default-src 'none'; style-src 'sha256-{style}'; script-src 'sha256-{script}'; connect-src 'self'; \
             img-src data:; form-action 'none'; base-uri 'none'; frame-ancestors 'none'; \
             require-trusted-types-for 'script'; trusted-types 'none'"
        )
    );
}

#[tokio::test]
async fn the_page_needs_nothing_else_and_obeys_its_own_policy() {
    let site = Site::new().await;
    site.activated(Activate::by("ana")).await;
    let html = site.page().await.to_lowercase();
    // The name of what the icon is written in, which nobody fetches.
    let html = html.replace("xmlns=&#39;http://www.w3.org/2000/svg&#39;", "");
    for part in [
        "http:",
        "https:",
        "url(",
        "@import",
        " style=",
        "innerhtml",
        "outerhtml",
        "insertadjacent",
        "document.write",
        "eval(",
        "<iframe",
        "<img",
        "src=",
    ] {
        assert!(!html.contains(part), "{part}");
    }
    assert_eq!(html.matches("<link").count(), 1);
    assert!(html.contains("<link rel=\"icon\" id=\"icon\" href=\"data:"));
    // Outside of the script, where `onerror = …` is an assignment.
    let markup = html.replace(&assets::script().to_lowercase(), "");
    let handlers = markup.split(" on").skip(1).filter(|rest| {
        let name: String = rest.chars().take_while(char::is_ascii_alphabetic).collect();
        !name.is_empty()
            && rest
                .get(name.len()..)
                .is_some_and(|rest| rest.starts_with('='))
    });
    assert_eq!(handlers.count(), 0);
}

#[tokio::test]
async fn what_lives_can_be_had_alone() {
    let site = Site::new().await;
    let part = text(site.reply(Some("part=live")).await);
    assert!(part.starts_with("<main id=\"live\""), "{part}");
    assert!(!part.contains("<script") && !part.contains("<style"));
    let page = site.page().await;
    let sections = |html: &str| html.matches("<section").count();
    assert_eq!(sections(&part), sections(&page));
}

#[tokio::test]
async fn each_label_and_description_names_something_that_is_there() {
    let site = Site::new().await;
    site.activated(Activate::by("ana")).await;
    let html = site.page().await;
    let ids: Vec<&str> = html
        .split(" id=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let mut unique = ids.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "{ids:?}");
    for attribute in [" for=\"", " aria-labelledby=\"", " aria-describedby=\""] {
        for names in html.split(attribute).skip(1) {
            for name in names.split('"').next().unwrap().split(' ') {
                assert!(ids.contains(&name), "{attribute}{name}");
            }
        }
    }
}

fn header(reply: &AdminReply, name: &str) -> String {
    let mut headers = reply.headers();
    headers
        .find(|(found, _)| *found == name)
        .unwrap()
        .1
        .to_owned()
}

/// A state that can be taken away.
#[derive(Clone)]
struct Breakable {
    state: MemoryState,
    is_broken: Arc<AtomicBool>,
}

impl Breakable {
    fn reach(&self) -> Result<&MemoryState, StateError> {
        if self.is_broken.load(Ordering::Relaxed) {
            Err(
                StateError::new(StateErrorKind::Unavailable, "nobody answers")
                    .with_source("<gone>"),
            )
        } else {
            Ok(&self.state)
        }
    }
}

impl MaintenanceState for Breakable {
    async fn sync(&self, report: NodeReport) -> Result<SyncReply, StateError> {
        self.reach()?.sync(report).await
    }

    async fn operate(&self, operation: Operation) -> Result<OperateReply, StateError> {
        self.reach()?.operate(operation).await
    }

    async fn leave(&self, node: NodeId, departure: Departure) -> Result<(), StateError> {
        self.reach()?.leave(node, departure).await
    }

    async fn inspect(&self, limit: usize) -> Result<View, StateError> {
        self.reach()?.inspect(limit).await
    }

    async fn history(&self, limit: usize) -> Result<Vec<HistoryEntry>, StateError> {
        self.reach()?.history(limit).await
    }

    async fn watch(&self, seen: Revision) -> Result<Option<Arc<Record>>, StateError> {
        self.reach()?.watch(seen).await
    }
}

#[tokio::test]
async fn a_state_out_of_reach_is_said_and_what_was_known_last_is_shown() {
    let state = Breakable {
        state: MemoryState::new(),
        is_broken: Arc::default(),
    };
    let gate = Gate::builder(state.clone()).start().await.unwrap();
    let site = Site::on(gate);
    site.activated(Activate::by("ana").with_message("Back soon"))
        .await;
    state.is_broken.store(true, Ordering::Relaxed);
    let html = site.page().await;
    says(
        &html,
        &[
            "<strong>The maintenance state is out of reach.</strong>",
            "&lt;gone&gt;",
            "tabindex=\"-1\">Closed</h1>",
            "Back soon",
        ],
    );
}

#[tokio::test]
async fn who_holds_the_site_is_named_and_whether_he_still_works() {
    let site = Site::new().await;
    let acquire = |bits: u128, node: NodeId, label: &str| {
        let activate = Activate::by("ci <b>");
        let id = HolderId::from_bits(bits);
        Change::Acquire(Acquire::new(id, node, "n1", label, activate))
    };
    let own = site.gate.status().node;
    site.change(acquire(1, own, "backup <i>")).await;
    let page = site.page().await;
    assert!(page.contains("Held by"), "{page}");
    assert!(page.contains("<bdi>backup &lt;i&gt;</bdi>"), "{page}");
    assert!(
        page.contains("The site opens when all of them are done."),
        "{page}"
    );
    assert!(!page.contains("Gone or out of contact"), "{page}");

    site.change(acquire(2, NodeId::from_bits(9), "migrate"))
        .await;
    let reason = "exit status 3 <u>".to_owned();
    site.change(Change::NoteFailure(HolderId::from_bits(1), reason))
        .await;
    let page = site.page().await;
    assert!(
        page.contains("Failed: <bdi>backup &lt;i&gt;</bdi>"),
        "{page}"
    );
    assert!(
        page.contains("<bdi>exit status 3 &lt;u&gt;</bdi>"),
        "{page}"
    );
    assert!(
        page.contains("Gone or out of contact: <bdi>migrate</bdi>"),
        "{page}"
    );
    assert!(page.contains("The site does not open by itself."), "{page}");
    site.change(Change::Deactivate(Deactivate::new())).await;
    site.activated(Activate::by("ana")).await;
    site.change(acquire(3, own, "backup")).await;
    let page = site.page().await;
    assert!(
        page.contains("The site stays closed when they are done."),
        "{page}"
    );
}
