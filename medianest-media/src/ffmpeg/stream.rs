//! One stream of a container, read into plain values.
#![expect(unsafe_code, reason = "reads the fields of FFmpeg's streams")]

use super::{orient, timeline::Rate};
use ffmpeg_next::{
    Rational,
    codec::Parameters,
    ffi::{
        AV_DISPOSITION_ATTACHED_PIC, AV_DISPOSITION_TIMED_THUMBNAILS, AV_NOPTS_VALUE, AVFieldOrder,
        AVFormatContext, AVMediaType, AVRational, AVStream, av_dict_get, av_guess_frame_rate,
        av_guess_sample_aspect_ratio, avcodec_find_decoder, avcodec_get_name, avcodec_parameters_copy,
        avcodec_profile_name, avformat_index_get_entries_count, avformat_index_get_entry,
    },
    packet::side_data::Type as SideData,
};
use medianest_core::StreamKind;
use std::ffi::{CStr, c_char};

/// How many entries of an index tell the distance of its frames.
const INDEX_SAMPLE: i32 = 5_000;

/// What is known of a stream before anything is decoded.
pub(super) struct StreamInfo {
    pub(super) index: usize,
    pub(super) kind: StreamKind,
    /// Whether it is a picture that belongs to the file as a whole.
    pub(super) cover: bool,
    pub(super) codec: String,
    pub(super) profile: Option<String>,
    pub(super) language: Option<String>,
    /// Whether this build of FFmpeg has a decoder for it.
    pub(super) decodable: bool,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Width of a pixel by its height; 1 when unknown.
    pub(super) pixel_aspect: f64,
    /// The turn to apply before showing, as an EXIF orientation.
    pub(super) orientation: u8,
    pub(super) interlaced: bool,
    pub(super) average_rate: Option<Rate>,
    /// The rate at which all its frames can be shown in time, by FFmpeg's guess.
    pub(super) guessed_rate: Option<Rate>,
    /// The median distance of its frames, where the container has an index of them.
    pub(super) frame_gap_us: Option<i64>,
    /// Where the container's index says that its last bytes are.
    pub(super) index_end: Option<u64>,
    pub(super) channels: u16,
    pub(super) sample_rate: u32,
    pub(super) bit_rate: u64,
    pub(super) time_base: Rational,
    pub(super) start: Option<i64>,
    /// What a decoder needs to know; independent of the container.
    pub(super) parameters: Parameters,
}

impl StreamInfo {
    /// Reads a stream.
    ///
    /// # Safety
    /// The stream is one of the context, which is open.
    pub(super) unsafe fn read(context: *mut AVFormatContext, stream: *mut AVStream, orientation: u8) -> Self {
        // SAFETY: both are valid by the caller's word; strings that FFmpeg returns are static.
        unsafe {
            let par = &*(*stream).codecpar;
            let cover =
                (*stream).disposition & (AV_DISPOSITION_ATTACHED_PIC | AV_DISPOSITION_TIMED_THUMBNAILS) != 0;
            let kind = match par.codec_type {
                AVMediaType::AVMEDIA_TYPE_VIDEO if !cover => StreamKind::Video,
                AVMediaType::AVMEDIA_TYPE_AUDIO => StreamKind::Audio,
                AVMediaType::AVMEDIA_TYPE_SUBTITLE => StreamKind::Subtitle,
                _ => StreamKind::Other,
            };
            let mut parameters = Parameters::new();
            avcodec_parameters_copy(parameters.as_mut_ptr(), par);
            let aspect = av_guess_sample_aspect_ratio(context, stream, std::ptr::null_mut());
            let (frame_gap, index_end) = index(stream);
            Self {
                index: (*stream).index as usize,
                kind,
                cover,
                codec: text(avcodec_get_name(par.codec_id)).unwrap_or_default(),
                profile: text(avcodec_profile_name(par.codec_id, par.profile)),
                language: language(stream),
                decodable: !avcodec_find_decoder(par.codec_id).is_null(),
                width: u32::try_from(par.width).unwrap_or(0),
                height: u32::try_from(par.height).unwrap_or(0),
                pixel_aspect: rate(aspect).map_or(1.0, Rate::as_f64),
                orientation,
                interlaced: !matches!(
                    par.field_order,
                    AVFieldOrder::AV_FIELD_UNKNOWN | AVFieldOrder::AV_FIELD_PROGRESSIVE
                ),
                average_rate: rate((*stream).avg_frame_rate),
                guessed_rate: rate(av_guess_frame_rate(context, stream, std::ptr::null_mut())),
                frame_gap_us: frame_gap,
                index_end,
                channels: u16::try_from(par.ch_layout.nb_channels).unwrap_or(0),
                sample_rate: u32::try_from(par.sample_rate).unwrap_or(0),
                bit_rate: u64::try_from(par.bit_rate).unwrap_or(0),
                time_base: (*stream).time_base.into(),
                start: Some((*stream).start_time).filter(|start| *start != AV_NOPTS_VALUE),
                parameters,
            }
        }
    }

    /// Learns the distance of its frames from the times of some packets, unless the index told.
    pub(super) fn learn_frame_gap(&mut self, mut times: Vec<i64>) {
        times.sort_unstable();
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]).filter(|gap| *gap > 0).collect();
        self.frame_gap_us =
            self.frame_gap_us.or(median(gaps).map(|gap| self.micros(gap)).filter(|gap| *gap > 0));
    }

    /// A timestamp of this stream in microseconds.
    pub(super) fn micros(&self, timestamp: i64) -> i64 {
        rescale(timestamp, self.time_base)
    }

    /// Microseconds as a timestamp of this stream.
    pub(super) fn timestamp(&self, micros: i64) -> i64 {
        let (num, den) = (i128::from(self.time_base.numerator()), i128::from(self.time_base.denominator()));
        i64::try_from(i128::from(micros) * den / (num.max(1) * 1_000_000)).unwrap_or(i64::MAX)
    }

    /// Its first timestamp, in microseconds.
    pub(super) fn start_us(&self) -> Option<i64> {
        self.start.map(|start| self.micros(start))
    }

    /// Width and height as shown: upright, with square pixels.
    pub(super) fn display_size(&self) -> (u32, u32) {
        let width =
            (f64::from(self.width) * self.pixel_aspect).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        if orient::swaps_sides(self.orientation) { (self.height, width) } else { (width, self.height) }
    }
}

/// A timestamp in microseconds.
pub(super) fn rescale(timestamp: i64, base: Rational) -> i64 {
    let (num, den) = (i128::from(base.numerator()), i128::from(base.denominator().max(1)));
    i64::try_from(i128::from(timestamp) * num * 1_000_000 / den).unwrap_or(0)
}

fn rate(fraction: AVRational) -> Option<Rate> {
    (fraction.num > 0 && fraction.den > 0)
        .then(|| Rate { num: fraction.num.into(), den: fraction.den.into() })
}

/// # Safety
/// The pointer is null or a NUL-terminated string.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: by the caller's word.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned())
}

/// # Safety
/// The stream is valid.
unsafe fn language(stream: *mut AVStream) -> Option<String> {
    // SAFETY: the entry, if there is one, is owned by the stream's dictionary.
    let value = unsafe {
        let entry = av_dict_get((*stream).metadata, c"language".as_ptr(), std::ptr::null(), 0);
        if entry.is_null() { None } else { text((*entry).value) }
    };
    value
        .filter(|code| code.len() == 3 && code != "und" && code.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// The turn that a stream declares.
pub(super) fn orientation(stream: &ffmpeg_next::Stream<'_>) -> u8 {
    let matrix = stream.side_data().find(|entry| entry.kind() == SideData::DisplayMatrix);
    let Some(bytes) = matrix.as_ref().and_then(|entry| entry.data().get(..36)) else { return 1 };
    let mut numbers =
        bytes.chunks_exact(4).map(|four| i32::from_ne_bytes([four[0], four[1], four[2], four[3]]));
    orient::of_matrix(std::array::from_fn(|_| numbers.next().unwrap_or(0)))
}

fn median(mut values: Vec<i64>) -> Option<i64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

/// The median distance of frames in microseconds and the end of the last one in bytes, by the index.
///
/// # Safety
/// The stream is one of an open context.
unsafe fn index(stream: *mut AVStream) -> (Option<i64>, Option<u64>) {
    // SAFETY: entries are valid until the context is used again, and copied out before that.
    unsafe {
        let count = avformat_index_get_entries_count(stream);
        let (mut gaps, mut previous, mut end) = (Vec::new(), None, None);
        for number in 0..count {
            let entry = avformat_index_get_entry(stream, number);
            if entry.is_null() {
                break;
            }
            end = end.max(u64::try_from((*entry).pos).ok().map(|pos| pos + (*entry).size().max(0) as u64));
            if number < INDEX_SAMPLE {
                let time = (*entry).timestamp;
                gaps.extend(
                    previous.map(|previous: i64| time.saturating_sub(previous)).filter(|gap| *gap > 0),
                );
                previous = Some(time);
            }
        }
        // Some indexes are of key frames only.
        let complete = i64::from(count) == (*stream).nb_frames;
        let gap = complete.then(|| median(gaps)).flatten();
        (gap.map(|gap| rescale(gap, (*stream).time_base.into())).filter(|gap| *gap > 0), end)
    }
}
