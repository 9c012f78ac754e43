//! Certificates of servers that are not trusted.

use std::error::Error;

/// What rustls says of a certificate that it does not take. Some clients hand on the words alone.
const UNTRUSTED: &str = "invalid peer certificate";

/// Whether a connection failed for the certificate of the other side: it has expired, is for another name,
/// or nobody who is trusted has issued it.
pub(crate) fn is_untrusted(error: &(dyn Error + 'static)) -> bool {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.any(|cause| cause.to_string().contains(UNTRUSTED))
}
