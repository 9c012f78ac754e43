use crate::problem::Failure;
use medianest_core::Error;
use poem::Request;
use std::collections::HashSet;

/// Refuses a parameter that comes twice: readers do not agree on which of them counts.
pub(super) async fn refuse_repeated(request: Request) -> poem::Result<Request> {
    let parameters: Vec<(String, String)> = request.params().unwrap_or_default();
    let mut names = HashSet::new();
    match parameters.iter().all(|(name, _)| names.insert(name.as_str())) {
        true => Ok(request),
        false => Err(Failure(Error::invalid("repeated_parameter", "each parameter is given once")).into()),
    }
}
