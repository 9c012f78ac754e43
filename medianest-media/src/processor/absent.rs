//! What answers for the families of formats that are not compiled in: `unsupported_codec`, with the
//! name of the feature.

use medianest_core::{Error, Result};

fn absent<T>(feature: &'static str) -> Result<T> {
    Err(Error::media(
        "unsupported_codec",
        format!("this build lacks the feature `{feature}` of medianest-media, which processes such media"),
    )
    .with("feature", feature))
}

#[cfg(not(feature = "image"))]
pub(super) mod image {
    use super::absent;
    use crate::Picture;
    use medianest_core::{ByteSource, Facts, Failure, ImageVariant, Limits, MediaType, PartSink, Result};

    pub(crate) fn understand(_: &dyn ByteSource, _: &MediaType, _: &Limits) -> Result<Facts> {
        absent("image")
    }

    pub(crate) fn render(
        _: &dyn ByteSource,
        _: &Facts,
        _: &[(usize, &ImageVariant)],
        _: &Limits,
        _: &mut dyn PartSink,
    ) -> Result<()> {
        absent("image")
    }

    pub(crate) fn write_variants(
        _: &Picture,
        tasks: &[(usize, &ImageVariant)],
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        let Err(error) = absent::<()>("image") else { return Ok(()) };
        tasks.iter().try_for_each(|(index, _)| sink.finish(*index, Err(Failure::from(&error))))
    }
}

#[cfg(not(feature = "metadata"))]
pub(super) mod metadata {
    use super::absent;
    use crate::Picture;
    use medianest_core::{ByteSource, Facts, Limits, MediaType, Result};

    pub(crate) fn audio(_: &dyn ByteSource, _: &MediaType, _: &Limits) -> Result<Facts> {
        absent("metadata")
    }

    pub(crate) fn cover(_: &dyn ByteSource, _: &Facts, _: &Limits) -> Result<Picture> {
        absent("metadata")
    }
}

#[cfg(not(feature = "ffmpeg"))]
pub(super) mod ffmpeg {
    use super::absent;
    use crate::Picture;
    use medianest_core::{ByteSource, Facts, Failure, Limits, MediaType, PartSink, RenderTask, Result};

    pub(crate) fn understand(_: &dyn ByteSource, _: &MediaType, _: &Limits) -> Result<Facts> {
        absent("ffmpeg")
    }

    pub(crate) fn frame(_: &dyn ByteSource, _: &Facts, _: &Limits) -> Result<Picture> {
        absent("ffmpeg")
    }

    pub(crate) fn render(
        _: &dyn ByteSource,
        _: &Facts,
        tasks: &[(usize, &RenderTask)],
        _: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        let Err(error) = absent::<()>("ffmpeg") else { return Ok(()) };
        tasks.iter().try_for_each(|(index, _)| sink.finish(*index, Err(Failure::from(&error))))
    }
}
