//! The guarded way in: no file reaches FFmpeg but through here.
#![expect(unsafe_code, reason = "FFmpeg's guards are fields of its context, set before it reads a byte")]

use super::{
    error::{self, Deadline},
    io::{Reader, Trouble},
    stream::{self, StreamInfo},
};
use ffmpeg_next::{
    Dictionary, Error as Ffmpeg, Packet,
    ffi::{
        AV_NOPTS_VALUE, AVDictionary, AVDiscard, AVERROR, AVFMT_FLAG_CUSTOM_IO, AVFormatContext, AVIOContext,
        AVInputFormat, AVSEEK_FLAG_BACKWARD, EACCES, av_probe_input_buffer2, av_read_frame, av_seek_frame,
        av_strdup, avformat_alloc_context, avformat_find_stream_info, avformat_open_input,
    },
    format::context::{self, StreamIo},
};
use medianest_core::{ByteSource, Error, Limits, Result};
use std::{
    collections::BTreeMap,
    ffi::{CStr, c_char, c_int},
    marker::PhantomData,
    ptr,
    sync::Once,
};

/// The demuxers that may touch a file, by one alias each. What names other files or addresses
/// (HLS, DASH, concat, SDP, image sequences, …) is not among them and stays out.
const DEMUXERS: &CStr = c"mov,matroska,mpegts,mpeg,avi,mp3,flac,wav,aac,ogg,aiff";
/// Bytes and time that FFmpeg may look at to find out what the streams are.
const PROBE_BYTES: i64 = 8 << 20;
const PROBE_MICROS: i64 = 10_000_000;
const READ_AHEAD: usize = 128 << 10;

/// An opened file, bound to the source that it reads.
pub(super) struct Input<'a> {
    context: context::Input,
    trouble: Trouble,
    deadline: Deadline,
    /// Keeps the source borrowed: `context` holds a reference to it whose lifetime was erased.
    source: PhantomData<&'a dyn ByteSource>,
}

impl<'a> Input<'a> {
    /// Opens a file and finds out what its streams are.
    ///
    /// Fails with `unsupported_media_type` when it is of none of the formats that we support,
    /// `limit_exceeded` when it has too many streams, `corrupt` and the like when it cannot be read.
    pub(super) fn open(source: &'a dyn ByteSource, limits: &Limits, deadline: Deadline) -> Result<Self> {
        quiet();
        let trouble = Trouble::default();
        // SAFETY: FFmpeg wants a stream that lives for ever. The only holder of this reference is the
        // stream inside `context`, which `Input` owns, never hands out and drops within 'a. (Parameters
        // borrowed from it are deep copies, see `stream::StreamInfo`.)
        let forever = unsafe { std::mem::transmute::<&'a dyn ByteSource, &'static dyn ByteSource>(source) };
        let reader = Reader::new(forever, deadline, trouble.clone());
        let context =
            open_guarded(reader, limits).map_err(|failure| explain(&trouble, deadline).unwrap_or(failure))?;
        let input = Self { context, trouble, deadline, source: PhantomData };
        if input.context.nb_streams() > limits.max_streams {
            return Err(Limits::exceeded("max_streams", u64::from(limits.max_streams)));
        }
        Ok(input)
    }

    /// The streams, in the order of the container.
    pub(super) fn streams(&mut self) -> Vec<StreamInfo> {
        (0..self.context.nb_streams() as usize).map(|index| self.stream(index)).collect()
    }

    fn stream(&mut self, index: usize) -> StreamInfo {
        let orientation = self.context.stream(index).map_or(1, |stream| stream::orientation(&stream));
        // SAFETY: the context is open and `index` is below its number of streams.
        unsafe {
            let context = self.context.as_mut_ptr();
            StreamInfo::read(context, *(*context).streams.add(index), orientation)
        }
    }

    /// Reads on only what these streams carry.
    pub(super) fn keep_only(&mut self, wanted: &[usize]) {
        for index in 0..self.context.nb_streams() as usize {
            let discard =
                if wanted.contains(&index) { AVDiscard::AVDISCARD_DEFAULT } else { AVDiscard::AVDISCARD_ALL };
            // SAFETY: the context is open and `index` is below its number of streams.
            unsafe { (**(*self.context.as_mut_ptr()).streams.add(index)).discard = discard }
        }
    }

    /// The next packet of any stream; None at the end of what can be read.
    pub(super) fn read(&mut self, packet: &mut Packet) -> Result<Option<()>> {
        use ffmpeg_next::packet::Mut;
        self.deadline.check()?;
        // SAFETY: both are valid; the packet is emptied first, as av_read_frame asks for.
        let code = unsafe {
            ffmpeg_next::ffi::av_packet_unref(packet.as_mut_ptr());
            av_read_frame(self.context.as_mut_ptr(), packet.as_mut_ptr())
        };
        if code >= 0 {
            return Ok(Some(()));
        }
        match explain(&self.trouble, self.deadline) {
            Some(error) => Err(error),
            None => Ok(None),
        }
    }

    /// Goes to the last key frame of a stream at or before `timestamp` (in the stream's time base).
    /// Says whether the container could.
    pub(super) fn seek(&mut self, stream: usize, timestamp: i64) -> bool {
        // SAFETY: the context is open; FFmpeg checks the stream's number.
        unsafe {
            av_seek_frame(self.context.as_mut_ptr(), stream as c_int, timestamp, AVSEEK_FLAG_BACKWARD) >= 0
        }
    }

    /// What the container declares as playing time, in microseconds.
    pub(super) fn duration_us(&self) -> Option<i64> {
        Some(self.context.duration()).filter(|micros| *micros != AV_NOPTS_VALUE && *micros > 0)
    }

    /// The tags of the container and, where it has none of that name, of its streams; by lowercase name.
    pub(super) fn tags(&self, limits: &Limits) -> BTreeMap<String, String> {
        let mut tags = Tags { found: BTreeMap::new(), room: limits.max_metadata_bytes };
        // SAFETY: the context is open; its dictionaries live as long as it does.
        unsafe {
            let context = self.context.as_ptr();
            tags.add((*context).metadata);
            for index in 0..self.context.nb_streams() as usize {
                tags.add((**(*context).streams.add(index)).metadata);
            }
        }
        tags.found
    }
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Input({} streams)", self.context.nb_streams())
    }
}

/// Why the source stopped FFmpeg, if it did.
fn explain(trouble: &Trouble, deadline: Deadline) -> Option<Error> {
    trouble.take().map(error::unreadable).or_else(|| deadline.check().err())
}

fn open_guarded(reader: Reader<'static>, limits: &Limits) -> Result<context::Input> {
    let mut io = StreamIo::from_read_seek_with_capacity(reader, READ_AHEAD)
        .map_err(|error| error::internal(error, "open"))?;
    let format = probe(&mut io)?;
    // SAFETY: a fresh context, whose fields are set before anything reads them. Both strings are
    // freed with it. On failure avformat_open_input frees the context, but not `io`, which drops here.
    let mut context = unsafe {
        let mut context = avformat_alloc_context();
        if context.is_null() {
            return Err(Limits::exceeded("max_memory", limits.max_memory));
        }
        (*context).pb = io.as_mut_ptr();
        (*context).flags |= AVFMT_FLAG_CUSTOM_IO;
        (*context).format_whitelist = av_strdup(DEMUXERS.as_ptr());
        (*context).protocol_whitelist = av_strdup(c"".as_ptr());
        (*context).io_open = Some(refuse);
        (*context).max_streams = c_int::try_from(limits.max_streams).unwrap_or(c_int::MAX);
        (*context).probesize = PROBE_BYTES;
        (*context).max_analyze_duration = PROBE_MICROS;
        match avformat_open_input(&mut context, ptr::null(), format, ptr::null_mut()) {
            0 => context::Input::wrap_with_custom_io(context, io),
            code => return Err(error::media(Ffmpeg::from(code), "open")),
        }
    };
    find_streams(&mut context, limits)?;
    Ok(context)
}

/// Which of our demuxers the first bytes belong to.
fn probe(io: &mut StreamIo) -> Result<*const AVInputFormat> {
    let unsupported = || Error::media("unsupported_media_type", "this is no video or audio that we support");
    let mut format = ptr::null();
    // SAFETY: FFmpeg reads from `io` and rewinds it; the format it finds is static. Without a name
    // nothing is guessed from one.
    unsafe {
        let score = av_probe_input_buffer2(io.as_mut_ptr(), &mut format, ptr::null(), ptr::null_mut(), 0, 0);
        if score < 0 || format.is_null() {
            return Err(unsupported());
        }
        let names = CStr::from_ptr((*format).name).to_bytes();
        let supported = DEMUXERS.to_bytes().split(|byte| *byte == b',');
        let mut aliases = names.split(|byte| *byte == b',');
        let ours: Vec<_> = supported.collect();
        if !aliases.any(|alias| ours.contains(&alias)) {
            return Err(unsupported());
        }
    }
    Ok(format)
}

fn find_streams(context: &mut context::Input, limits: &Limits) -> Result<()> {
    let decoder_options = || {
        let mut options = Dictionary::new();
        options.set("max_pixels", &limits.max_pixels.to_string());
        options.set("threads", "1");
        // SAFETY: the pointer is taken back below.
        unsafe { options.disown() }
    };
    let mut options: Vec<*mut AVDictionary> = (0..context.nb_streams()).map(|_| decoder_options()).collect();
    // SAFETY: one dictionary for each stream that there is now, as FFmpeg asks for; each is freed after.
    let code = unsafe {
        let code = avformat_find_stream_info(context.as_mut_ptr(), options.as_mut_ptr());
        options.into_iter().for_each(|options| drop(Dictionary::own(options)));
        code
    };
    if code < 0 { Err(error::media(Ffmpeg::from(code), "find the streams")) } else { Ok(()) }
}

/// What a demuxer gets that wants to open something else.
unsafe extern "C" fn refuse(
    _: *mut AVFormatContext,
    _: *mut *mut AVIOContext,
    _: *const c_char,
    _: c_int,
    _: *mut *mut AVDictionary,
) -> c_int {
    AVERROR(EACCES)
}

/// FFmpeg writes to the process's stderr unless told otherwise.
pub(super) fn quiet() {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| ffmpeg_next::log::set_level(ffmpeg_next::log::Level::Quiet));
}

struct Tags {
    found: BTreeMap<String, String>,
    room: u64,
}

impl Tags {
    /// Adds what is not there yet, as long as there is room.
    ///
    /// # Safety
    /// The dictionary is valid or null.
    unsafe fn add(&mut self, dictionary: *const AVDictionary) {
        let mut entry = ptr::null();
        loop {
            // SAFETY: the dictionary is valid by the caller's word, and not changed while it is walked.
            entry = unsafe {
                ffmpeg_next::ffi::av_dict_get(
                    dictionary,
                    c"".as_ptr(),
                    entry,
                    ffmpeg_next::ffi::AV_DICT_IGNORE_SUFFIX,
                )
            };
            if entry.is_null() {
                return;
            }
            // SAFETY: both are NUL-terminated strings owned by the entry. They need not be UTF-8.
            let (name, value) = unsafe {
                (
                    CStr::from_ptr((*entry).key).to_string_lossy(),
                    CStr::from_ptr((*entry).value).to_string_lossy(),
                )
            };
            let size = (name.len() + value.len()) as u64;
            if size <= self.room {
                self.room -= size;
                self.found.entry(name.to_lowercase()).or_insert_with(|| value.into_owned());
            }
        }
    }
}
