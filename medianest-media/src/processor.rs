//! The processor that runs in this process.
pub struct InProcess;
