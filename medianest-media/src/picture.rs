//! A decoded picture, on its way to its variants.

/// Pixels in sRGB, 8 bits a channel, upright, with square pixels: what every decoder delivers and
/// every picture variant starts from.
#[derive(Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width in pixels, at least 1.
    pub width: u32,
    /// Height in pixels, at least 1.
    pub height: u32,
    /// Whether there is a fourth channel, straight (not premultiplied) alpha.
    pub alpha: bool,
    /// Rows from the top, without padding: 3 bytes a pixel, or 4 with alpha.
    pub pixels: Vec<u8>,
}

impl std::fmt::Debug for Picture {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Picture({}x{}{})", self.width, self.height, if self.alpha { " with alpha" } else { "" })
    }
}
