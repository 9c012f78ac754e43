//! One picture, all of its variants.

use super::{
    encode::encode,
    resize::{Cascade, Plan},
};
use crate::Picture;
use medianest_core::{Error, Failure, ImageVariant, NewPart, PartSink, RenditionInfo, Result};

/// Resizes and encodes a decoded picture for all `tasks` (index and variant), each as one part, and
/// finishes each. A task that cannot be made fails alone.
///
/// # Errors
/// What the sink answers.
pub(crate) fn write_variants(
    picture: &Picture,
    tasks: &[(usize, &ImageVariant)],
    sink: &mut dyn PartSink,
) -> Result<()> {
    write_with_warnings(picture, tasks, &[], sink)
}

pub(super) fn write_with_warnings(
    picture: &Picture,
    tasks: &[(usize, &ImageVariant)],
    warnings: &[&'static str],
    sink: &mut dyn PartSink,
) -> Result<()> {
    let channels = if picture.alpha { 4 } else { 3 };
    let expected = (picture.width as usize).saturating_mul(picture.height as usize).saturating_mul(channels);
    if picture.pixels.len() != expected || expected == 0 {
        return Err(Error::internal("a decoder delivered a picture of the wrong size"));
    }
    let mut planned: Vec<_> = tasks
        .iter()
        .map(|(task, variant)| (*task, *variant, Plan::new(picture.width, picture.height, &variant.resize)))
        .collect();
    planned.sort_by(|(_, _, one), (_, _, other)| other.scale().total_cmp(&one.scale()));
    let mut cascade = Cascade::new(picture);
    for (done, (task, variant, plan)) in planned.iter().enumerate() {
        let made = cascade.make(plan).and_then(|small| encode(&small, variant));
        let outcome = match made {
            Ok((bytes, content_type)) => {
                sink.part(*task, NewPart { ordinal: 0, duration_us: 0, bytes })?;
                let mut info = RenditionInfo::default();
                info.content_type = content_type.to_owned();
                info.width = Some(plan.width);
                info.height = Some(plan.height);
                info.warnings = warnings.iter().map(ToString::to_string).collect();
                Ok(info)
            }
            Err(error) => Err(Failure::from(&error)),
        };
        sink.finish(*task, outcome)?;
        sink.progress((done + 1) as f32 / planned.len() as f32)?;
    }
    Ok(())
}
