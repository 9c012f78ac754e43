//! The helper of `medianest_media::sandbox::Sandboxed::with_helper`.

#[cfg(target_os = "linux")]
fn main() -> medianest_core::Result<()> {
    medianest_media::sandbox::serve_as_helper(medianest_media::InProcess)
}

#[cfg(not(target_os = "linux"))]
fn main() -> Result<(), &'static str> {
    Err("the sandbox needs Linux")
}
