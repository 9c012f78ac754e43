//! The least an embedder needs: a photo in, a thumbnail out, nothing but Rust to build it.

use medianest_media::{Limits, Resize, thumbnail};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut paths = std::env::args_os().skip(1);
    let (Some(from), Some(to)) = (paths.next(), paths.next()) else {
        return Err("usage: thumbnail-only PHOTO THUMBNAIL.jpg".into());
    };
    let photo = std::fs::read(from)?;
    let small = thumbnail(&photo, &Resize::fit(320, 320).jpeg(80), &Limits::default())?;
    Ok(std::fs::write(to, small)?)
}
