//! Structural similarity ([Wang et al. 2004](https://doi.org/10.1109/TIP.2003.819861)) of luma, over
//! windows of 8 × 8 pixels.

/// An RGB picture.
pub(crate) struct Rgb {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) pixels: Vec<u8>,
}

impl Rgb {
    pub(crate) fn decode(bytes: &[u8]) -> Self {
        let image = image::load_from_memory(bytes).expect("a picture").into_rgb8();
        Self { width: image.width() as usize, height: image.height() as usize, pixels: image.into_raw() }
    }

    fn luma(&self, x: usize, y: usize) -> f64 {
        let at = (y * self.width + x) * 3;
        let [red, green, blue] = [0, 1, 2].map(|channel| f64::from(self.pixels[at + channel]));
        0.299 * red + 0.587 * green + 0.114 * blue
    }

    /// The mean colour.
    pub(crate) fn mean(&self) -> [f64; 3] {
        let count = (self.width * self.height) as f64;
        let sums = self.pixels.chunks_exact(3).fold([0.0; 3], |sums: [f64; 3], pixel| {
            [0, 1, 2].map(|channel| sums[channel] + f64::from(pixel[channel]))
        });
        sums.map(|sum| sum / count)
    }
}

/// 1 for equal pictures; pictures of different sizes have nothing in common.
pub(crate) fn ssim(one: &Rgb, other: &Rgb) -> f64 {
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
