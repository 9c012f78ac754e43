//! What the first bytes show.
pub fn sniff() {}
