//! SVG ([SVG 2](https://www.w3.org/TR/SVG2/)) by resvg. Nothing is run and nothing is fetched: pictures count when they are
//! part of the file. Text is left out, as there are no fonts in a sandbox.

use super::TargetSize;
use crate::{
    image::{
        header::Header,
        raw::{Layout, Raw},
    },
    source::{corrupt, read_all},
};
use medianest_core::{ByteSource, Limits, Result};
use resvg::{
    tiny_skia::{Pixmap, Transform},
    usvg::{ImageHrefResolver, Options, Tree},
};

pub(in crate::image) fn header(source: &dyn ByteSource, limits: &Limits) -> Result<Header> {
    let bytes = read_all(source, limits)?;
    let (width, height) = size(&parse(&bytes)?);
    let mut header = Header { width, height, frames: Some(1), ..Header::default() };
    if bytes.windows(5).any(|tag| tag == b"<text") {
        header.warnings.push("text_left_out");
    }
    Ok(header)
}

/// No larger than the target asks for: it is drawn at that size, not shrunk to it.
pub(super) fn decode(source: &dyn ByteSource, limits: &Limits, target: TargetSize) -> Result<Raw> {
    let tree = parse(&read_all(source, limits)?)?;
    let (width, height) = size(&tree);
    let (width, height) = (width.min(target.width).max(1), height.min(target.height).max(1));
    limits.check_frame(width, height)?;
    // Groups are drawn aside; how many at a time is for the limit of the process.
    if u64::from(width) * u64::from(height) * 16 > limits.max_memory {
        return Err(
            Limits::exceeded("max_memory", limits.max_memory).with("size", format!("{width}x{height}"))
        );
    }
    let mut pixmap = Pixmap::new(width, height).ok_or_else(|| corrupt("the SVG has no size"))?;
    let (across, down) = (width as f32 / tree.size().width(), height as f32 / tree.size().height());
    resvg::render(&tree, Transform::from_scale(across, down), &mut pixmap.as_mut());
    let pixels = pixmap.pixels().iter().flat_map(|pixel| {
        let color = pixel.demultiply();
        [color.red(), color.green(), color.blue(), color.alpha()]
    });
    Ok(Raw {
        width,
        height,
        layout: Layout::Rgba,
        pixels: pixels.collect(),
        profile: None,
        orientation: 1,
        truncated: false,
    })
}

fn parse(bytes: &[u8]) -> Result<Tree> {
    let image_href_resolver = ImageHrefResolver {
        resolve_data: ImageHrefResolver::default_data_resolver(),
        resolve_string: Box::new(|_, _| None),
    };
    let options = Options { image_href_resolver, ..Options::default() };
    Tree::from_data(bytes, &options).map_err(|cause| corrupt("the SVG is damaged").caused_by(cause))
}

/// Whole pixels.
fn size(tree: &Tree) -> (u32, u32) {
    (tree.size().width().ceil() as u32, tree.size().height().ceil() as u32)
}
