//! Video and audio against the corpus, with ffprobe and ffmpeg as judges: one named trial per file.

mod facts;
mod ladder;
mod poster;
mod rendering;
mod resume;
mod sound;
mod tools;

use libtest_mimic::{Arguments, Trial};

fn main() {
    let trials: Vec<Trial> =
        [facts::trials(), ladder::trials(), poster::trials(), resume::trials(), sound::trials()]
            .into_iter()
            .flatten()
            .collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

/// A trial that fails by panicking.
fn trial(name: impl Into<String>, test: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        test();
        Ok(())
    })
}
