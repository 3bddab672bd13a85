//! Conversations that outlive their response.

use intermission::{Level, RefuseReason};

use crate::adapter::expected::{Expect, refused, refused_by};
use crate::adapter::given::Given;
use crate::adapter::http1::{Received, Request};
use crate::adapter::row::{Row, plays};
use crate::adapter::stage::Stage;
use crate::adapter::websocket::{Conversation, upgrade};
use crate::failure::{Checked, Failure, ensure_eq};

pub(super) fn rows() -> Vec<Row> {
    vec![
        plays!(
            Websocket,
            a_conversation_counts_until_its_client_goes_away,
            "A WebSocket counts as a request for as long as the conversation lasts.",
            Given::open()
        ),
        plays!(
            Websocket,
            a_conversation_is_closed_with_1012_when_the_site_closes,
            "When the site closes, a conversation is told to start again later, and counts no longer.",
            Given::open()
        ),
        plays!(
            Websocket,
            a_drain_leaves_conversations_alone,
            "While a drain goes on, conversations go on, and new ones begin.",
            Given::draining()
        ),
        plays!(
            Websocket,
            a_conversation_is_refused_while_closed,
            "While the mode is on, who asks for a conversation gets the refusal, and no upgrade.",
            Given::closed()
        ),
        plays!(
            Websocket,
            a_conversation_is_refused_at_level_exclusive,
            "At level exclusive, not even who has the permission begins a conversation.",
            Given::closed().at(Level::Exclusive)
        ),
        plays!(
            Websocket,
            who_may_pass_may_talk_until_nobody_may,
            "Who was let in past the closed door talks on until the level lets nobody in.",
            Given::closed()
        ),
        plays!(
            Websocket,
            a_pass_opens_a_conversation,
            "Who carries a pass begins a conversation while the mode is on, and others do not.",
            Given::closed()
        ),
        plays!(
            Websocket,
            a_conversation_begins_again_after_the_opening,
            "After the opening, conversations begin as before.",
            Given::closed()
        ),
        plays!(
            Websocket,
            read_only_leaves_conversations_alone,
            "At level read-only, a conversation goes on.",
            Given::open()
        ),
    ]
}

async fn a_conversation_counts_until_its_client_goes_away(stage: &Stage) -> Checked {
    let mut conversation = Conversation::begun(stage, &upgrade()).await?;
    conversation.echo("hi").await?;
    ensure_eq("the count", &stage.requests(), &1)?;
    conversation.echo("again").await?;
    drop(conversation);
    stage.nothing_in_flight().await
}

async fn a_conversation_is_closed_with_1012_when_the_site_closes(stage: &Stage) -> Checked {
    let mut conversation = Conversation::begun(stage, &upgrade()).await?;
    conversation.echo("hi").await?;
    stage.close().await?;
    conversation.expect_restart().await?;
    drop(conversation);
    stage.nothing_in_flight().await
}

async fn a_drain_leaves_conversations_alone(stage: &Stage) -> Checked {
    let mut conversation = Conversation::begun(stage, &upgrade()).await?;
    conversation.echo("hi").await?;
    stage.end_drain().await?;
    conversation.expect_restart().await
}

async fn a_conversation_is_refused_while_closed(stage: &Stage) -> Checked {
    match Conversation::begin(stage, &upgrade()).await? {
        Ok(_) => Err(Failure::new("the conversation has begun")),
        Err(head) => expect_head(stage, &head, &refused()),
    }
}

async fn a_conversation_is_refused_at_level_exclusive(stage: &Stage) -> Checked {
    match Conversation::begin(stage, &upgrade().operator()).await? {
        Ok(_) => Err(Failure::new("the conversation has begun")),
        Err(head) => {
            let exclusive = refused_by(RefuseReason::Exclusive);
            expect_head(stage, &head, &exclusive)
        }
    }
}

/// Compares a refusal of which the headers were read.
fn expect_head(stage: &Stage, head: &Received, expect: &Expect) -> Checked {
    // As for HEAD, which has no body either.
    let request = Request::new("HEAD", "/ws");
    expect.check(stage, &request, head, 0)
}

async fn who_may_pass_may_talk_until_nobody_may(stage: &Stage) -> Checked {
    let mut conversation = Conversation::begun(stage, &upgrade().operator()).await?;
    conversation.echo("hi").await?;
    stage.close_at(Level::Exclusive).await?;
    conversation.expect_restart().await?;
    drop(conversation);
    stage.nothing_in_flight().await
}

async fn a_pass_opens_a_conversation(stage: &Stage) -> Checked {
    let (_, secret) = stage.issue_pass(None).await?;
    let request = upgrade().with("cookie", format!("intermission-pass={secret}"));
    let mut conversation = Conversation::begun(stage, &request).await?;
    conversation.echo("hi").await?;
    let other = Conversation::begin(stage, &upgrade()).await?;
    ensure_eq("whether another began", &other.is_ok(), &false)?;
    conversation.echo("still").await
}

async fn a_conversation_begins_again_after_the_opening(stage: &Stage) -> Checked {
    let refused = Conversation::begin(stage, &upgrade()).await?;
    ensure_eq("whether it began", &refused.is_ok(), &false)?;
    stage.open().await?;
    let mut conversation = Conversation::begun(stage, &upgrade()).await?;
    conversation.echo("hi").await
}

async fn read_only_leaves_conversations_alone(stage: &Stage) -> Checked {
    let mut conversation = Conversation::begun(stage, &upgrade()).await?;
    conversation.echo("hi").await?;
    stage.close_at(Level::ReadOnly).await?;
    conversation.echo("still").await?;
    let mut other = Conversation::begun(stage, &upgrade()).await?;
    other.echo("hi").await?;
    stage.close_at(Level::Full).await?;
    conversation.expect_restart().await?;
    other.expect_restart().await
}
