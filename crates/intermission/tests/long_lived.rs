//! Conversations that outlive their request: until when they go on, in the whole site and in its scopes.
#![expect(clippy::unwrap_used, reason = "a test, helpers included")]

use std::pin::pin;

use intermission::{
    Activate, Actor, AdmitReason, Change, Decision, Gate, LetIn, Level, LongLived, MemoryState,
    Operator, Phase, RefuseReason, RequestScopes, ScopeName,
};

struct Site {
    gate: Gate,
    operator: Operator,
}

fn acme() -> ScopeName {
    "acme".parse().unwrap()
}

fn in_acme() -> RequestScopes {
    RequestScopes::from(acme())
}

impl Site {
    async fn new() -> Self {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        Self { gate, operator }
    }

    async fn close_acme(&self, level: Level) {
        let activate = Change::Activate(Activate::by("ana").with_level(level)).in_scope(acme());
        self.operator.change(activate).await.unwrap();
        let is_closed = |record: &intermission::Record| {
            let scope = record.of_scope(&acme());
            scope.phase() == Phase::Activated && scope.level() == level
        };
        self.gate.reached(is_closed).await;
    }

    async fn close(&self) {
        let activate = Change::Activate(Activate::by("ana"));
        self.operator.change(activate).await.unwrap();
        self.gate.closing().await;
    }

    fn begin(&self, let_in: LetIn) -> Result<LongLived, RefuseReason> {
        let begun = LongLived::begin(self.gate.clone(), "GET", "/chat", let_in);
        begun.map_err(|refusal| refusal.reason())
    }
}

/// Whether it is to end by now.
async fn ends(connection: &LongLived) -> bool {
    tokio::select! {
        biased;
        () = pin!(connection.closing()) => true,
        () = std::future::ready(()) => false,
    }
}

fn by_permission() -> LetIn {
    LetIn::from(Some(Decision::Admit(AdmitReason::Permission)))
}

#[tokio::test]
async fn a_conversation_of_a_scope_ends_with_it_and_no_other_does() {
    let site = Site::new().await;
    let of_scope = site.begin(LetIn::while_open(in_acme())).unwrap();
    let of_response = LongLived::of_response(site.gate.clone(), LetIn::while_open(in_acme()));
    let of_none = LongLived::of_response(site.gate.clone(), None);
    site.close_acme(Level::ReadOnly).await;
    assert!(!ends(&of_scope).await, "reading goes on");
    site.close_acme(Level::Full).await;
    of_scope.closing().await;
    of_response.closing().await;
    assert!(!ends(&of_none).await);
    let refused = site.begin(LetIn::while_open(in_acme())).unwrap_err();
    assert_eq!(refused, RefuseReason::Maintenance);
}

#[tokio::test]
async fn who_came_past_a_scope_did_not_come_past_the_site() {
    let site = Site::new().await;
    site.close_acme(Level::Full).await;
    // As the adapters say it: the request was let in past the scope, and the site was open.
    let let_in = {
        let scopes = [acme()];
        let visitor = intermission::Visitor::new("GET", "/chat")
            .with_scopes(&scopes)
            .with_permission(true);
        let intermission::Admission::Admitted(admitted) = site.gate.admit(&visitor) else {
            panic!("the permission lets in")
        };
        assert!(!admitted.past_site);
        LetIn::admitted(&admitted, in_acme())
    };
    let past_scope = site.begin(let_in.clone()).unwrap();
    assert_eq!(past_scope.reason(), AdmitReason::Permission);
    assert!(!ends(&past_scope).await);
    site.close().await;
    past_scope.closing().await;
    let refused = site.begin(let_in).unwrap_err();
    assert_eq!(refused, RefuseReason::Maintenance);
    // Who came past the closed site goes on, until his scope lets nobody in.
    let past_site = site.begin(by_permission().with_scopes(in_acme())).unwrap();
    assert!(!ends(&past_site).await);
    site.close_acme(Level::Exclusive).await;
    past_site.closing().await;
}
