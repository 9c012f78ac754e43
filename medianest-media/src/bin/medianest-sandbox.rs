//! The helper of `medianest_media::sandbox::Sandboxed::with_helper`.

fn main() -> medianest_core::Result<()> {
    medianest_media::sandbox::serve_as_helper(medianest_media::InProcess)
}
