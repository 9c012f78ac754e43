//! From one picture to the size that a variant wants.

use crate::Picture;
use fast_image_resize as fir;
use medianest_core::{Error, Resize, ResizeMode, Result};

/// What part of a picture becomes how large; nothing is ever enlarged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Plan {
    /// Left edge, top edge, width and height of the part, in pixels of the source.
    pub(super) crop: (f64, f64, f64, f64),
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Plan {
    pub(super) fn new(width: u32, height: u32, resize: &Resize) -> Self {
        let (from_width, from_height) = (f64::from(width), f64::from(height));
        let (box_width, box_height) = (f64::from(resize.width), f64::from(resize.height));
        let (across, down) = (box_width / from_width, box_height / from_height);
        let crop = match resize.mode {
            ResizeMode::Fill => {
                let scale = across.max(down);
                let (width, height) =
                    ((box_width / scale).min(from_width), (box_height / scale).min(from_height));
                ((from_width - width) / 2.0, (from_height - height) / 2.0, width, height)
            }
            _ => (0.0, 0.0, from_width, from_height),
        };
        let scale = (box_width / crop.2).min(box_height / crop.3).min(1.0);
        let pixels = |side: f64, most: u32| (side * scale).round().clamp(1.0, f64::from(most)) as u32;
        Self { crop, width: pixels(crop.2, width), height: pixels(crop.3, height) }
    }

    /// How much smaller the result is than the source, at most 1.
    pub(super) fn scale(&self) -> f64 {
        (f64::from(self.width) / self.crop.2).max(f64::from(self.height) / self.crop.3)
    }

    fn is_whole(&self) -> bool {
        self.crop.0 == 0.0 && self.crop.1 == 0.0
    }
}

/// Makes pictures of several sizes from one, each from the smallest that is at least twice as large:
/// a variant of 320 pixels costs next to nothing beside one of 1600.
pub(super) struct Cascade<'a> {
    source: &'a Picture,
    smaller: Vec<Picture>,
    resizer: fir::Resizer,
}

impl<'a> Cascade<'a> {
    pub(super) fn new(source: &'a Picture) -> Self {
        Self { source, smaller: Vec::new(), resizer: fir::Resizer::new() }
    }

    /// The picture for `plan`; call with the largest plan first.
    pub(super) fn make(&mut self, plan: &Plan) -> Result<Picture> {
        let twice = 2.0 * plan.scale() * f64::from(self.source.width);
        let candidates = self.smaller.iter().filter(|picture| f64::from(picture.width) >= twice - 1.0);
        let from = candidates.min_by_key(|picture| picture.width).unwrap_or(self.source);
        let across = f64::from(from.width) / f64::from(self.source.width);
        let down = f64::from(from.height) / f64::from(self.source.height);
        let (left, top, width, height) = plan.crop;
        let crop = (
            left * across,
            top * down,
            (width * across).min(f64::from(from.width) - left * across),
            (height * down).min(f64::from(from.height) - top * down),
        );
        let made = resample(&mut self.resizer, from, crop, plan.width, plan.height)?;
        if plan.is_whole() {
            self.smaller.push(made.clone());
        }
        Ok(made)
    }
}

fn resample(
    resizer: &mut fir::Resizer,
    from: &Picture,
    crop: (f64, f64, f64, f64),
    width: u32,
    height: u32,
) -> Result<Picture> {
    let whole = crop == (0.0, 0.0, f64::from(from.width), f64::from(from.height));
    if whole && (width, height) == (from.width, from.height) {
        return Ok(from.clone());
    }
    let pixel_type = if from.alpha { fir::PixelType::U8x4 } else { fir::PixelType::U8x3 };
    let broken =
        |error: &dyn std::fmt::Display| Error::internal("a picture cannot be resized").with("cause", error);
    let source = fir::images::ImageRef::new(from.width, from.height, &from.pixels, pixel_type)
        .map_err(|error| broken(&error))?;
    let mut out = fir::images::Image::new(width, height, pixel_type);
    let options = fir::ResizeOptions::new()
        .resize_alg(fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3))
        .crop(crop.0, crop.1, crop.2, crop.3)
        .use_alpha(true);
    resizer.resize(&source, &mut out, &options).map_err(|error| broken(&error))?;
    Ok(Picture { width, height, alpha: from.alpha, pixels: out.into_vec() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(width: u32, height: u32, resize: Resize) -> (u32, u32) {
        let plan = Plan::new(width, height, &resize);
        (plan.width, plan.height)
    }

    #[test]
    fn boxes_are_kept() {
        assert_eq!(size(4000, 3000, Resize::fit(1600, 1600)), (1600, 1200));
        assert_eq!(size(3000, 4000, Resize::fit(1600, 1600)), (1200, 1600));
        assert_eq!(size(100, 50, Resize::fit(320, 320)), (100, 50));
        assert_eq!(size(10_000, 2, Resize::fit(320, 320)), (320, 1));
        assert_eq!(size(4000, 3000, Resize::fill(400, 400)), (400, 400));
        assert_eq!(size(100, 50, Resize::fill(320, 320)), (50, 50));
        assert_eq!(size(100, 50, Resize::fill(40, 80)), (25, 50));
    }

    #[test]
    fn transparent_pixels_lend_no_colour() {
        let mut pixels = [255, 0, 0, 0].repeat(32);
        pixels.extend([0, 0, 255, 255].repeat(32));
        let picture = Picture { width: 8, height: 8, alpha: true, pixels };
        let plan = Plan::new(8, 8, &Resize::fit(2, 3));
        let small = Cascade::new(&picture).make(&plan).unwrap();
        for pixel in small.pixels.as_chunks::<4>().0.iter().filter(|pixel| pixel[3] > 0) {
            assert_eq!(pixel[0], 0, "{pixel:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_enlarged(
            width in 1u32..5000, height in 1u32..5000,
            across in 1u32..=16_384, down in 1u32..=16_384, fill: bool,
        ) {
            let resize = if fill { Resize::fill(across, down) } else { Resize::fit(across, down) };
            let plan = Plan::new(width, height, &resize);
            prop_assert!((1..=across.min(width)).contains(&plan.width));
            prop_assert!((1..=down.min(height)).contains(&plan.height));
            let (left, top, crop_width, crop_height) = plan.crop;
            prop_assert!(left >= 0.0 && left + crop_width <= f64::from(width) + 1e-6);
            prop_assert!(top >= 0.0 && top + crop_height <= f64::from(height) + 1e-6);
        }
    }
}
