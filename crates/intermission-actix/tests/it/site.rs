//! A site to put the middleware in front of.

use intermission::{
    Activate, Actor, Change, Deactivate, ExecutionInfo, Gate, Level, MemoryState, Operator, Phase,
};
use intermission_actix::{MaintenanceBuilder, maintenance};

pub(crate) struct Site {
    pub(crate) gate: Gate,
    pub(crate) operator: Operator,
}

impl Site {
    pub(crate) async fn open() -> Self {
        let state = MemoryState::new();
        let gate = Gate::builder(state.clone()).start().await.unwrap();
        let operator = Operator::new(state, Actor::new("ana", "test"));
        Self { gate, operator }
    }

    pub(crate) async fn activated() -> Self {
        let site = Self::open().await;
        site.activate(Activate::by("ana")).await;
        site
    }

    pub(crate) async fn at_level(level: Level) -> Self {
        let site = Self::open().await;
        site.activate(Activate::by("ana").with_level(level)).await;
        site
    }

    pub(crate) async fn activate(&self, activate: Activate) {
        self.change(Change::Activate(activate)).await;
        self.gate
            .reached(|record| record.phase() == Phase::Activated)
            .await;
    }

    pub(crate) async fn deactivate(&self) {
        self.change(Change::Deactivate(Deactivate::new())).await;
        self.gate.reached(|record| !record.phase().is_on()).await;
    }

    /// Begins a drain that lasts until the returned execution is dropped.
    pub(crate) async fn drain(&self) -> intermission::Execution {
        let running = self.gate.execution(ExecutionInfo::new("job")).unwrap();
        self.change(Change::Activate(Activate::by("ana"))).await;
        self.gate
            .reached(|record| record.phase() == Phase::Activating)
            .await;
        running
    }

    /// Makes a change, and waits until the gate has it.
    pub(crate) async fn change(&self, change: Change) {
        let revision = self
            .operator
            .change(change)
            .await
            .unwrap()
            .record
            .revision();
        self.gate
            .reached(|record| record.revision() >= revision)
            .await;
    }

    pub(crate) fn maintenance(&self) -> MaintenanceBuilder {
        maintenance(self.gate.clone()).with_lockout_accepted()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.gate.status().requests
    }

    pub(crate) fn running(&self) -> u64 {
        self.gate.status().running
    }

    pub(crate) async fn nothing_in_flight(&self) {
        while self.requests() > 0 || self.running() > 0 {
            tokio::task::yield_now().await;
        }
    }
}
