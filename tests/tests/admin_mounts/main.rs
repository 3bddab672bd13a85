//! The admin API and page on each framework, in each way to mount them: the same cases, through real sockets.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod actix;
mod axum;
mod cases;
mod events;
mod warp;

use std::net::SocketAddr;
use std::process::ExitCode;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::Method;
use intermission::{
    AllowList, ForwardedHeader, Gate, MemoryState, Phase, RouteAccess, TrustedProxies,
};
use intermission_admin::{Admin, Authorization};
use intermission_tests::events::Events;
use intermission_tests::http::{Answer, send_body};
use libtest_mimic::{Arguments, Trial};

/// One way to mount the admin API in an application of one framework.
#[derive(Clone, Copy)]
struct Form {
    name: &'static str,
    /// Where the API is, seen from outside.
    mount: &'static str,
    /// Whether the framework tells that a request came by `https`.
    knows_https: bool,
    /// Serves an application that says `hello` at `/`, behind the gate, with the admin API and the public status always
    /// open.
    serve: fn(Gate, Admin) -> BoxFuture<'static, SocketAddr>,
}

/// A site whose admin API is mounted.
struct Site {
    form: Form,
    gate: Gate,
    admin: Admin,
    address: SocketAddr,
}

const ANA: (&str, &str) = ("authorization", "Bearer ana");
const BEN: (&str, &str) = ("authorization", "Bearer ben");
const JSON: (&str, &str) = ("content-type", "application/json");

/// Ana may administer. Ben is known, and may not. Some cannot be judged.
fn authorize(authorization: Option<&[u8]>) -> Authorization {
    match authorization {
        Some(b"Bearer ana") => Authorization::granted("ana"),
        Some(b"Bearer ben") => Authorization::Forbidden,
        Some(b"Bearer panic") => panic!("the authentication is broken"),
        _ => Authorization::Unauthenticated,
    }
}

/// What a table of routes needs, so that a mount is always open.
fn rows(mount: &str) -> [String; 4] {
    let mount = mount.to_owned();
    let page = format!("{mount}/");
    let below = format!("{mount}/{{*path}}");
    [mount, page, below, STATUS.to_owned()]
}

/// Where the public status is.
const STATUS: &str = "/maintenance-status";

impl Site {
    async fn new(form: Form) -> Self {
        let gate = Gate::builder(MemoryState::new()).start().await.unwrap();
        let local = AllowList::parse(["127.0.0.0/8"]).unwrap();
        let proxies = TrustedProxies::new(local, ForwardedHeader::XForwardedFor);
        let admin = Admin::new(gate.clone()).with_trusted_proxies(proxies);
        let address = (form.serve)(gate.clone(), admin.clone()).await;
        Self {
            form,
            gate,
            admin,
            address,
        }
    }

    /// Asks for what is below the mount.
    async fn ask(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let path = format!("{}{path}", self.form.mount);
        self.send(method, &path, headers, body).await
    }

    /// Asks for anything.
    async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let answer = send_body(self.address, method, path, headers, body).await;
        answer.unwrap_or_else(|error| panic!("{path}: {error:#}"))
    }

    async fn get(&self, path: &str) -> Answer {
        self.ask(Method::GET, path, &[ANA], "").await
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        self.ask(Method::POST, path, &[ANA, JSON], body).await
    }

    /// Ana listens to events.
    async fn listen(&self, headers: &[(&str, &str)]) -> anyhow::Result<Events> {
        let path = format!("{}/api/events", self.form.mount);
        Events::listen(self.address, &path, &[&[ANA], headers].concat()).await
    }

    /// Closes the site, and waits until this node has.
    async fn close(&self, body: &str) {
        let answer = self.post("/api/activate", body).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let is_closed = |record: &intermission::Record| record.phase() == Phase::Activated;
        self.gate.reached(is_closed).await;
    }

    async fn open(&self) {
        let answer = self.post("/api/deactivate", "{}").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        self.gate.reached(|record| !record.phase().is_on()).await;
    }
}

type Case = fn(Site) -> BoxFuture<'static, ()>;

/// A case for each form. The name is that of the function.
macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        [$((stringify!($name), (|site| $module::$name(site).boxed()) as Case)),*]
    };
}

fn main() -> ExitCode {
    let cases = cases![
        cases::the_page_is_below_the_mount,
        cases::head_is_answered_as_get_without_the_body,
        cases::what_is_not_there_is_told_apart,
        cases::only_who_may_administer_is_let_in,
        cases::what_nobody_may_send_is_not_read,
        cases::changes_are_made_by_who_was_authorized,
        cases::a_body_is_read_up_to_its_limit,
        cases::a_change_needs_json_and_our_own_page,
        cases::a_closed_site_can_be_opened_again,
        cases::the_query_arrives_as_sent,
        cases::proxies_are_believed_line_by_line,
        cases::links_begin_with_the_host_that_was_asked_for,
        cases::the_host_of_http2_is_known,
        cases::the_public_sees_the_status_and_no_more,
        events::events_come_as_they_happen,
        events::who_comes_back_is_told_what_was_missed,
        events::no_drain_waits_for_a_listener,
        events::a_listener_that_leaves_makes_room,
        events::streams_end_when_the_application_says_so,
    ];
    let forms = [axum::FORMS, actix::FORMS, warp::FORMS].concat();
    let trials = forms.into_iter().flat_map(|form| {
        cases.map(|(name, case)| {
            Trial::test(format!("{}::{name}", form.name), move || {
                play(form, case);
                Ok(())
            })
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit_code()
}

fn play(form: Form, case: Case) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async move {
        let site = Site::new(form).await;
        case(site).await;
    });
    // What a server still has open is not to keep the other cases from running.
    runtime.shutdown_background();
}

/// What says that a mount is open where the mount itself cannot know.
fn always(admin: Admin) -> Admin {
    admin.with_route_access(RouteAccess::Always)
}
