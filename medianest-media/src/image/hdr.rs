//! High dynamic range to sRGB: light up to diffuse white is kept as it is, what is brighter is
//! compressed into the room above.

/// How bright diffuse white is in HDR material, in candela per square metre
/// ([ITU-R BT.2408](https://www.itu.int/pub/R-REP-BT.2408), 2.2).
const DIFFUSE_WHITE: f32 = 203.0;
/// Of the range of the display, what is shown without compression.
const KNEE: f32 = 0.75;

/// The two transfer functions of [ITU-R BT.2100](https://www.itu.int/rec/R-REC-BT.2100).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transfer {
    Pq,
    Hlg,
}

impl Transfer {
    /// By code point of ITU-T H.273; None for everything that is not HDR.
    pub(super) fn from_code_point(code: u8) -> Option<Self> {
        match code {
            16 => Some(Self::Pq),
            18 => Some(Self::Hlg),
            _ => None,
        }
    }

    /// Light of one channel relative to diffuse white.
    fn light(self, signal: f32) -> f32 {
        match self {
            Self::Pq => {
                let power = signal.max(0.0).powf(1.0 / 78.843_75);
                let light = (power - 0.835_937_5).max(0.0) / (18.851_563 - 18.6875 * power);
                10_000.0 * light.powf(1.0 / 0.159_301_76) / DIFFUSE_WHITE
            }
            // Shown on a display of 1000 cd/m², whose system gamma is left to the tone curve.
            Self::Hlg => {
                let scene = if signal <= 0.5 {
                    signal * signal / 3.0
                } else {
                    (((signal - 0.559_910_7) / 0.178_832_77).exp() + 0.284_668_92) / 12.0
                };
                1000.0 * scene.powf(1.2) / DIFFUSE_WHITE
            }
        }
    }
}

/// Converts pixels of `channels` little-endian samples of `bits` bits each, RGB first, to 8 bits in
/// sRGB. `primaries` is a code point of ITU-T H.273.
pub(super) fn to_srgb(
    samples: &[u8],
    channels: usize,
    bits: u8,
    primaries: u8,
    transfer: Transfer,
) -> Vec<u8> {
    let most = (1usize << bits.clamp(8, 16)) - 1;
    let light: Vec<f32> = (0..=most).map(|sample| transfer.light(sample as f32 / most as f32)).collect();
    let shown: Vec<u8> = (0..=4095u16).map(|step| encode(f32::from(step) / 4095.0)).collect();
    let matrix = to_bt709(primaries);
    let mut out = Vec::with_capacity(samples.len() / 2);
    for pixel in samples.chunks_exact(channels * 2) {
        let sample = |channel: usize| {
            usize::from(u16::from_le_bytes([pixel[channel * 2], pixel[channel * 2 + 1]])).min(most)
        };
        let rgb = [light[sample(0)], light[sample(1)], light[sample(2)]];
        let brightest = rgb[0].max(rgb[1]).max(rgb[2]);
        // All channels by the same factor, so that hues stay.
        let factor = if brightest > KNEE { compress(brightest) / brightest } else { 1.0 };
        for row in matrix {
            let linear = (row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2]) * factor;
            out.push(shown[(linear.clamp(0.0, 1.0) * 4095.0 + 0.5) as usize]);
        }
        if channels == 4 {
            out.push((sample(3) * 255 / most) as u8);
        }
    }
    out
}

/// A curve that leaves the diagonal at the knee with its slope and nears 1.
fn compress(light: f32) -> f32 {
    KNEE + (1.0 - KNEE) * (1.0 - (-(light - KNEE) / (1.0 - KNEE)).exp())
}

/// IEC 61966-2-1.
fn encode(linear: f32) -> u8 {
    let signal = if linear <= 0.003_130_8 { 12.92 * linear } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 };
    (signal * 255.0 + 0.5) as u8
}

/// Linear light of these primaries to that of BT.709, all with a white of D65.
fn to_bt709(primaries: u8) -> [[f32; 3]; 3] {
    match primaries {
        9 => [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]],
        12 => [[1.2249, -0.2247, -0.0002], [-0.0420, 1.0419, 0.0001], [-0.0197, -0.0786, 1.0983]],
        _ => [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gray(signal: f32, transfer: Transfer) -> u8 {
        let sample = ((signal * 1023.0) as u16).to_le_bytes();
        let out = to_srgb(&sample.repeat(3), 3, 10, 9, transfer);
        assert!(out.iter().all(|channel| channel.abs_diff(out[0]) <= 1), "{out:?}");
        out[0]
    }

    #[test]
    fn diffuse_white_is_bright_and_highlights_are_brighter() {
        // BT.2408: diffuse white is a signal of 58 % in PQ and 75 % in HLG.
        for (transfer, white) in [(Transfer::Pq, 0.58), (Transfer::Hlg, 0.75)] {
            assert_eq!(gray(0.0, transfer), 0);
            assert!((230..250).contains(&gray(white, transfer)), "{}", gray(white, transfer));
            assert!(gray(white + 0.1, transfer) > gray(white, transfer));
            assert!(gray(1.0, transfer) >= 254);
        }
    }
}
