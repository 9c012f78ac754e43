use super::output;
use medianest_core::Result;

pub(super) fn run() -> Result<()> {
    output::line(crate::openapi_document())
}
