/// Emits a test for each promise of [`Catalog`](crate::catalog::Catalog): assets, jobs, events,
/// search. The expression gives a catalog that was migrated and is empty; see
/// [the module](crate::conformance).
#[macro_export]
macro_rules! catalog_tests {
    ($name:ident, $make:expr) => {
        mod $name {
            #[expect(unused_imports, reason = "for the expression that makes a backend")]
            use super::*;
            $crate::__conformance_tests! { libraries, dyn $crate::catalog::Catalog, $make, libraries {
                a_library_is_got_as_it_was_made,
                a_taken_library_id_is_a_conflict,
                libraries_are_seen_by_visibility,
                libraries_are_listed_by_name_then_id,
                renaming_a_library,
                deleting_a_library,
                replacing_a_recipe,
                members_come_and_go,
                who_has_left_hears_of_it,
                the_members_of_a_deleted_library_hear_of_it,
                a_library_keeps_an_owner,
                owners_cannot_all_leave_at_once,
            } }
            $crate::__conformance_tests! { ingest, dyn $crate::catalog::Catalog, $make, ingest {
                an_asset_is_stored_with_its_jobs_and_events,
                an_asset_may_start_settled_or_staged,
                repeating_a_commit_gives_the_same_answer,
                a_taken_asset_id_is_a_conflict,
                a_missing_library_changes_nothing,
                the_same_bytes_share_a_blob,
                other_bytes_share_nothing,
                the_same_bytes_at_the_same_time_share_a_blob,
                a_tombstoned_blob_is_revived,
                a_purging_blob_is_not_revived,
                an_idempotency_key_gives_the_same_asset,
                an_idempotency_key_is_for_one_request,
                an_idempotency_key_races,
                what_an_idempotency_key_gave_is_found,
                expired_intents_are_taken_over,
                an_intent_is_never_shortened,
                an_intent_is_taken_once,
                a_commit_races_with_who_takes_its_intent,
                a_sweeper_may_die,
                a_writer_whose_intent_was_taken_commits_nothing,
                lost_bytes_are_replaced,
                lost_bytes_are_replaced_once,
                an_original_is_found_by_its_bytes,
            } }
            $crate::__conformance_tests! { lists, dyn $crate::catalog::Catalog, $make, lists {
                assets_are_seen_by_visibility,
                what_is_invisible_cannot_be_changed,
                assets_are_listed_by_what_was_asked_for,
                pages_of_equal_assets_are_complete,
                forged_cursors_are_refused,
                a_cursor_of_somebody_else_shows_nothing_more,
                changing_an_asset,
                changing_a_version_happens_once,
            } }
            $crate::__conformance_tests! { trash, dyn $crate::catalog::Catalog, $make, trash {
                into_the_trash_and_out_again,
                assets_whose_time_is_over,
                a_staged_asset_is_attached,
                a_staged_asset_is_understood_before_it_is_attached,
                deleting_an_asset,
                deleting_an_asset_cancels_what_is_queued,
                bytes_stay_while_an_asset_stands_on_them,
                only_what_is_still_expired_is_swept,
            } }
            $crate::__conformance_tests! { renditions, dyn $crate::catalog::Catalog, $make, renditions {
                facts_declare_renditions,
                an_asset_that_requires_nothing_is_ready,
                what_cannot_be_processed_is_settled,
                parts_are_added_once,
                an_asset_is_ready_with_its_last_required_rendition,
                a_failed_required_rendition_fails_the_asset,
                a_failed_optional_rendition_fails_nothing,
                ready_never_regresses,
                a_rendition_is_replaced_by_its_successor,
                a_replaced_rendition_is_served_until_it_is_purged,
                pending_renditions_are_replaced_by_declared_ones,
                a_job_with_work_left_is_not_called_off,
                failed_renditions_are_replaced_by_declared_ones,
                an_asset_is_understood_again,
                a_corrected_date_is_kept,
                what_cannot_be_read_again_stays_as_it_was,
                facts_of_another_recipe_are_refused,
                nothing_is_declared_for_a_missing_asset,
                renditions_are_listed,
                what_came_out_comes_back,
            } }
            $crate::__conformance_tests! { reclaim, dyn $crate::catalog::Catalog, $make, reclaim {
                bytes_within_their_retention_stay,
                a_purge_is_repeated_until_it_is_finished,
                a_purge_has_a_limit,
                what_cannot_be_purged_is_in_nobodys_way,
                renditions_go_with_their_folders,
            } }
            $crate::__conformance_tests! { stores, dyn $crate::catalog::Catalog, $make, stores {
                naming_a_store_queues_a_move,
                stores_share_no_bytes,
                what_is_elsewhere_is_found,
                an_original_is_moved,
                bytes_stay_where_others_stand_on_them,
                a_purged_twin_is_no_copy,
                a_rendition_is_moved,
                what_is_gone_is_not_moved,
                a_move_is_fenced,
                strays_are_followed,
                a_move_may_leave_something,
            } }
            $crate::__conformance_tests! { fencing, dyn $crate::catalog::Catalog, $make, fencing {
                a_late_attempt_changes_nothing,
                a_late_renderer_changes_nothing,
                an_invented_fence_is_refused,
            } }
            $crate::__conformance_tests! { jobs, dyn $crate::catalog::Catalog, $make, jobs {
                a_job_is_queued_once,
                a_claim_is_a_lease,
                a_claim_gives_what_was_asked_for,
                the_urgent_come_first,
                what_is_runnable_is_told_in_order,
                a_delayed_job_waits,
                no_job_is_leased_twice,
                a_heartbeat_extends_the_lease,
                completing_jobs,
                a_failed_attempt_is_repeated,
                a_lease_that_ran_out_is_a_crash,
                a_released_job_is_claimed_again,
                a_job_that_is_given_up,
                giving_up_leaves_a_ready_asset,
                cancelling_a_queued_job,
                cancelling_a_running_job,
                cancelling_what_has_ended,
                a_dead_job_is_retried,
                only_the_dead_and_the_cancelled_are_retried,
                a_paused_queue_gives_nothing,
                queues_are_counted,
                jobs_are_listed,
                jobs_of_an_asset_are_listed,
                ended_jobs_are_trimmed,
            } }
            $crate::__conformance_tests! { setbacks, dyn $crate::catalog::Catalog, $make, setbacks {
                a_worker_that_was_heard_of_is_not_lost,
                a_dependency_that_was_away_is_not_counted,
                a_job_that_comes_forward_forgets_its_crashes,
                what_a_cancelled_job_was_to_make_fails,
                a_cancelled_job_leaves_the_rest,
                a_cancelled_understanding_fails_its_asset,
                an_obsolete_job_is_not_retried,
                facts_call_off_what_they_replace,
            } }
            $crate::__conformance_tests! { events, dyn $crate::catalog::Catalog, $make, events {
                an_event_is_read_as_it_was_emitted,
                an_event_is_not_read_before_it_is_numbered,
                numbers_have_no_gaps,
                writers_that_commit_out_of_order_lose_nothing,
                sequencers_at_the_same_time_number_once,
                events_are_seen_by_their_audience,
                a_cursor_moves_over_what_is_not_seen,
                a_cursor_of_another_epoch_is_refused,
                a_consumer_goes_on_where_it_was,
                a_new_epoch_expires_all_cursors,
                trimmed_events_expire_their_cursors,
                what_is_not_numbered_is_not_trimmed,
                what_waits_for_its_number_is_counted,
            } }
            $crate::__conformance_tests! { periods, dyn $crate::catalog::Catalog, $make, periods {
                jobs_are_the_same_in_any_period,
                events_are_read_across_periods,
                a_period_of_jobs_ends_as_a_whole,
                a_period_of_events_ends_as_a_whole,
            } }
            $crate::__conformance_tests! { audit, dyn $crate::catalog::Catalog, $make, audit {
                a_command_is_recorded_along_with_what_it_does,
                what_did_not_happen_is_not_recorded,
                entries_are_listed_by_what_was_asked_for,
                old_entries_are_trimmed,
            } }
            $crate::__conformance_tests! { search, dyn $crate::catalog::Catalog, $make, search {
                all_words_are_found_in_any_case,
                the_last_word_may_be_a_beginning,
                nothing_in_a_query_is_syntax,
                a_query_may_be_long,
                assets_are_found_by_what_was_read_from_them,
                a_new_name_is_found_and_the_old_one_is_not,
                search_sees_what_is_visible,
                search_skips_the_trash_and_the_deleted,
                search_pages_are_complete,
                suggestions_are_the_most_frequent_first,
                suggestions_see_what_is_visible,
            } }
            $crate::__conformance_tests! { lifecycle, dyn $crate::catalog::Catalog, $make, lifecycle {
                migrating_again_changes_nothing,
                the_clock_of_the_backend_goes_forward,
                a_closed_catalog_is_unavailable,
            } }
        }
    };
}
