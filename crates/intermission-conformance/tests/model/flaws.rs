//! What can be wrong with a backend, and which cases must notice.

use std::collections::BTreeSet;

use intermission_conformance::{Case, Verdict, cases};
use libtest_mimic::{Failed, Trial};
use tokio::task::JoinSet;

use crate::store::Model;

/// A flaw makes some cases wait for what never comes.
type Flawed = Model<400>;

macro_rules! flaws {
    ($( $(#[doc = $doc:literal])+ $flaw:ident: $($case:ident)+; )+) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flaw { $( $(#[doc = $doc])+ $flaw ),+ }

        /// Each flaw with the cases that must fail for it.
        const FLAWS: &[(Flaw, &[&str])] = &[$( (Flaw::$flaw, &[$(stringify!($case)),+]) ),+];
    };
}

flaws! {
    /// Refuses everything until an operator has marked the place as new.
    AbsentMeansLost: the_first_change_is_seen_by_everybody;
    /// Answers people from memory during an outage.
    AnswersFromMemory: an_unreachable_store_is_unavailable;
    /// Takes "drained" for whatever activation is on.
    AnyDrainCounts: acknowledgements_of_an_older_activation_do_not_count;
    /// Asking for the record makes one.
    AskingWrites: asking_leaves_an_empty_state_empty;
    /// Takes every report for "drained".
    AssumesTheDrain: a_node_that_has_said_nothing_is_waited_for;
    /// Takes every report for "quiet".
    AssumesTheQuiet: quiescence_is_known_when_every_node_has_said_so;
    /// An edit ends the activation and begins another.
    BeginsAnew: an_edit_keeps_acknowledgements;
    /// Marks an empty place as a new site when it is opened.
    BeginsWithARecord: an_empty_state_is_empty_after_a_restart;
    /// Believes every leap of the clock.
    BelievesLeaps: a_leap_of_the_clock_ends_no_lease;
    /// Clears the allow list with the mode.
    ClearsTheList: the_allow_list_outlives_the_deactivation_and_passes_do_not;
    /// Takes "closed" for "drained".
    ClosedMeansDrained: closing_is_not_draining;
    /// Compares no revisions.
    ComparesNothing: operate_conflict_reports_the_winners_record;
    /// Completes an activation with the next call, as Drupal ends things with the next request.
    CompletesWithTheNextCall: without_nodes_an_activation_is_complete_at_once;
    /// Counts what nodes say of other activations.
    CountsEveryClaim: a_deactivation_ends_the_drain;
    /// Counts every report as a new one.
    CountsReportsTwice: a_repeated_report_counts_once;
    /// Cuts long texts and lists.
    CutsLongTexts: the_longest_message_comes_back;
    /// Refuses during an outage, and does it all afterwards.
    DoesItLater: an_outage_changes_nothing;
    /// Does a repeated operation again.
    DoesItTwice: a_repeated_operation_is_done_once;
    /// Keeps whole seconds only.
    DropsMilliseconds: everything_in_a_record_comes_back;
    /// Writes only the fields that it knows.
    DropsUnknownFields: unknown_fields_survive_a_change;
    /// Takes every announced end for an automatic one.
    EndsByItself: an_announced_end_alone_opens_nothing;
    /// Drops the characters that it would have to escape.
    EscapesNothing: awkward_texts_come_back_unharmed;
    /// Keeps every goodbye in the history.
    EveryLeaveIsALine: goodbye_ends_the_wait_and_leaves_no_line;
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
    /// Keeps less history than a ledger.
    ForgetsOldLines: the_history_does_not_grow_for_ever;
    /// Its calendar stands still.
    ForgetsTheDate: a_plan_begins_by_itself;
    /// Its steady clock stands still.
    ForgetsTheTime: a_silent_node_is_given_up_after_its_lease_and_its_wait;
    /// Does not keep by which way operators came.
    ForgetsWhereFrom: the_history_says_who_what_and_from_where;
    /// Gives up a silent node with its lease, whatever its policy.
    GivesUpAtOnce: a_silent_node_on_hold_is_never_given_up;
    /// Its handles have nothing in common.
    HandlesAreAlone: handles_share_one_ledger;
    /// Does not tell nodes of a grace.
    HidesGrace: an_offer_to_an_empty_state_begins_a_grace;
    /// Shows no node as out of contact.
    HidesSilence: silence_is_shown;
    /// Does not say who has won.
    HidesTheWinner: operate_conflict_reports_the_winners_record;
    /// Reads, lets others in, and writes.
    Interleaves: concurrent_operators_lose_no_change;
    /// Gives nodes a record that is not there.
    InventsARecord: a_node_of_an_empty_state_gets_no_record;
    /// Stores what it is given, as a plain store of keys and values does.
    IsNoLedger: stamps_are_the_stores_own;
    /// Cancels no plan.
    KeepsThePlan: a_cancelled_plan_does_not_begin;
    /// Lists nodes in the order of their ids.
    ListsInAnyOrder: nodes_that_hold_up_the_drain_come_first;
    /// Lists more than was asked for.
    ListsTooMuch: the_list_of_nodes_is_as_long_as_asked_for;
    /// Leaves its lock behind when it is dropped.
    LocksForGood: a_dropped_operation_is_done_at_most_once;
    /// Leaves no line for nodes that were forgotten or died.
    LeavesNoLine: a_forgotten_node_is_in_the_history;
    /// Takes nothing without an expected revision.
    NeedsAnExpectation: without_an_expectation_there_is_no_conflict;
    /// Keeps nodes that have left.
    NobodyLeaves: goodbye_ends_the_wait_and_leaves_no_line;
    /// Keeps another id than the operation's.
    NoticesNoRepetition: an_activation_repeated_after_its_completion_is_done_once;
    /// Gives the oldest lines first.
    OldestFirst: the_newest_lines_come_first_and_no_more_than_asked_for;
    /// Calls an outage corruption.
    OutageIsCorruption: an_unreachable_store_is_unavailable;
    /// Begins what was planned at once.
    StartsAtOnce: a_plan_is_kept_and_closes_nothing;
    /// Stores what is already so as a change.
    StoresWhatIsSo: a_proposal_of_what_is_already_so_changes_nothing;
    /// Takes any record that a node offers.
    TakesEveryOffer: an_older_offer_is_not_taken;
    /// Takes no record back from nodes.
    TakesNothingBack: a_newer_offer_is_taken_back;
    /// Shows the message in the history.
    TellsTooMuch: an_edit_names_what_it_touched;
    /// Does not look at what an operator has seen.
    TrustsTheOperator: an_operator_who_has_seen_more_is_told_so;
    /// Takes an unreadable record for none.
    UnreadableMeansOff: an_unreadable_record_is_an_error_for_everybody;
    /// Gives up no silent node.
    WaitsForEver: a_silent_fenced_node_counts_as_drained;
    /// Wakes watchers only for greater revisions.
    WatchesOnlyForward: an_older_record_is_another_one;
    /// Brings no record with the wake-up.
    WatchersGetNoRecord: the_record_comes_with_the_wake_up;
    /// Wakes watchers only for what comes after the call.
    WatchersMissTheFirst: a_change_before_the_call_is_not_missed;
    /// Wakes nobody.
    WatchersSleepOn: a_change_wakes_a_watcher;
}

/// One trial for each flaw, and one that no case is without a flaw.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(flaw, cases): &'static (Flaw, &[&str])| {
        Trial::test(format!("flawed::{flaw:?}"), || is_noticed(*flaw, cases))
    };
    let mut trials: Vec<Trial> = FLAWS.iter().map(trial).collect();
    trials.push(Trial::test("flawed::every_case_can_fail", every_case_can_fail));
    trials
}

fn is_noticed(flaw: Flaw, by: &[&str]) -> Result<(), Failed> {
    let failed = failures(flaw)?;
    println!("MATRIX {flaw:?}: {}", failed.iter().copied().collect::<Vec<_>>().join(" "));
    let missed: Vec<_> = by.iter().filter(|case| !failed.contains(**case)).collect();
    if missed.is_empty() { Ok(()) } else { Err(format!("{flaw:?} was not noticed by {missed:?}").into()) }
}

/// Which cases fail on a store with this flaw.
fn failures(flaw: Flaw) -> Result<BTreeSet<&'static str>, Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let mut running = JoinSet::new();
        for case in cases() {
            running.spawn(async move { (case.name(), case.run(Flawed::with_flaw(flaw)).await) });
        }
        let mut failed = BTreeSet::new();
        while let Some(done) = running.join_next().await {
            match done? {
                (name, Err(_)) => _ = failed.insert(name),
                (_, Ok(Verdict::Kept)) => {}
                (name, Ok(Verdict::NotApplicable(missing))) => {
                    return Err(format!("{name} was not run: the model lacks {missing}").into());
                }
            }
        }
        Ok(failed)
    })
}

fn every_case_can_fail() -> Result<(), Failed> {
    let noticed: BTreeSet<&str> = FLAWS.iter().flat_map(|(_, cases)| cases.iter().copied()).collect();
    let all: BTreeSet<&str> = cases().iter().map(Case::name).collect();
    let unproven: Vec<_> = all.difference(&noticed).collect();
    let unknown: Vec<_> = noticed.difference(&all).collect();
    if unproven.is_empty() && unknown.is_empty() {
        Ok(())
    } else {
        Err(format!("no flaw proves that these can fail: {unproven:?}; there are no such cases: {unknown:?}").into())
    }
}
