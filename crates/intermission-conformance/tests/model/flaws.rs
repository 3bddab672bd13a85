//! What can be wrong with a backend, and which cases must notice.

use std::collections::BTreeSet;

use intermission_conformance::{Case, cases};
use libtest_mimic::{Failed, Trial};
use tokio::task::JoinSet;

use crate::store::Model;

/// A flaw makes some cases wait for what never comes.
type Flawed = Model<500>;

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
    AnswersFromMemory: an_unreachable_store_is_unavailable an_outage_changes_nothing;
    /// Takes "drained" for whatever activation is on.
    AnyDrainCounts: acknowledgements_of_an_older_activation_do_not_count nodes_may_close_and_drain_in_any_order;
    /// Asking for the record makes one.
    AskingWrites:
        asking_leaves_an_empty_state_empty
        an_empty_state_is_that_of_a_site_that_was_never_changed
        the_list_of_nodes_is_as_long_as_asked_for;
    /// Takes every report for one of a node on which nothing of a scope runs.
    AssumesDrainedScopes: a_scope_waits_for_every_node;
    /// Takes every report for "drained".
    AssumesTheDrain:
        a_node_that_has_said_nothing_is_waited_for
        a_drained_node_that_falls_silent_is_confirmed
        a_node_that_joins_is_waited_for
        a_node_that_speaks_keeps_its_lease
        closing_is_not_draining
        only_the_newest_report_counts;
    /// Takes every report for "quiet".
    AssumesTheQuiet:
        quiescence_is_known_when_every_node_has_said_so
        another_level_is_counted_anew
        quiescence_ends_with_the_activation;
    /// An edit ends the activation and begins another.
    BeginsAnew: an_edit_keeps_acknowledgements an_edit_keeps_the_activation a_change_of_the_level_is_stamped;
    /// Marks an empty place as a new site when it is opened.
    BeginsWithARecord: an_empty_state_is_empty_after_a_restart;
    /// Believes every leap of the clock.
    BelievesLeaps: a_leap_of_the_clock_ends_no_lease;
    /// Says that nothing runs any more as soon as maintenance is on.
    ClaimsQuiescence:
        quiescence_is_known_when_every_node_has_said_so
        another_level_is_counted_anew
        quiescence_ends_with_the_activation
        quiescence_is_not_claimed_with_unconfirmed_nodes;
    /// Clears the allow list with the mode.
    ClearsTheList: the_allow_list_outlives_the_deactivation_and_passes_do_not;
    /// Takes "closed" for "drained".
    ClosedMeansDrained:
        closing_is_not_draining
        nodes_may_close_and_drain_in_any_order
        only_the_newest_report_counts
        the_count_adds_up;
    /// Compares no revisions.
    ComparesNothing:
        operate_conflict_reports_the_winners_record
        a_change_and_back_is_a_conflict
        an_operation_repeated_after_it_was_undone_is_a_conflict
        concurrent_operators_lose_no_change
        concurrent_operators_on_their_own_handles_lose_no_change
        of_many_proposals_for_one_record_one_wins
        two_handles_conflict_as_one;
    /// Completes an activation with the next call, as Drupal ends things with the next request.
    CompletesWithTheNextCall: without_nodes_an_activation_is_complete_at_once without_nodes_quiescence_is_there_at_once;
    /// Gives revisions only to what operators do.
    CountsOnlyOperators: a_completion_has_a_revision_of_its_own the_history_says_when_and_what_came_of_it;
    /// Counts what nodes say of other activations.
    CountsEveryClaim:
        a_deactivation_ends_the_drain
        acknowledgements_of_an_older_activation_do_not_count
        after_a_loss_a_drain_completes_after_the_grace_and_says_so
        the_count_adds_up;
    /// Counts every report as a new one.
    CountsReportsTwice: a_repeated_report_counts_once an_older_report_is_ignored an_older_report_takes_nothing_back;
    /// Cuts long texts and lists.
    CutsLongTexts: the_longest_message_comes_back a_long_allow_list_comes_back;
    /// Refuses during an outage, and does it all afterwards.
    DoesItLater: an_outage_changes_nothing an_unreachable_store_is_unavailable;
    /// Does a repeated operation again.
    DoesItTwice: a_repeated_operation_is_done_once;
    /// Keeps whole seconds only.
    DropsMilliseconds: everything_in_a_record_comes_back;
    /// Keeps nothing of scopes.
    DropsScopes: a_scope_is_closed_and_opened_by_itself;
    /// Writes only the fields that it knows.
    DropsUnknownFields:
        unknown_fields_survive_a_change
        a_record_of_a_newer_version_is_kept_as_it_is
        unknown_fields_survive_a_restart;
    /// Takes every announced end for an automatic one.
    EndsByItself: an_announced_end_alone_opens_nothing;
    /// Drops the characters that it would have to escape.
    EscapesNothing: awkward_texts_come_back_unharmed;
    /// Keeps every goodbye in the history.
    EveryLeaveIsALine:
        goodbye_ends_the_wait_and_leaves_no_line
        an_unconfirmed_node_that_leaves_is_no_longer_named
        leaving_again_changes_nothing
        what_changed_nothing_leaves_no_line;
    /// Calls every drain with a limit forced.
    ForcesEveryDrain: a_drain_within_its_limit_is_an_ordinary_one;
    /// Does not keep what nodes have seen.
    ForgetsClaims:
        a_change_exceeds_whatever_a_node_has_seen
        a_node_is_listed_with_what_it_said
        an_edit_waits_while_a_node_knows_a_newer_record
        nothing_completes_while_a_node_knows_a_newer_record;
    /// Keeps nothing across a restart.
    ForgetsEverything:
        the_record_is_there_after_a_restart
        a_drain_goes_on_after_a_restart
        a_restart_does_not_complete_a_drain
        an_operation_repeated_after_a_restart_is_done_once
        revisions_grow_after_a_restart
        the_history_is_there_after_a_restart
        unknown_fields_survive_a_restart
        what_was_brought_back_is_there_after_a_restart;
    /// Keeps of a node only its name.
    ForgetsFacts:
        a_node_is_listed_with_what_it_said
        a_dropped_report_counts_when_it_is_repeated
        a_refused_report_counts_when_it_is_repeated
        awkward_texts_come_back_unharmed
        force_ends_the_drain_and_lists_the_leftovers
        the_count_adds_up;
    /// Keeps no history across a restart.
    ForgetsHistory: the_history_is_there_after_a_restart what_was_brought_back_is_there_after_a_restart;
    /// Keeps nothing of who holds a site on.
    ForgetsHolders:
        the_last_holder_opens_the_site
        what_was_on_before_stays_on
        an_automatic_end_waits_for_holders
        a_plan_waits_for_holders
        what_is_known_of_holders_comes_back
        the_history_names_holders;
    /// Forgets the nodes in a restart and does not notice.
    ForgetsNodes: a_restart_does_not_complete_a_drain;
    /// Keeps less history than a ledger.
    ForgetsOldLines: the_history_does_not_grow_for_ever;
    /// Its calendar stands still.
    ForgetsTheDate:
        a_plan_begins_by_itself
        a_planned_maintenance_drains
        an_automatic_end_opens_the_site
        silence_is_shown
        the_history_says_when_and_what_came_of_it
        what_time_brings_wakes_a_watcher;
    /// Its steady clock stands still.
    ForgetsTheTime:
        a_silent_node_is_given_up_after_its_lease_and_its_wait
        abort_opens_the_site_again
        force_ends_the_drain_and_lists_the_leftovers;
    /// Does not keep by which way operators came.
    ForgetsWhereFrom: the_history_says_who_what_and_from_where;
    /// Gives up a silent node with its lease, whatever its policy.
    GivesUpAtOnce:
        a_silent_node_on_hold_is_never_given_up
        a_node_that_comes_back_is_confirmed
        a_silent_fenced_node_counts_as_drained
        a_silent_node_is_given_up_after_its_lease_and_its_wait
        without_a_drain_a_silent_node_leaves_no_line;
    /// Its handles have nothing in common.
    HandlesAreAlone:
        handles_share_one_ledger
        a_change_through_another_handle_wakes_a_watcher
        a_drain_completes_across_handles
        an_operation_repeated_through_another_handle_is_done_once
        an_unreadable_record_is_an_error_for_other_handles
        concurrent_operators_on_their_own_handles_lose_no_change
        dropping_a_handle_changes_nothing
        no_change_through_another_handle_is_missed
        two_handles_conflict_as_one;
    /// Does not tell nodes of a grace.
    HidesGrace: an_offer_to_an_empty_state_begins_a_grace a_change_exceeds_whatever_a_node_has_seen;
    /// Shows no node as out of contact.
    HidesSilence: silence_is_shown;
    /// Does not say who has won.
    HidesTheWinner:
        operate_conflict_reports_the_winners_record
        a_change_and_back_is_a_conflict
        of_many_proposals_for_one_record_one_wins
        two_handles_conflict_as_one;
    /// Reads, lets others in, and writes.
    Interleaves:
        concurrent_operators_lose_no_change
        concurrent_operators_on_their_own_handles_lose_no_change
        concurrent_reports_and_changes_lose_nothing_of_each_other
        of_many_proposals_for_one_record_one_wins;
    /// Gives nodes a record that is not there.
    InventsARecord:
        a_node_of_an_empty_state_gets_no_record
        an_offer_of_nothing_is_not_taken
        asking_leaves_an_empty_state_empty;
    /// Stores what it is given, as a plain store of keys and values does.
    IsNoLedger:
        stamps_are_the_stores_own
        each_activation_has_an_id_of_its_own
        every_change_has_a_greater_revision
        init_marks_an_empty_state_once
        an_edit_waits_while_a_node_knows_a_newer_record;
    /// Cancels no plan.
    KeepsThePlan: a_cancelled_plan_does_not_begin;
    /// Leaves no line for nodes that were forgotten or died.
    LeavesNoLine:
        a_forgotten_node_is_in_the_history
        a_dead_node_that_was_waited_for_is_in_the_history
        an_unconfirmed_node_that_leaves_is_no_longer_named;
    /// Lists nodes in the order of their ids.
    ListsInAnyOrder: nodes_that_hold_up_the_drain_come_first;
    /// Lists more than was asked for.
    ListsTooMuch:
        the_list_of_nodes_is_as_long_as_asked_for
        nodes_that_hold_up_the_drain_come_first
        the_newest_lines_come_first_and_no_more_than_asked_for;
    /// Leaves its lock behind when it is dropped.
    LocksForGood:
        a_dropped_operation_is_done_at_most_once
        a_dropped_report_counts_when_it_is_repeated
        dropped_reads_leave_no_trace;
    /// Takes nothing without an expected revision.
    NeedsAnExpectation: without_an_expectation_there_is_no_conflict;
    /// Keeps nodes that have left.
    NobodyLeaves:
        goodbye_ends_the_wait_and_leaves_no_line
        a_dead_node_that_nobody_waited_for_leaves_no_line
        a_dead_node_that_was_waited_for_is_in_the_history
        a_forgotten_node_is_in_the_history
        a_node_that_speaks_again_is_back
        an_unconfirmed_node_that_leaves_is_no_longer_named
        every_method_answers_through_the_wrappers
        the_others_are_still_waited_for;
    /// Takes a node that leaves when it is lost for one that may still run something.
    NobodyLeavesBySilence:
        a_silent_node_that_leaves_is_gone_after_its_lease
        what_a_node_that_leaves_has_said_is_of_no_account
        a_node_that_serves_nobody_is_never_named
        a_node_is_listed_with_what_it_said;
    /// Keeps another id than the operation's.
    NoticesNoRepetition:
        an_activation_repeated_after_its_completion_is_done_once
        a_dropped_operation_is_done_at_most_once
        a_repeated_operation_is_done_once
        an_operation_of_unknown_outcome_is_done_once_when_repeated
        an_operation_repeated_after_a_restart_is_done_once
        an_operation_repeated_through_another_handle_is_done_once;
    /// Gives the oldest lines first.
    OldestFirst: the_newest_lines_come_first_and_no_more_than_asked_for;
    /// Calls an outage corruption.
    OutageIsCorruption:
        an_unreachable_store_is_unavailable
        a_refused_report_counts_when_it_is_repeated
        an_operation_of_unknown_outcome_is_done_once_when_repeated
        an_outage_changes_nothing;
    /// Begins what was planned at once.
    StartsAtOnce: a_plan_is_kept_and_closes_nothing a_cancelled_plan_does_not_begin;
    /// Stores what is already so as a change.
    StoresWhatIsSo:
        a_proposal_of_what_is_already_so_changes_nothing
        init_marks_an_empty_state_once
        init_of_a_changed_site_changes_nothing;
    /// Takes any record that a node offers.
    TakesEveryOffer:
        an_older_offer_is_not_taken
        an_offer_of_nothing_is_not_taken
        of_two_with_the_same_revision_the_more_restrictive_stays;
    /// Takes no record back from nodes.
    TakesNothingBack:
        a_newer_offer_is_taken_back
        after_a_loss_a_drain_completes_after_the_grace_and_says_so
        after_a_loss_closing_is_possible_and_opening_waits
        an_offer_to_an_empty_state_begins_a_grace
        of_two_with_the_same_revision_the_more_restrictive_stays
        what_was_brought_back_is_there_after_a_restart;
    /// Shows the message in the history.
    TellsTooMuch: an_edit_names_what_it_touched;
    /// Does not look at what an operator has seen.
    TrustsTheOperator: an_operator_who_has_seen_more_is_told_so;
    /// Takes an unreadable record for none.
    UnreadableMeansOff:
        an_unreadable_record_is_an_error_for_everybody
        an_unreadable_record_is_an_error_after_a_restart
        an_unreadable_record_is_an_error_for_other_handles
        nothing_overwrites_an_unreadable_record;
    /// Gives up no silent node.
    WaitsForEver:
        a_silent_fenced_node_counts_as_drained
        a_node_that_comes_back_is_confirmed
        a_silent_node_is_given_up_after_its_lease_and_its_wait
        without_a_drain_a_silent_node_leaves_no_line;
    /// Wakes watchers only for greater revisions.
    WatchesOnlyForward: an_older_record_is_another_one;
    /// Brings no record with the wake-up.
    WatchersGetNoRecord: the_record_comes_with_the_wake_up;
    /// Wakes watchers only for what comes after the call.
    WatchersMissTheFirst:
        a_change_before_the_call_is_not_missed
        a_watcher_that_lags_is_told_of_the_newest
        an_older_record_is_another_one
        every_watcher_is_woken;
    /// Wakes nobody.
    WatchersSleepOn:
        a_change_wakes_a_watcher
        a_change_before_the_call_is_not_missed
        a_change_through_another_handle_wakes_a_watcher
        a_completion_wakes_a_watcher
        a_dropped_watcher_takes_no_wake_up_away
        a_watcher_sees_what_follows_an_outage
        a_watcher_that_lags_is_told_of_the_newest
        every_method_answers_through_the_wrappers
        every_watcher_is_woken
        no_change_is_missed_however_they_race
        no_change_through_another_handle_is_missed
        the_record_comes_with_the_wake_up;
}

/// One trial for each flaw, and one that no case is without a flaw.
pub(crate) fn trials() -> Vec<Trial> {
    let trial = |(flaw, cases): &'static (Flaw, &[&str])| {
        Trial::test(format!("flawed::{flaw:?}"), || is_noticed(*flaw, cases))
    };
    let mut trials: Vec<Trial> = FLAWS.iter().map(trial).collect();
    trials.push(Trial::test(
        "flawed::every_case_can_fail",
        every_case_can_fail,
    ));
    trials
}

fn is_noticed(flaw: Flaw, by: &[&str]) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let missed = runtime.block_on(async {
        let mut running = JoinSet::new();
        for case in cases().into_iter().filter(|case| by.contains(&case.name())) {
            running.spawn(async move { (case.name(), case.run(Flawed::with_flaw(flaw)).await) });
        }
        let mut missed = Vec::new();
        while let Some(done) = running.join_next().await {
            if let (name, Ok(verdict)) = done? {
                missed.push((name, verdict));
            }
        }
        Ok::<_, Failed>(missed)
    })?;
    if missed.is_empty() {
        Ok(())
    } else {
        Err(format!("{flaw:?} went unnoticed: {missed:?}").into())
    }
}

fn every_case_can_fail() -> Result<(), Failed> {
    let noticed: BTreeSet<&str> = FLAWS
        .iter()
        .flat_map(|(_, cases)| cases.iter().copied())
        .collect();
    let all: BTreeSet<&str> = cases().iter().map(Case::name).collect();
    let unproven: Vec<_> = all.difference(&noticed).collect();
    let unknown: Vec<_> = noticed.difference(&all).collect();
    if unproven.is_empty() && unknown.is_empty() {
        Ok(())
    } else {
        Err(format!(
            "no flaw proves that these can fail: {unproven:?}; there are no such cases: {unknown:?}"
        )
        .into())
    }
}
