//! JPEG XL ([ISO/IEC 18181](https://www.iso.org/standard/85066.html)) by jxl-oxide; of an animation, the first frame.

use super::{check_memory, raster};
use crate::{
    image::{header::Header, raw::Raw},
    source::SourceReader,
};
use image::ImageDecoder;
use jxl_oxide::integration::JxlDecoder;
use medianest_core::{ByteSource, Limits, Result};

pub(in crate::image) fn header(source: &dyn ByteSource) -> Result<Header> {
    let mut decoder = JxlDecoder::new(SourceReader::buffered(source)).map_err(raster::error)?;
    let (width, height) = decoder.dimensions();
    // The decoder turns it; EXIF's orientation is void.
    let mut header = Header { width, height, orientation: Some(1), ..Header::default() };
    header.exif = decoder.exif_metadata().ok().flatten().map(Into::into);
    Ok(header)
}

pub(super) fn decode(source: &dyn ByteSource, header: &mut Header, limits: &Limits) -> Result<Raw> {
    // Three or four planes of 32 bits, once more while filters run, and what is given out.
    check_memory(header, 40, limits)?;
    let mut decoder = JxlDecoder::new(SourceReader::buffered(source)).map_err(raster::error)?;
    header.icc = decoder.icc_profile().ok().flatten();
    raster::read(Box::new(decoder), header, limits)
}
