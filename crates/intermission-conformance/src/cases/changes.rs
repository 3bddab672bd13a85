//! What comes back of what was stored.

use std::time::Duration;

use intermission_core::change::MESSAGE_LIMIT;
use intermission_core::{
    Activate, AllowChange, AllowList, Change, Deactivate, DrainPolicy, ExecutionView, HistoryEvent,
    Intent, Level, Pass, Phase, Record, Revision, Timestamp,
};

use crate::case::case_table;
use crate::failure::{Checked, Failure, ensure, ensure_eq};
use crate::site::{Node, Site, activation, allow, ana, operation};

case_table! { Changes:
    /// Everything that a record holds comes back as it was put in.
    everything_in_a_record_comes_back;
    /// A record whose every text is awkward comes back unharmed.
    awkward_texts_come_back_unharmed;
    /// A message of the full length comes back whole.
    the_longest_message_comes_back;
    /// A list of a thousand networks comes back whole.
    a_long_allow_list_comes_back;
    /// Revision, ids and times of a change are the store's own, whatever the operator wrote there.
    stamps_are_the_stores_own;
    /// An edit of the message leaves the activation, its times and the level's age alone.
    an_edit_keeps_the_activation;
    /// Another level is counted from the change that brought it, within the same activation.
    a_change_of_the_level_is_stamped;
    /// The allow list outlives the deactivation, and the passes do not.
    the_allow_list_outlives_the_deactivation_and_passes_do_not;
    /// Each activation has an id of its own, greater than all before.
    each_activation_has_an_id_of_its_own;
}

async fn everything_in_a_record_comes_back(site: Site) -> Checked {
    let networks = AllowList::parse(["192.0.2.10", "10.0.0.0/8", "2001:db8::/64"])?;
    let ends_at = Timestamp::from_millis(4_000_000_000_123);
    let on = Activate::by("ana")
        .with_level(Level::Exclusive)
        .with_message("Upgrading the database")
        .with_allow(AllowChange::Replace(networks.clone()))
        .with_ends_at(ends_at)
        .with_auto_end(true)
        .with_retry_after(Duration::from_millis(90_001))
        .with_drain(DrainPolicy::Abort(Duration::from_millis(600_001)));
    site.change(Change::Activate(on)).await?;
    let (pass, _) = Pass::issue("auditor", Some(ends_at))?;
    let stored = site.change(Change::IssuePass(pass.clone())).await?;

    let read = site.record().await?;
    ensure_eq("the record that was read", &read, &stored)?;
    let activation = activation(&read)?;
    let settings = &activation.settings;
    ensure_eq("the level", &settings.level, &Level::Exclusive)?;
    ensure_eq(
        "the message",
        &settings.message.as_deref(),
        &Some("Upgrading the database"),
    )?;
    ensure_eq("the end", &settings.ends_at, &Some(ends_at))?;
    ensure_eq("the automatic end", &settings.auto_end, &true)?;
    ensure_eq(
        "the time to come back",
        &settings.retry_after,
        &Some(Duration::from_millis(90_001)),
    )?;
    ensure_eq(
        "the drain policy",
        &settings.drain,
        &DrainPolicy::Abort(Duration::from_millis(600_001)),
    )?;
    ensure_eq(
        "who asked for it",
        &activation.requested_by.as_str(),
        &"ana",
    )?;
    ensure_eq("the passes", &activation.passes, &[pass])?;
    ensure_eq("the allow list", read.allow(), &networks)
}

async fn awkward_texts_come_back_unharmed(site: Site) -> Checked {
    const AWKWARD: &str =
        "\"quoted\" \\ {brace} ]] ]]> %s %% \r\n\t'\u{0}\u{7f}\u{2028} Ænima \u{1F6A7} null,true";
    let on = Activate::by(AWKWARD).with_message(AWKWARD);
    let stored = site.change(Change::Activate(on)).await?;
    ensure_eq(
        "the message in the answer",
        &stored.message(),
        &Some(AWKWARD),
    )?;
    let read = site.record().await?;
    ensure_eq("the message", &read.message(), &Some(AWKWARD))?;
    ensure_eq(
        "who asked for it",
        &activation(&read)?.requested_by.as_str(),
        &AWKWARD,
    )?;

    let mut node = Node::new(AWKWARD).with_running(1);
    let facts = &mut node.report.facts;
    facts.framework = Some(AWKWARD.to_owned());
    facts.hold = Some(AWKWARD.to_owned());
    let began = Timestamp::from_millis(1_795_170_900_001);
    facts.executions =
        vec![ExecutionView::new(7, AWKWARD, Some(AWKWARD.to_owned()), began).with_bypass(true)];
    node.sync(&site.state).await?;
    let view = site.view().await?;
    let found: Vec<_> = view.nodes.iter().map(|node| &node.facts).collect();
    ensure_eq(
        "what the node said of itself",
        &found,
        &[&node.report.facts],
    )
}

async fn the_longest_message_comes_back(site: Site) -> Checked {
    let longest = "\u{1F6A7}".repeat(MESSAGE_LIMIT);
    site.change(Change::Activate(
        Activate::by("ana").with_message(longest.clone()),
    ))
    .await?;
    ensure_eq(
        "the message",
        &site.record().await?.message(),
        &Some(longest.as_str()),
    )
}

async fn a_long_allow_list_comes_back(site: Site) -> Checked {
    let networks = AllowList::parse((0..1_000).map(|number| format!("2001:db8:{number:x}::/48")))?;
    site.change(Change::Allow(AllowChange::Replace(networks.clone())))
        .await?;
    ensure_eq("the allow list", site.record().await?.allow(), &networks)
}

async fn stamps_are_the_stores_own(site: Site) -> Checked {
    const WILD: Revision = Revision::new(8_000_000_000_000_000);
    let before = site.change(allow(1, 1)?).await?;
    let mut asked = operation(&before, &Change::Activate(Activate::by("ana")), &ana())?;
    let Intent::Put(next) = &asked.intent else {
        return Err(Failure::new(format!(
            "an activation is to be put: {asked:?}"
        )));
    };
    asked.intent = Intent::Put(Box::new(with_revision(next, WILD)?));
    let id = asked.id;
    let stored = site.stored(asked).await?;
    ensure(
        stored.revision() > before.revision() && stored.revision() < WILD,
        || format!("the revision {} is not the store's own", stored.revision()),
    )?;
    ensure_eq(
        "the operation that made the record",
        &stored.operation(),
        &Some(id),
    )?;
    let on = activation(&stored)?;
    let began = on.id.began();
    ensure(
        began > before.revision() && began <= stored.revision(),
        || format!("the activation's id {began} is not the revision of the change that began it"),
    )?;
    ensure_eq(
        "since when the level is what it is",
        &on.level_since,
        &began,
    )?;
    ensure(on.requested_at > Timestamp::default(), || {
        "the time of the request is the operator's".to_owned()
    })?;
    let history = site.history().await?;
    let requested = history
        .iter()
        .find(|entry| entry.event == HistoryEvent::Requested);
    ensure_eq(
        "the time in the history",
        &requested.map(|entry| entry.at),
        &Some(on.requested_at),
    )
}

async fn an_edit_keeps_the_activation(site: Site) -> Checked {
    let first = site
        .change(Change::Activate(Activate::by("ana").with_message("one")))
        .await?;
    site.pass(site.timing.step).await?;
    let edited = site
        .change(Change::Activate(Activate::by("bob").with_message("two")))
        .await?;
    ensure(edited.revision() > first.revision(), || {
        "an edit got no revision of its own".to_owned()
    })?;
    let (before, after) = (activation(&first)?, activation(&edited)?);
    ensure_eq("the activation's id", &after.id, &before.id)?;
    ensure_eq(
        "who asked for it",
        &after.requested_by,
        &before.requested_by,
    )?;
    ensure_eq(
        "when it was asked for",
        &after.requested_at,
        &before.requested_at,
    )?;
    ensure_eq(
        "since when the level is what it is",
        &after.level_since,
        &before.level_since,
    )?;
    ensure_eq("how the drain ended", &after.completion, &before.completion)?;
    ensure_eq("the message", &edited.message(), &Some("two"))
}

async fn a_change_of_the_level_is_stamped(site: Site) -> Checked {
    let first = site.change(Change::Activate(Activate::by("ana"))).await?;
    let closer = site
        .change(Change::Activate(
            Activate::by("ana").with_level(Level::Exclusive),
        ))
        .await?;
    ensure_eq(
        "the activation's id",
        &activation(&closer)?.id,
        &activation(&first)?.id,
    )?;
    ensure_eq(
        "since when the level is what it is",
        &activation(&closer)?.level_since,
        &closer.revision(),
    )
}

async fn the_allow_list_outlives_the_deactivation_and_passes_do_not(site: Site) -> Checked {
    let networks = AllowList::parse(["192.0.2.10"])?;
    let on = Activate::by("ana").with_allow(AllowChange::Replace(networks.clone()));
    site.change(Change::Activate(on)).await?;
    let (pass, _) = Pass::issue("auditor", None)?;
    site.change(Change::IssuePass(pass)).await?;
    let off = site.change(Change::Deactivate(Deactivate::new())).await?;
    ensure_eq("the phase", &off.phase(), &Phase::Deactivated)?;
    ensure_eq("the allow list", off.allow(), &networks)?;
    let on_again = site.change(Change::Activate(Activate::by("bob"))).await?;
    ensure_eq(
        "the allow list of the next activation",
        on_again.allow(),
        &networks,
    )?;
    ensure_eq("the passes of the next activation", &on_again.passes(), &[])
}

async fn each_activation_has_an_id_of_its_own(site: Site) -> Checked {
    let mut last = None;
    for round in 0..4 {
        let on = site.change(Change::Activate(Activate::by("ana"))).await?;
        let id = activation(&on)?.id;
        ensure(last < Some(id), || {
            format!("activation {round} has the id {id:?} after {last:?}")
        })?;
        last = Some(id);
        site.change(Change::Deactivate(Deactivate::new())).await?;
    }
    Ok(())
}

/// The same record with another revision, as only somebody who writes JSON by hand makes it.
pub(super) fn with_revision(record: &Record, revision: Revision) -> Checked<Record> {
    let json = String::from_utf8(record.to_json())?;
    let changed = json.replacen(
        &format!("\"revision\":{}", record.revision()),
        &format!("\"revision\":{revision}"),
        1,
    );
    let changed = Record::from_json(changed.as_bytes())?;
    ensure_eq(
        "the revision of a record that the suite has made",
        &changed.revision(),
        &revision,
    )?;
    Ok(changed)
}
