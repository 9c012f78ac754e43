use libtest_mimic::Failed;
use medianest_core::{Limits, Resize};
use medianest_media::thumbnail;
use medianest_testkit::{
    corpus::CorpusFile,
    picture::{self, Rgb},
};

/// The thumbnail is like the one that `convert -auto-orient` makes, and, when the file is turned, more
/// so than to the one without the turn.
pub(crate) fn looks_like_imagemagick(file: &CorpusFile) -> Result<(), Failed> {
    let variant = Resize::fit(320, 320).jpeg(92);
    let ours = Rgb::decode(&thumbnail(&file.read(), &variant, &Limits::default())?);
    Ok(picture::looks_like_imagemagick(file, &ours)?)
}
