//! What a decoded frame is in, and the graphs that make upright 8-bit pictures of it.

use super::{
    filter::Filter,
    orient,
    stream::StreamInfo,
    tonemap::{ToneMap, Transfer},
};
use ffmpeg_next::{
    Frame,
    color::{Range, Space, TransferCharacteristic},
    format::Pixel,
    frame::Video,
};
use medianest_core::Result;

/// What pictures become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// Three bytes a pixel, for stills.
    Rgb,
    /// What H.264 is encoded from: 8-bit 4:2:0 in BT.709, of limited range.
    Yuv,
}

/// What a graph is built for. When the frames of a file change, it is built anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    width: u32,
    height: u32,
    format: Pixel,
    space: Space,
    range: Range,
    transfer: Option<Transfer>,
}

impl Shape {
    fn of(frame: &Video) -> Self {
        let space = match frame.color_space() {
            // What does not say is standard definition below 600 lines, as on television.
            Space::Unspecified | Space::Reserved if frame.height() < 600 => Space::SMPTE170M,
            Space::Unspecified | Space::Reserved => Space::BT709,
            space => space,
        };
        let transfer = match frame.color_transfer_characteristic() {
            TransferCharacteristic::SMPTE2084 => Some(Transfer::Pq),
            TransferCharacteristic::ARIB_STD_B67 => Some(Transfer::Hlg),
            _ => None,
        };
        Self {
            width: frame.width(),
            height: frame.height(),
            format: frame.format(),
            space,
            range: frame.color_range(),
            transfer,
        }
    }

    fn is_target(&self) -> bool {
        self.format == Pixel::YUV420P && self.space == Space::BT709 && self.range != Range::JPEG
    }
}

/// Makes pictures of several sizes of each frame: upright, with square pixels, in ordinary colours.
/// The first size is the largest; the others are made of it.
#[derive(Debug)]
pub(super) struct Painter {
    target: Target,
    sizes: Vec<(u32, u32)>,
    orientation: u8,
    interlaced: bool,
    graphs: Option<Graphs>,
}

#[derive(Debug)]
struct Graphs {
    shape: Shape,
    front: Option<(Filter, ToneMap)>,
    ladder: Filter,
}

impl Painter {
    pub(super) fn new(stream: &StreamInfo, target: Target, sizes: Vec<(u32, u32)>) -> Self {
        Self { target, sizes, orientation: stream.orientation, interlaced: stream.interlaced, graphs: None }
    }

    /// Takes a frame. Passes each picture that is done to `each`, with the number of its size.
    pub(super) fn paint<F>(&mut self, frame: &mut Frame, mut each: F) -> Result<()>
    where
        F: FnMut(usize, Frame) -> Result<()>,
    {
        let mut video = Video::empty();
        std::mem::swap(&mut *video, frame);
        let shape = Shape::of(&video);
        if self.graphs.as_ref().is_none_or(|graphs| graphs.shape != shape) {
            self.finish(&mut each)?;
            self.graphs = Some(self.build(shape)?);
        }
        video.set_color_space(shape.space);
        video.set_pts(Some(0));
        let Some(graphs) = &mut self.graphs else { return Ok(()) };
        match &mut graphs.front {
            Some((front, _)) => front.push(&mut video)?,
            None => graphs.ladder.push(&mut video)?,
        }
        self.deliver(&mut each)
    }

    /// Passes on what the graphs still hold.
    pub(super) fn finish<F>(&mut self, mut each: F) -> Result<()>
    where
        F: FnMut(usize, Frame) -> Result<()>,
    {
        if let Some(Graphs { front: Some((front, _)), .. }) = &mut self.graphs {
            front.finish()?;
            self.deliver(&mut each)?;
        }
        if let Some(graphs) = &mut self.graphs {
            graphs.ladder.finish()?;
            self.deliver(&mut each)?;
        }
        self.graphs = None;
        Ok(())
    }

    fn deliver<F>(&mut self, each: &mut F) -> Result<()>
    where
        F: FnMut(usize, Frame) -> Result<()>,
    {
        let Some(Graphs { front, ladder, .. }) = &mut self.graphs else { return Ok(()) };
        if let Some((front, map)) = front {
            while let Some(frame) = front.pull(0) {
                ladder.push(&mut flatten(map, &Video::from(frame)))?;
            }
        }
        for size in 0..self.sizes.len() {
            while let Some(frame) = ladder.pull(size) {
                each(size, frame)?;
            }
        }
        Ok(())
    }

    fn build(&self, shape: Shape) -> Result<Graphs> {
        let (width, height) = self.sizes[0];
        let mut steps = Vec::new();
        if self.interlaced {
            steps.push("yadif=deint=interlaced".to_owned());
        }
        // Scaling before turning would need the sides the other way round; pictures are turned first.
        steps.extend(orient::filters(self.orientation).map(str::to_owned));
        let turned = orient::swaps_sides(self.orientation);
        let size = if turned { (shape.height, shape.width) } else { (shape.width, shape.height) };
        let quality = match self.target {
            Target::Rgb => "bicubic+accurate_rnd+full_chroma_int+full_chroma_inp",
            Target::Yuv => "bicubic",
        };
        let scale = format!("scale={width}:{height}:flags={quality}");
        let source = |format: Pixel, width, height| {
            format!(
                "video_size={width}x{height}:pix_fmt={}:time_base=1/1000000:pixel_aspect=1/1",
                ffmpeg_next::ffi::AVPixelFormat::from(format) as i32
            )
        };
        let to_target = match self.target {
            Target::Rgb => "format=rgb24".to_owned(),
            Target::Yuv => "scale=out_color_matrix=bt709:out_range=tv,format=yuv420p".to_owned(),
        };
        let (front, source) = match shape.transfer {
            Some(transfer) => {
                steps.extend([scale, "format=rgb48".to_owned()]);
                let front = Filter::video(
                    &source(shape.format, shape.width, shape.height),
                    &format!("[in]{}[out0]", steps.join(",")),
                    1,
                )?;
                steps = vec![to_target];
                (Some((front, ToneMap::new(transfer))), source(Pixel::RGB24, width, height))
            }
            None => {
                if self.target == Target::Rgb {
                    steps.extend([scale, to_target]);
                } else if shape.is_target() {
                    steps.extend((size != (width, height)).then_some(scale));
                } else {
                    steps.extend([
                        format!("{scale}:out_color_matrix=bt709:out_range=tv"),
                        "format=yuv420p".to_owned(),
                    ]);
                }
                (None, source(shape.format, shape.width, shape.height))
            }
        };
        let ladder = Filter::video(&source, &self.ladder(&steps, quality), self.sizes.len())?;
        Ok(Graphs { shape, front, ladder })
    }

    fn ladder(&self, steps: &[String], quality: &str) -> String {
        let count = self.sizes.len();
        let mut steps = steps.to_vec();
        steps.push("setsar=1".to_owned());
        if count == 1 {
            return format!("[in]{}[out0]", steps.join(","));
        }
        let taps: String = (1..count).map(|number| format!("[tap{number}]")).collect();
        let mut graph = format!("[in]{},split={count}[out0]{taps}", steps.join(","));
        for (number, (width, height)) in self.sizes.iter().enumerate().skip(1) {
            graph.push_str(&format!(";[tap{number}]scale={width}:{height}:flags={quality}[out{number}]"));
        }
        graph
    }
}

/// A frame of high dynamic range in ordinary colours.
fn flatten(map: &ToneMap, frame: &Video) -> Video {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    let mut flat = Video::new(Pixel::RGB24, frame.width(), frame.height());
    let (from, to) = (frame.stride(0), flat.stride(0));
    let target = flat.data_mut(0);
    for line in 0..height {
        map.row(&frame.data(0)[line * from..][..width * 6], &mut target[line * to..][..width * 3]);
    }
    flat.set_pts(frame.pts());
    flat
}
