//! Pictures of the corpus: what is read from them against what other tools say, and what is made of
//! them against ImageMagick. One named trial per file.

mod facts;
mod hostile;
mod reference;
mod render;

use libtest_mimic::{Arguments, Trial};
use medianest_testkit::corpus::{self, CorpusFile};

fn main() {
    let arguments = Arguments::from_args();
    let pictures: Vec<CorpusFile> = corpus::files()
        .into_iter()
        .filter(|file| matches!(file.family(), "photo" | "raw" | "hostile"))
        .collect();
    let mut trials = Vec::new();
    for file in pictures {
        let heif = file.kind.contains("heic") || file.kind.contains("avif") || file.kind.contains("heif");
        // libheif is a feature; its trials are shown as ignored without it.
        let ignored = heif && cfg!(not(feature = "heif"));
        if file.family() == "hostile" {
            let name = format!("hostile::{}", file.name);
            trials.push(Trial::test(name, move || hostile::survives(&file)).with_ignored_flag(ignored));
            continue;
        }
        let of_facts = file.clone();
        trials.push(Trial::test(format!("facts::{}", file.name), move || facts::match_truth(&of_facts)));
        let name = format!("thumbnail::{}", file.name);
        let trial = match render::expected_failure(&file) {
            Some(code) => Trial::test(name, move || render::fails_with(&file, code)),
            None => Trial::test(name, move || reference::looks_like_imagemagick(&file)),
        };
        trials.push(trial.with_ignored_flag(ignored));
    }
    trials.extend([
        Trial::test("facts::a_large_tiff_keeps_its_exif", facts::a_large_tiff_keeps_its_exif),
        Trial::test("render::one_decode_for_all_variants", render::one_decode_for_all_variants),
        Trial::test("render::outputs_carry_no_metadata", render::outputs_carry_no_metadata),
        Trial::test("render::colours_become_srgb", render::colours_become_srgb),
        Trial::test("render::transparency_becomes_white_in_jpeg", render::transparency_becomes_white_in_jpeg),
        Trial::test("render::a_preview_is_turned_with_its_file", render::a_preview_is_turned_with_its_file),
        #[cfg(feature = "svg")]
        Trial::test("render::an_svg_shows_nothing_but_itself", render::an_svg_shows_nothing_but_itself),
        Trial::test(
            "render::a_missing_feature_fails_its_task_alone",
            render::a_missing_feature_fails_its_task_alone,
        ),
        Trial::test(
            "render::a_source_that_fails_is_not_the_medias_fault",
            render::a_source_that_fails_is_not_the_medias_fault,
        ),
        Trial::test("hostile::mutated_files_never_panic", hostile::mutated_files_never_panic),
    ]);
    libtest_mimic::run(&arguments, trials).exit();
}
