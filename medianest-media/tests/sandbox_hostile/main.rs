//! What a hostile child can do, on a zygote that [`sandbox::init_with`] forked: this program has its
//! own `main`, as servers have. The "media" of these tests are orders that a processor obeys.

mod bench;
mod confinement;
mod limits;
mod obedient;
mod processes;
mod protocol;

use bench::Bench;
use libtest_mimic::{Arguments, Failed, Trial};
use medianest_media::sandbox::{self, Sandboxed};
use obedient::Obedient;
use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    // This program is its own helper, too: it goes on only when it was not started as one.
    drop(sandbox::serve_as_helper(Obedient));
    if std::env::args().nth(1).as_deref() == Some(processes::VICTIM) {
        processes::victim();
    }
    sandbox::init_with(Obedient).expect("the first line of main");
    let mut arguments = Arguments::from_args();
    // One after another: they count descriptors. The jobs of one test may still be parallel.
    arguments.test_threads = Some(1);
    libtest_mimic::run(&arguments, trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let bench = Arc::new(Bench { sandbox: Sandboxed::new().expect("init was called") });
    let mut trials = Vec::new();
    let mut trial = |name: &str, test: fn(&Bench)| {
        let bench = Arc::clone(&bench);
        trials.push(Trial::test(name, move || {
            test(&bench);
            bench.still_works();
            Ok::<(), Failed>(())
        }));
    };
    trial("honest_work_is_passed_on", limits::honest_work);
    trial("crashes_are_told_by_their_signal", limits::crashes);
    trial("a_child_that_the_system_kills_is_not_the_medias_fault", limits::killed);
    trial("a_deadline_ends_what_spins_or_stalls", limits::deadlines);
    trial("memory_is_limited", limits::memory);
    trial("lies_end_the_job", protocol::lies);
    trial("parts_follow_their_order", protocol::parts);
    trial("output_is_limited", limits::output);
    trial("a_cancelled_job_is_killed", limits::cancel);
    trial("a_source_that_fails_is_not_the_childs_fault", limits::unreadable);
    trial("a_child_has_no_environment", confinement::environment);
    trial("a_child_opens_nothing", confinement::files);
    trial("a_child_has_no_network", confinement::network);
    trial("a_child_is_nobody", confinement::nobody);
    trial("jobs_do_not_affect_each_other", processes::parallel);
    trial("nothing_is_left_behind", processes::leaks);
    trial("nothing_survives_the_server", processes::survivors);
    trial("a_helper_that_died_is_started_again", processes::helper);
    let last = Arc::clone(&bench);
    trials.push(Trial::test("z_without_its_zygote_it_says_so", move || {
        processes::without_zygote(&last);
        Ok(())
    }));
    trials
}
