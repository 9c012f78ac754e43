//! Pictures, how alike they are, and ImageMagick's opinion.

use crate::corpus::CorpusFile;
use std::process::Command;

/// An RGB picture.
#[derive(Clone, Debug)]
pub struct Rgb {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub pixels: Vec<u8>,
}

impl Rgb {
    /// The pixels of a JPEG, PNG or WebP file, on white where it is transparent.
    ///
    /// # Panics
    /// When it is none.
    pub fn decode(bytes: &[u8]) -> Self {
        let image = image::load_from_memory(bytes).expect("a picture").into_rgba8();
        let (width, height) = (image.width() as usize, image.height() as usize);
        let pixels = image.pixels().flat_map(|pixel| {
            let [red, green, blue, alpha] = pixel.0.map(u16::from);
            [red, green, blue].map(|channel| ((channel * alpha + 255 * (255 - alpha) + 127) / 255) as u8)
        });
        Self { width, height, pixels: pixels.collect() }
    }

    /// What ImageMagick makes of the first frame of a file at this size, with or without the turn that
    /// the file asks for.
    ///
    /// # Panics
    /// When it makes nothing.
    pub fn by_imagemagick(file: &CorpusFile, auto_orient: bool, width: usize, height: usize) -> Self {
        // Debian's name first: another `convert` may stand before it on the path.
        let has = |program: &&str| Command::new(program).arg("-version").output().is_ok();
        let program = ["convert-im6.q16", "magick"].into_iter().find(has);
        let mut command = Command::new(program.expect("ImageMagick is needed: install imagemagick"));
        // It goes by the name otherwise, and some files have the wrong one.
        let format = if file.read().starts_with(b"\xff\xd8\xff") { "jpeg:" } else { "" };
        let other = tempfile::NamedTempFile::new().expect("a temporary file");
        match readable(file) {
            Some((format, bytes)) => {
                std::fs::write(&other, bytes).expect("a temporary file is written");
                command.arg(format!("{format}:{}", other.path().display()))
            }
            None => command.arg(format!("{format}{}[0]", file.path.display())),
        };
        if auto_orient {
            command.arg("-auto-orient");
        }
        command
            .args(["-background", "white", "-alpha", "remove", "-resize"])
            .arg(format!("{width}x{height}!"));
        command.args(["-colorspace", "sRGB", "-depth", "8", "-type", "TrueColor", "png:-"]);
        let output = command.output().expect("ImageMagick runs");
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(!output.stdout.is_empty(), "ImageMagick on {}: {complaint}", file.name);
        Self::decode(&output.stdout)
    }

    /// The mean colour.
    pub fn mean(&self) -> [f64; 3] {
        let count = (self.width * self.height) as f64;
        let sums = self.pixels.chunks_exact(3).fold([0.0; 3], |sums: [f64; 3], pixel| {
            [0, 1, 2].map(|channel| sums[channel] + f64::from(pixel[channel]))
        });
        sums.map(|sum| sum / count)
    }

    fn luma(&self, x: usize, y: usize) -> f64 {
        let at = (y * self.width + x) * 3;
        let [red, green, blue] = [0, 1, 2].map(|channel| f64::from(self.pixels[at + channel]));
        0.299 * red + 0.587 * green + 0.114 * blue
    }
}

/// What ImageMagick does not read, as something that it does, with the name of its format: JPEG XL as FFmpeg
/// decodes it, SVG as librsvg draws it; of a camera's raw file, the largest JPEG that is found by its first bytes.
fn readable(file: &CorpusFile) -> Option<(&'static str, Vec<u8>)> {
    let bytes = file.read();
    let run = |program: &str, before: &[&str], after: &[&str]| {
        let mut command = Command::new(program);
        let output = command.args(before).arg(&file.path).args(after).output();
        Some(("png", output.unwrap_or_else(|error| panic!("{program}: {error}")).stdout))
    };
    if file.kind.contains("jxl") {
        let as_png = ["-frames:v", "1", "-f", "image2pipe", "-c:v", "png", "-"];
        return run("ffmpeg", &["-v", "error", "-i"], &as_png);
    }
    if file.kind.contains("svg") {
        return run("rsvg-convert", &[], &[]);
    }
    if file.family() != "raw" || bytes.starts_with(b"\xff\xd8\xff") {
        return None;
    }
    let starts = (0..bytes.len()).filter(|at| bytes[*at..].starts_with(b"\xff\xd8\xff"));
    let pixels = |jpeg: &&[u8]| {
        let size = image::ImageReader::with_format(std::io::Cursor::new(*jpeg), image::ImageFormat::Jpeg);
        size.into_dimensions().map_or(0, |(width, height)| u64::from(width) * u64::from(height))
    };
    let largest = starts.map(|at| &bytes[at..]).max_by_key(pixels)?;
    Some(("jpeg", largest.to_vec()))
}

/// Structural similarity ([Wang et al. 2004](https://doi.org/10.1109/TIP.2003.819861)) of luma, over
/// windows of 8 × 8 pixels: 1 for equal pictures. Pictures of different sizes have nothing in common.
pub fn ssim(one: &Rgb, other: &Rgb) -> f64 {
    if (one.width, one.height) != (other.width, other.height) {
        return 0.0;
    }
    let window = 8.min(one.width).min(one.height);
    let (mut sum, mut count) = (0.0, 0.0);
    for top in (0..=one.height - window).step_by(4) {
        for left in (0..=one.width - window).step_by(4) {
            sum += of_window(one, other, left, top, window);
            count += 1.0;
        }
    }
    sum / count
}

fn of_window(one: &Rgb, other: &Rgb, left: usize, top: usize, window: usize) -> f64 {
    let (c1, c2) = ((0.01f64 * 255.0).powi(2), (0.03f64 * 255.0).powi(2));
    let n = (window * window) as f64;
    let (mut a, mut b, mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for y in top..top + window {
        for x in left..left + window {
            let (p, q) = (one.luma(x, y), other.luma(x, y));
            (a, b, aa, bb, ab) = (a + p, b + q, aa + p * p, bb + q * q, ab + p * q);
        }
    }
    let (mean_a, mean_b) = (a / n, b / n);
    let (var_a, var_b, cov) = (aa / n - mean_a * mean_a, bb / n - mean_b * mean_b, ab / n - mean_a * mean_b);
    (2.0 * mean_a * mean_b + c1) * (2.0 * cov + c2)
        / ((mean_a * mean_a + mean_b * mean_b + c1) * (var_a + var_b + c2))
}

/// How alike our picture of a file has to be to ImageMagick's, which neither manages colour nor shrinks
/// on load: start of the name, SSIM, why it is less than 0.9.
const LOOSER: &[(&str, f64, &str)] = &[
    ("021", 0.8, "ImageMagick converts CMYK without its profile"),
    ("032", 0.7, "ImageMagick applies the gAMA chunk, which we pass over"),
    ("041", 0.0, "HDR: ImageMagick shows the PQ signal as it is"),
];

/// Checks that a picture of a file is like the one that ImageMagick makes with `-auto-orient`, and, when
/// the file asks for a turn, more so than to the one without.
///
/// # Errors
/// How alike they are.
pub fn looks_like_imagemagick(file: &CorpusFile, ours: &Rgb) -> Result<(), String> {
    let looser = LOOSER.iter().find(|(start, ..)| file.name.starts_with(start));
    let least = looser.map_or(0.9, |(_, least, _)| *least);
    let likeness = ssim(ours, &Rgb::by_imagemagick(file, true, ours.width, ours.height));
    if likeness < least {
        return Err(format!("SSIM {likeness:.3} to ImageMagick's picture"));
    }
    // ImageMagick turns a HEIF file whether it is asked to or not.
    let turned = file.truth.heif_display.is_none() && file.truth.orientation.is_some_and(|turn| turn != 1);
    if turned {
        let as_stored = ssim(ours, &Rgb::by_imagemagick(file, false, ours.width, ours.height));
        if as_stored >= likeness {
            return Err(format!("not upright: SSIM {as_stored:.3} as stored, {likeness:.3} upright"));
        }
    }
    Ok(())
}
