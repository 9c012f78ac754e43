//! The turn that a display matrix asks for, as an EXIF orientation.

/// The orientation of a 3×3 display matrix of FFmpeg (16.16 fixed point, row by row); turns that are
/// not by right angles become the nearest one.
pub(super) fn of_matrix(matrix: [i32; 9]) -> u8 {
    let [a, b, _, c, d, ..] = matrix.map(f64::from);
    let turned = (b - c).abs() + (b + c).abs() > (a - d).abs() + (a + d).abs();
    match (turned, a < 0.0, d < 0.0, b < 0.0, c < 0.0) {
        (false, false, false, ..) => 1,
        (false, true, false, ..) => 2,
        (false, true, true, ..) => 3,
        (false, false, true, ..) => 4,
        (true, _, _, false, false) => 5,
        (true, _, _, false, true) => 6,
        (true, _, _, true, true) => 7,
        (true, _, _, true, false) => 8,
    }
}

/// Degrees clockwise; what is mirrored beside is left out.
pub(super) fn rotation(orientation: u8) -> u16 {
    match orientation {
        3 | 4 => 180,
        5 | 8 => 270,
        6 | 7 => 90,
        _ => 0,
    }
}

/// Whether width and height change places.
pub(super) fn swaps_sides(orientation: u8) -> bool {
    orientation >= 5
}

/// The filters that apply it.
pub(super) fn filters(orientation: u8) -> Option<&'static str> {
    match orientation {
        2 => Some("hflip"),
        3 => Some("hflip,vflip"),
        4 => Some("vflip"),
        5 => Some("transpose=cclock_flip"),
        6 => Some("transpose=clock"),
        7 => Some("transpose=clock_flip"),
        8 => Some("transpose=cclock"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: i32 = 1 << 16;

    fn matrix(a: i32, b: i32, c: i32, d: i32) -> [i32; 9] {
        [a * ONE, b * ONE, 0, c * ONE, d * ONE, 0, 0, 0, 1 << 30]
    }

    #[test]
    fn the_eight_turns() {
        let turns = [
            (1, 0, 0, 1),
            (-1, 0, 0, 1),
            (-1, 0, 0, -1),
            (1, 0, 0, -1),
            (0, 1, 1, 0),
            (0, 1, -1, 0),
            (0, -1, -1, 0),
            (0, -1, 1, 0),
        ];
        for (index, (a, b, c, d)) in turns.into_iter().enumerate() {
            assert_eq!(of_matrix(matrix(a, b, c, d)), index as u8 + 1);
        }
    }

    #[test]
    fn a_slanted_picture_takes_the_nearest_right_angle() {
        assert_eq!(of_matrix([ONE, ONE / 9, 0, -ONE / 9, ONE, 0, 0, 0, 1 << 30]), 1);
    }

    #[test]
    fn nonsense_is_upright() {
        assert_eq!(of_matrix([0; 9]), 1);
    }
}
