//! Fields that have their default are left out of JSON, and so of fingerprints.

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

pub(super) fn is_true(value: &bool) -> bool {
    *value
}

macro_rules! defaults {
    ($($default:ident, $is_default:ident: $type:ty = $value:expr;)+) => {$(
        pub(super) fn $default() -> $type {
            $value
        }

        pub(super) fn $is_default(value: &$type) -> bool {
            *value == $value
        }
    )+};
}

defaults! {
    default_quality, is_default_quality: u8 = 80;
    default_effort, is_default_effort: u8 = 4;
    default_crf, is_default_crf: u8 = 23;
    default_max_frame_rate, is_default_max_frame_rate: u32 = 60;
    default_segment_seconds, is_default_segment_seconds: u32 = 6;
    default_kbps, is_default_kbps: u32 = 160;
    default_channels, is_default_channels: u8 = 2;
}
