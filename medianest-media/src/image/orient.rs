//! Turning pictures upright.

use crate::Picture;

/// Applies an EXIF orientation: the turn from the stored to the shown picture. Other values than 2 to
/// 8 change nothing.
pub(super) fn upright(picture: Picture, orientation: u8) -> Picture {
    if !(2..=8).contains(&orientation) {
        return picture;
    }
    let pixels =
        if picture.alpha { turned::<4>(&picture, orientation) } else { turned::<3>(&picture, orientation) };
    let (width, height) = shown_size(picture.width, picture.height, orientation);
    Picture { width, height, alpha: picture.alpha, pixels }
}

/// The size after the turn.
pub(super) fn shown_size(width: u32, height: u32, orientation: u8) -> (u32, u32) {
    if (5..=8).contains(&orientation) { (height, width) } else { (width, height) }
}

fn turned<const CHANNELS: usize>(picture: &Picture, orientation: u8) -> Vec<u8> {
    let (width, height) = (picture.width as usize, picture.height as usize);
    let from: &[[u8; CHANNELS]] = picture.pixels.as_chunks().0;
    let mut out = vec![[0; CHANNELS]; width * height];
    if orientation < 5 {
        let flip_rows = orientation == 3 || orientation == 4;
        for (y, row) in out.chunks_exact_mut(width).enumerate() {
            let y = if flip_rows { height - 1 - y } else { y };
            row.copy_from_slice(&from[y * width..(y + 1) * width]);
            if orientation != 4 {
                row.reverse();
            }
        }
    } else {
        // In square blocks, so that both sides stay in the cache.
        const BLOCK: usize = 32;
        for top in (0..width).step_by(BLOCK) {
            for left in (0..height).step_by(BLOCK) {
                for y in top..(top + BLOCK).min(width) {
                    for x in left..(left + BLOCK).min(height) {
                        let (column, row) = match orientation {
                            5 => (y, x),
                            6 => (y, height - 1 - x),
                            7 => (width - 1 - y, height - 1 - x),
                            _ => (width - 1 - y, x),
                        };
                        out[y * height + x] = from[row * width + column];
                    }
                }
            }
        }
    }
    out.into_flattened()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one-letter pixels.
    fn picture(rows: &[&str], alpha: bool) -> Picture {
        let channels = if alpha { 4 } else { 3 };
        Picture {
            width: rows[0].len() as u32,
            height: rows.len() as u32,
            alpha,
            pixels: rows.concat().bytes().flat_map(|byte| vec![byte; channels]).collect(),
        }
    }

    #[test]
    fn all_eight_orientations_come_out_upright() {
        let upright_rows = ["abc", "def"];
        let stored: [&[&str]; 8] = [
            &["abc", "def"],
            &["cba", "fed"],
            &["fed", "cba"],
            &["def", "abc"],
            &["ad", "be", "cf"],
            &["cf", "be", "ad"],
            &["fc", "eb", "da"],
            &["da", "eb", "fc"],
        ];
        for (orientation, rows) in (1..).zip(stored) {
            for alpha in [false, true] {
                let shown = upright(picture(rows, alpha), orientation);
                assert_eq!(shown.pixels, picture(&upright_rows, alpha).pixels, "orientation {orientation}");
                assert_eq!((shown.width, shown.height), (3, 2), "orientation {orientation}");
            }
        }
    }

    #[test]
    fn nonsense_changes_nothing() {
        for orientation in [0, 1, 9, 255] {
            assert_eq!(upright(picture(&["ab"], false), orientation), picture(&["ab"], false));
        }
    }
}
