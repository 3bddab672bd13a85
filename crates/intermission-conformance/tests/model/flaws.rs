//! What can be wrong with a backend, and which cases must notice.

use std::collections::BTreeSet;

use intermission_conformance::{Case, Verdict, cases};
use libtest_mimic::{Failed, Trial};
use tokio::task::JoinSet;

use crate::store::Model;

macro_rules! flaws {
    ($( $(#[doc = $doc:literal])+ $flaw:ident: $($case:ident)+; )+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw { $( $(#[doc = $doc])+ $flaw ),+ }

        /// Each flaw with the cases that must fail for it.
        const FLAWS: &[(Flaw, &[&str])] = &[$( (Flaw::$flaw, &[$(stringify!($case)),+]) ),+];
    };
}

flaws! {
    /// Refuses everything until an operator has marked it as new.
    AbsentMeansLost: the_first_change_is_seen_by_everybody;
    /// Answers people from memory during an outage.
    AnswersFromMemory: an_unreachable_store_is_unavailable;
    /// Takes "drained" for whatever activation is on.
    AnyDrainCounts: acknowledgements_of_an_older_activation_do_not_count;
    /// Asking for the record makes one.
    AskingWrites: asking_leaves_an_empty_state_empty;
    /// An edit begins the drain anew.
    BeginsDrainsAnew: an_edit_keeps_acknowledgements;
    /// Believes every leap of the clock.
    BelievesLeaps: a_leap_of_the_clock_ends_no_lease;
    /// Takes "closed" for "drained".
    ClosedMeansDrained: closing_is_not_draining;
    /// Compares no revisions.
    ComparesNothing: operate_conflict_reports_the_winners_record;
    /// Counts every report as a new one.
    CountsReportsTwice: a_repeated_report_counts_once;
    /// Loses awkward characters.
    CutsTexts: awkward_texts_come_back_unharmed;
    /// Does during an outage nothing, and all of it afterwards.
    DoesItLater: an_outage_changes_nothing;
    /// Does a repeated operation again.
    DoesItTwice: a_repeated_operation_is_done_once;
    /// Writes only the fields that it knows.
    DropsUnknownFields: unknown_fields_survive_a_change;
    /// Keeps every goodbye in the history.
    EveryLeaveIsAnEvent: goodbye_ends_the_wait_and_leaves_no_line;
    /// Does not keep what nodes have seen.
    ForgetsClaims: a_change_exceeds_whatever_a_node_has_seen;
    /// Keeps nothing across a restart.
    ForgetsEverything: the_record_is_there_after_a_restart;
    /// Keeps of a node only its name.
    ForgetsFacts: a_node_is_listed_with_what_it_said;
    /// Keeps no history across a restart.
    ForgetsHistory: the_history_is_there_after_a_restart;
    /// Forgets the nodes in a restart and does not notice.
    ForgetsNodes: a_restart_does_not_complete_a_drain;
    /// Keeps two lines of history.
    ForgetsOldHistory: the_history_does_not_grow_for_ever;
    /// Does not keep by which way operators came.
    ForgetsWhereFrom: the_history_says_who_what_and_from_where;
    /// Its handles have nothing in common.
    HandlesAreAlone: handles_share_one_ledger;
    /// Does not tell nodes of a grace.
    HidesGrace: an_offer_to_an_empty_state_begins_a_grace;
    /// Shows no node as out of contact.
    HidesSilence: silence_is_shown;
    /// Does not say who has won.
    HidesTheWinner: operate_conflict_reports_the_winners_record;
    /// Its clock stands still.
    IgnoresTime: a_silent_node_is_given_up_after_its_lease_and_its_wait;
    /// Reads, lets others in, and writes.
    Interleaves: concurrent_operators_lose_no_change;
    /// Gives nodes a record that is not there.
    InventsARecord: a_node_of_an_empty_state_gets_no_record;
    /// Lists nodes in the order of their ids.
    ListsInAnyOrder: nodes_that_hold_up_the_drain_come_first;
    /// Lists more than was asked for.
    ListsTooMuch: the_list_of_nodes_is_as_long_as_asked_for;
    /// Leaves its lock behind when it is dropped.
    LocksForGood: a_dropped_operation_is_done_at_most_once;
    /// Leaves no line for nodes that were forgotten or died.
    LeavesNoLine: a_forgotten_node_is_in_the_history;
    /// Keeps nodes that have left.
    NobodyLeaves: goodbye_ends_the_wait_and_leaves_no_line;
    /// Gives the oldest lines first.
    OldestFirst: the_newest_lines_come_first_and_no_more_than_asked_for;
    /// Calls an outage corruption.
    OutageIsCorruption: an_unreachable_store_is_unavailable;
    /// Assumes that no request runs any more.
    QuietIsAssumed: quiescence_is_known_when_every_node_has_said_so;
    /// Takes no record back from nodes.
    TakesNothingBack: a_newer_offer_is_taken_back;
    /// Shows the message in the history.
    TellsTooMuch: an_edit_names_what_it_touched;
    /// Does not look at what an operator has seen.
    TrustsTheOperator: an_operator_who_has_seen_more_is_told_so;
    /// Takes an unreadable record for none.
    UnreadableMeansOff: an_unreadable_record_is_an_error_for_everybody;
    /// Gives up a silent node with its lease, whatever its policy.
    WaitsForNobody: a_silent_node_on_hold_is_never_given_up;
    /// Wakes watchers only for greater revisions.
    WatchesOnlyForward: an_older_record_is_another_one;
    /// Brings no record with the wake-up.
    WatchersGetNoRecord: the_record_comes_with_the_wake_up;
    /// Wakes watchers only for what comes after the call.
    WatchersMissTheFirst: a_change_before_the_call_is_not_missed;
    /// Wakes nobody.
    WatchersSleepOn: a_change_wakes_a_watcher;
}

/// One trial for each flaw.
pub(crate) fn trials() -> Vec<Trial> {
    let mut trials: Vec<Trial> = Vec::new();
    for (flaw, must_fail) in FLAWS {
        trials.push(Trial::test(format!("flawed::{flaw:?}"), move || noticed(*flaw, must_fail)));
    }
    trials
}

fn noticed(flaw: Flaw, must_fail: &[&str]) -> Result<(), Failed> {
    let failed = failures(flaw)?;
    println!("MATRIX {flaw:?}: {}", failed.iter().copied().collect::<Vec<_>>().join(" "));
    let missed: Vec<_> = must_fail.iter().filter(|case| !failed.contains(**case)).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("{flaw:?} was not noticed by {missed:?}").into()) }
}

/// Which cases fail on a store with this flaw.
fn failures(flaw: Flaw) -> Result<BTreeSet<&'static str>, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for case in cases() {
            running.spawn(async move { verdict(&case, flaw).await.map_err(|_| case.name()) });
        }
        let mut failed = BTreeSet::new();
        while let Some(verdict) = running.join_next().await {
            if let Err(name) = verdict? {
                failed.insert(name);
            }
        }
        Ok(failed)
    })
}

async fn verdict(case: &Case, flaw: Flaw) -> Result<(), String> {
    match case.run(Model::<2>::with_flaw(flaw)).await {
        Ok(Verdict::Kept) => Ok(()),
        Ok(Verdict::NotApplicable(missing)) => Err(format!("the model lacks {missing}")),
        Err(failure) => Err(failure.to_string()),
    }
}
