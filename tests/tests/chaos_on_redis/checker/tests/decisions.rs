//! What gates say.

use super::*;

const RULE: &str = "decisions agree";

/// The record of each phase, as all nodes have it.
fn of(phase: Phase) -> Sample {
    match phase {
        Phase::Deactivated => sample(0, phase),
        Phase::Activating => sample(CLOSED, phase),
        Phase::Activated => sample(DRAINED, phase),
    }
}

fn asked(name: &str, request: &str, decision: &str, samples: (Sample, Sample)) -> Story {
    let mut story = Story::quiet();
    story.ask(name, 6_000, request, decision, samples);
    story
}

/// An execution that is begun, or refused for that reason.
fn begun(name: &str, refusal: Option<&str>, samples: (Sample, Sample)) -> Story {
    let mut story = Story::quiet();
    let (from, way) = (ms(6_000), "guard".to_owned());
    let (before, after) = samples;
    let event = match refusal {
        Some(reason) => Event::Denied {
            from,
            way,
            reason: reason.to_owned(),
            before,
            after,
        },
        None => Event::Began {
            from,
            execution: 1,
            way,
            bypass: false,
            before,
            after,
        },
    };
    story.at(6_001, name, event);
    story
}

#[test]
fn right_ones_are_right() {
    for (phase, request, decision) in [
        (Phase::Deactivated, "page", "admit (deactivated)"),
        (Phase::Deactivated, "job", "admit (deactivated)"),
        (Phase::Activating, "page", "admit (draining)"),
        (Phase::Activating, "job", "refuse (activating)"),
        (Phase::Activated, "page", "refuse (maintenance)"),
        (Phase::Activated, "permitted-job", "admit (permission)"),
        (Phase::Activated, "health", "admit (route-always)"),
    ] {
        let both = (of(phase), of(phase));
        asked("1.1", request, decision, both).passes();
        asked("2.1", request, decision, both).passes();
    }
    begun(
        "1.1",
        None,
        (of(Phase::Deactivated), of(Phase::Deactivated)),
    )
    .passes();
    let drains = of(Phase::Activating);
    begun("1.1", Some("activating"), (drains, drains)).passes();
}

#[test]
fn wrong_ones_are_found() {
    let (open, drains, closed) = (
        of(Phase::Deactivated),
        of(Phase::Activating),
        of(Phase::Activated),
    );
    for name in ["1.1", "2.1"] {
        asked(name, "page", "admit (deactivated)", (closed, closed)).breaks(RULE, name);
        asked(name, "page", "refuse (maintenance)", (open, open)).breaks(RULE, name);
        asked(name, "job", "admit (deactivated)", (drains, drains)).breaks(RULE, name);
        asked(name, "listed", "admit (allowed-address)", (closed, closed)).breaks(RULE, name);
        begun(name, None, (drains, drains)).breaks(RULE, name);
        begun(name, Some("maintenance"), (open, open)).breaks(RULE, name);
    }
    let held = Sample { held: true, ..open };
    asked("1.1", "page", "admit (deactivated)", (held, held)).breaks(RULE, "1.1");
    let suspended = Sample {
        suspended: true,
        ..open
    };
    asked("1.1", "page", "admit (deactivated)", (suspended, suspended)).passes();
    asked("1.1", "job", "admit (deactivated)", (suspended, suspended)).breaks(RULE, "1.1");
}

#[test]
fn a_gate_that_is_moved_may_say_either() {
    let (open, closed) = (of(Phase::Deactivated), of(Phase::Activated));
    asked("2.1", "page", "admit (deactivated)", (open, closed)).takes("moved");
    asked("2.1", "page", "refuse (maintenance)", (open, closed)).takes("moved");
    asked("2.1", "page", "refuse (exclusive)", (open, closed)).breaks(RULE, "2.1");
    // It was moved twice, or both looks were too early or too late; only where there is more than one thread.
    for (name, is_well) in [("1.1", false), ("2.1", true)] {
        let mut story = asked(name, "page", "refuse (maintenance)", (open, open));
        story.at(1_000, name, Event::Changed { sample: open });
        story.at(6_050, name, Event::Changed { sample: closed });
        if is_well {
            story.takes("moved");
        } else {
            story.breaks(RULE, name);
        }
    }
    // The door is moved after the snapshot.
    let mut early = asked("2.1", "page", "admit (deactivated)", (closed, closed));
    early.at(1_000, "2.1", Event::Changed { sample: open });
    early.at(6_010, "2.1", Event::Changed { sample: closed });
    early.takes("moved");
    let mut late = asked("2.1", "page", "refuse (maintenance)", (open, open));
    late.at(1_000, "2.1", Event::Changed { sample: open });
    late.at(6_600, "2.1", Event::Changed { sample: closed });
    late.breaks(RULE, "2.1");
}

#[test]
fn a_node_that_fences_itself_refuses_by_the_time() {
    let old = Sample {
        age: 2_400 * MILLI,
        ..of(Phase::Deactivated)
    };
    let young = Sample {
        age: 2_000 * MILLI,
        ..old
    };
    asked("3.1", "job", "refuse (out-of-contact)", (old, old)).passes();
    begun("3.1", Some("out-of-contact"), (old, old)).passes();
    asked("3.1", "page", "refuse (out-of-contact)", (old, old)).breaks(RULE, "3.1");
    asked("3.1", "job", "refuse (out-of-contact)", (young, young)).breaks(RULE, "3.1");
    begun("3.1", Some("out-of-contact"), (young, young)).breaks(RULE, "3.1");
    // Others do not fence themselves.
    asked("1.1", "job", "refuse (out-of-contact)", (old, old)).breaks(RULE, "1.1");
}
