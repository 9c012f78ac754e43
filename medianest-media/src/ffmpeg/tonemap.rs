//! High dynamic range to sRGB: our own curve, so that the result does not depend on which filters a
//! build of FFmpeg has.
//!
//! The signal becomes light by its standard (PQ: SMPTE ST 2084; HLG: ARIB STD-B67 with the system
//! gamma of ITU-R BT.2100 for a display of 1000 cd/m²), relative to a reference white of 203 cd/m²
//! (ITU-R BT.2408). Light up to a knee stays as it is; what is above is bent towards 1 by the
//! brightest of its three parts, so that hues stay. Then BT.2020's primaries become BT.709's.

const REFERENCE_WHITE: f32 = 203.0;
const PEAK: f32 = 1000.0 / REFERENCE_WHITE;
const KNEE: f32 = 0.5;
const SIGNAL_BITS: u32 = 10;
const CURVE_STEPS: usize = 4096;

/// The transfer function of a signal of high dynamic range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    /// SMPTE ST 2084, of HDR10.
    Pq,
    /// ARIB STD-B67.
    Hlg,
}

/// Tables for one transfer function.
pub(super) struct ToneMap {
    transfer: Transfer,
    light: Vec<f32>,
    /// HLG's system gamma by scene luminance; its root makes steps finer where it is dark.
    gamma: Vec<f32>,
    /// The factor of the curve by the brightest part.
    curve: Vec<f32>,
    /// sRGB by the root of light.
    display: Vec<u8>,
}

impl ToneMap {
    pub(super) fn new(transfer: Transfer) -> Self {
        let steps = |count: usize| (0..count).map(move |step| step as f32 / (count - 1) as f32);
        let to_light = match transfer {
            Transfer::Pq => |signal| pq(signal) * 10_000.0 / REFERENCE_WHITE,
            Transfer::Hlg => hlg,
        };
        Self {
            transfer,
            light: steps(1 << SIGNAL_BITS).map(to_light).collect(),
            gamma: steps(CURVE_STEPS).map(|root| (root * root).powf(0.2) * PEAK).collect(),
            curve: steps(CURVE_STEPS).map(|at| factor(at * PEAK)).collect(),
            display: steps(CURVE_STEPS).map(|root| srgb(root * root)).collect(),
        }
    }

    /// Turns a row of native 16-bit RGB in BT.2020 into 8-bit sRGB.
    pub(super) fn row(&self, source: &[u8], target: &mut [u8]) {
        for (from, to) in source.chunks_exact(6).zip(target.chunks_exact_mut(3)) {
            let part = |at: usize| self.light[usize::from(u16::from_ne_bytes([from[at], from[at + 1]]) >> 6)];
            to.copy_from_slice(&self.pixel([part(0), part(2), part(4)]));
        }
    }

    fn pixel(&self, mut rgb: [f32; 3]) -> [u8; 3] {
        if self.transfer == Transfer::Hlg {
            let luminance = 0.2627 * rgb[0] + 0.6780 * rgb[1] + 0.0593 * rgb[2];
            let gamma = self.gamma[index(luminance.sqrt())];
            rgb = rgb.map(|part| part * gamma);
        }
        let brightest = rgb[0].max(rgb[1]).max(rgb[2]);
        let factor = self.curve[index(brightest / PEAK)] / brightest.max(PEAK) * PEAK;
        let [red, green, blue] = rgb.map(|part| part * factor);
        [
            1.660_5 * red - 0.587_6 * green - 0.072_8 * blue,
            -0.124_6 * red + 1.132_9 * green - 0.008_3 * blue,
            -0.018_2 * red - 0.100_6 * green + 1.118_7 * blue,
        ]
        .map(|part| self.display[index(part.max(0.0).sqrt())])
    }
}

impl std::fmt::Debug for ToneMap {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ToneMap({:?})", self.transfer)
    }
}

fn index(part: f32) -> usize {
    ((part * (CURVE_STEPS - 1) as f32 + 0.5) as usize).min(CURVE_STEPS - 1)
}

/// Light of a PQ signal, 1 being 10,000 cd/m².
fn pq(signal: f32) -> f32 {
    let root = signal.powf(1.0 / 78.843_75);
    ((root - 0.835_937_5).max(0.0) / (18.851_563 - 18.687_5 * root)).powf(1.0 / 0.159_301_76)
}

/// Light of the scene of an HLG signal, 1 being the brightest.
fn hlg(signal: f32) -> f32 {
    const A: f32 = 0.178_832_77;
    if signal <= 0.5 {
        signal * signal / 3.0
    } else {
        (((signal - 0.559_910_7) / A).exp() + 0.284_668_92) / 12.0
    }
}

/// What light, relative to the reference white, is multiplied with.
fn factor(light: f32) -> f32 {
    if light <= KNEE {
        return 1.0;
    }
    // Reinhard's extended curve above the knee: slope 1 where it begins, 1 at the peak.
    let (above, peak) = ((light - KNEE) / (1.0 - KNEE), (PEAK - KNEE) / (1.0 - KNEE));
    let bent = above * (1.0 + above / (peak * peak)) / (1.0 + above);
    (KNEE + (1.0 - KNEE) * bent) / light
}

fn srgb(light: f32) -> u8 {
    let signal = if light <= 0.003_130_8 { light * 12.92 } else { 1.055 * light.powf(1.0 / 2.4) - 0.055 };
    (signal * 255.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(map: &ToneMap, signal: f32) -> [u8; 3] {
        let bytes = ((signal * 65_535.0) as u16).to_ne_bytes();
        let mut target = [0; 3];
        map.row(&[bytes, bytes, bytes].concat(), &mut target);
        target
    }

    #[test]
    fn pq_by_its_standard() {
        assert!((pq(0.508) * 10_000.0 - 100.0).abs() < 2.0);
        assert!((pq(1.0) - 1.0).abs() < 1e-4 && pq(0.0) == 0.0);
        assert!((hlg(1.0) - 1.0).abs() < 1e-4 && (hlg(0.5) - 1.0 / 12.0).abs() < 1e-4);
    }

    #[test]
    fn grey_stays_grey_and_gets_brighter() {
        for transfer in [Transfer::Pq, Transfer::Hlg] {
            let map = ToneMap::new(transfer);
            let row: Vec<_> = (0..=100).map(|step| grey(&map, step as f32 / 100.0)).collect();
            assert!(row.windows(2).all(|pair| pair[0][1] <= pair[1][1]));
            assert!(row.iter().all(|[r, g, b]| r.abs_diff(*g) <= 1 && b.abs_diff(*g) <= 1));
            assert_eq!((row[0], row[100]), ([0; 3], [255; 3]));
        }
    }

    #[test]
    fn reference_white_is_bright_and_mid_grey_is_not_washed_out() {
        // BT.2408: reference white is 58 % of PQ and 75 % of HLG, 18 % grey 38 % of both.
        for (transfer, white) in [(Transfer::Pq, 0.58), (Transfer::Hlg, 0.75)] {
            let map = ToneMap::new(transfer);
            assert!((205..=245).contains(&grey(&map, white)[1]), "{:?}", grey(&map, white));
            assert!((90..=130).contains(&grey(&map, 0.38)[1]), "{:?}", grey(&map, 0.38));
        }
    }
}
