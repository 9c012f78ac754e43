use libtest_mimic::Failed;
use medianest_core::{Facts, Limits, MediaProcessor};
use medianest_media::InProcess;
use medianest_testkit::{corpus::CorpusFile, truth};

pub(crate) fn understand(file: &CorpusFile) -> medianest_core::Result<Facts> {
    InProcess.understand(&bytes::Bytes::from(file.read()), &Limits::default())
}

/// Compares all that both sides know, and reports every difference at once.
pub(crate) fn match_truth(file: &CorpusFile) -> Result<(), Failed> {
    let differences = truth::disagreements(file, &understand(file)?);
    if differences.is_empty() { Ok(()) } else { Err(differences.join("\n").into()) }
}
