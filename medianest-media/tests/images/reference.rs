use crate::ssim::{Rgb, ssim};
use libtest_mimic::Failed;
use medianest_core::{Limits, Resize};
use medianest_media::thumbnail;
use medianest_testkit::corpus::CorpusFile;
use std::process::Command;

const BOX: u32 = 320;

/// How alike a thumbnail has to be to ImageMagick's, which neither manages colour nor shrinks on load:
/// start of the name, SSIM, why it is less than 0.9.
const LOOSER: &[(&str, f64, &str)] = &[
    ("021", 0.8, "ImageMagick converts CMYK without its profile"),
    ("032", 0.7, "ImageMagick applies the gAMA chunk, which we pass over"),
    ("041", 0.0, "HDR: ImageMagick shows the PQ signal as it is"),
];

/// The thumbnail is like the one that `convert -auto-orient` makes, and, when the file is turned, more
/// so than to the one without the turn.
pub(crate) fn looks_like_imagemagick(file: &CorpusFile) -> Result<(), Failed> {
    let variant = Resize::fit(BOX, BOX).jpeg(92);
    let ours = Rgb::decode(&thumbnail(&file.read(), &variant, &Limits::default())?);
    let upright = convert(file, true, &ours)?;
    let least =
        LOOSER.iter().find(|(name, ..)| file.name.starts_with(name)).map_or(0.9, |(_, least, _)| *least);
    let likeness = ssim(&ours, &upright);
    if likeness < least {
        return Err(format!("SSIM {likeness:.3} to ImageMagick's thumbnail").into());
    }
    let turned = file.truth.heif_display.is_none() && file.truth.orientation.is_some_and(|turn| turn != 1);
    if turned {
        let as_stored = ssim(&ours, &convert(file, false, &ours)?);
        if as_stored >= likeness {
            return Err(format!("not upright: SSIM {as_stored:.3} as stored, {likeness:.3} upright").into());
        }
    }
    Ok(())
}

/// ImageMagick's thumbnail at the size of ours.
fn convert(file: &CorpusFile, auto_orient: bool, ours: &Rgb) -> Result<Rgb, Failed> {
    let mut command = Command::new("convert-im6.q16");
    // It goes by the name otherwise, and one photo has the wrong one.
    let jpeg = file.truth.mime_by_exiftool.as_deref() == Some("image/jpeg");
    command.arg(format!("{}{}[0]", if jpeg { "jpeg:" } else { "" }, file.path.display()));
    if auto_orient {
        command.arg("-auto-orient");
    }
    let size = format!("{}x{}!", ours.width, ours.height);
    command.args([
        "-background",
        "white",
        "-alpha",
        "remove",
        "-resize",
        &size,
        "-colorspace",
        "sRGB",
        "-depth",
        "8",
    ]);
    let output = command.args(["-type", "TrueColor", "ppm:-"]).output()?;
    if output.stdout.is_empty() {
        return Err(format!("convert-im6.q16: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(Rgb::decode(&output.stdout))
}
