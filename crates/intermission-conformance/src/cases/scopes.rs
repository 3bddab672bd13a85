//! Parts of a site that are closed by themselves.

use intermission_core::{Activate, ActivationId, Change, Deactivate, Phase, Record, ScopeName};

use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure_eq};
use crate::site::{Node, Site};

case_table! { Scopes:
    /// A scope is closed, kept and opened by itself: the site and the other scopes stay as they are.
    a_scope_is_closed_and_opened_by_itself;
    /// A scope is activated when every node has seen its closing and says that nothing of it runs there.
    a_scope_waits_for_every_node;
}

fn name(name: &str) -> Checked<ScopeName> {
    Ok(ScopeName::new(name)?)
}

fn id(record: &Record, scope: &ScopeName) -> Checked<ActivationId> {
    let scope = record.scopes().get(scope.as_str());
    let on = scope.and_then(|scope| scope.activation.as_ref());
    let on = on.ok_or_else(|| Failure::new("the scope is not closed"))?;
    Ok(on.id)
}

async fn phase(site: &Site, scope: &ScopeName) -> Checked<Phase> {
    Ok(site.record().await?.scopes().phase(scope))
}

async fn a_scope_is_closed_and_opened_by_itself(site: Site) -> Checked {
    let (billing, search) = (name("billing")?, name("shop-2.example.org")?);
    for scope in [&billing, &search] {
        let activate = Activate::by("ana").with_message("a \"b\"\t/ ü");
        site.change(Change::Activate(activate).in_scope(scope.clone()))
            .await?;
    }
    let closed = site.record().await?;
    ensure_eq("the site's phase", &closed.phase(), &Phase::Deactivated)?;
    ensure_eq("how many scopes are listed", &closed.scopes().len(), &2)?;
    for scope in [&billing, &search] {
        ensure_eq(
            "a scope's phase",
            &phase(&site, scope).await?,
            &Phase::Activated,
        )?;
    }
    let message = closed
        .scopes()
        .get("billing")
        .and_then(|scope| scope.settings());
    let message = message.and_then(|settings| settings.message.as_deref());
    ensure_eq("its message", &message, &Some("a \"b\"\t/ ü"))?;
    site.change(Change::Activate(Activate::by("bob"))).await?;
    site.change(Change::Deactivate(Deactivate::new())).await?;
    let record = site.record().await?;
    ensure_eq(
        "the scopes after the site's own",
        record.scopes(),
        closed.scopes(),
    )?;
    let open = Change::Deactivate(Deactivate::new());
    site.change(open.in_scope(billing.clone())).await?;
    ensure_eq(
        "the opened scope",
        &phase(&site, &billing).await?,
        &Phase::Deactivated,
    )?;
    ensure_eq(
        "the other one",
        &phase(&site, &search).await?,
        &Phase::Activated,
    )?;
    let notes: Vec<String> = site
        .history()
        .await?
        .into_iter()
        .filter_map(|line| line.scope().map(str::to_owned))
        .collect();
    ensure_eq(
        "the newest scope in the history",
        &notes.first(),
        &Some(&billing.to_string()),
    )
}

async fn a_scope_waits_for_every_node(site: Site) -> Checked {
    let billing = name("billing")?;
    let mut nodes = [Node::new("a"), Node::new("b")];
    for node in &mut nodes {
        node.sync(&site.state).await?;
    }
    let on = site
        .change(Change::Activate(Activate::by("ana")).in_scope(billing.clone()))
        .await?;
    let on = id(&on, &billing)?;
    let [first, second] = &mut nodes;
    first.report.seen = site.record().await?.revision();
    first.sync(&site.state).await?;
    ensure_eq(
        "the phase before all have seen it",
        &phase(&site, &billing).await?,
        &Phase::Activating,
    )?;
    second.report.seen = first.report.seen;
    second.report.undrained = vec![on];
    second.sync(&site.state).await?;
    ensure_eq(
        "the phase while one runs something",
        &phase(&site, &billing).await?,
        &Phase::Activating,
    )?;
    let undrained = site.view().await?.nodes;
    let undrained = undrained
        .iter()
        .filter(|node| node.undrained == [on])
        .count();
    ensure_eq("how many nodes are shown to run something", &undrained, &1)?;
    second.report.undrained.clear();
    second.sync(&site.state).await?;
    ensure_eq(
        "the phase once none does",
        &phase(&site, &billing).await?,
        &Phase::Activated,
    )?;
    let record = site.record().await?;
    ensure_eq("the site's phase", &record.phase(), &Phase::Deactivated)
}
