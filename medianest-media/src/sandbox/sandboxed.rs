//! The processor whose work is done in children.

use super::{
    Measures, Prepared,
    launch::{Child, Zygote},
    prepared,
    slots::Slots,
    supervise::supervise,
    wire::Request,
};
use crate::InProcess;
use medianest_core::{
    ByteSource, Error, ErrorKind, Facts, Failure, Limits, MediaProcessor, MediaType, NewPart, PartSink,
    RenderTask, RenditionInfo, Result, Variant,
};
use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Understanding reads headers: it has this long at most, whatever the limits say.
const UNDERSTAND_DEADLINE: Duration = Duration::from_secs(60);

/// A [`MediaProcessor`] that does each job in a process of its own, which it kills when a limit is
/// broken. Usable from many threads at once; beyond the bound on children, callers wait.
///
/// Beside the failures of media, jobs fail with `sandbox_gone` (kind `Unavailable`) when the process
/// that makes the children has died. A helper is then started again for the next job; what
/// [`init`](super::init) prepared cannot be, since a zygote must be made before there are threads:
/// the program has to be restarted.
#[derive(Debug)]
pub struct Sandboxed {
    origin: Origin,
    slots: Slots,
}

#[derive(Debug)]
enum Origin {
    Prepared(&'static Prepared),
    Helper { path: PathBuf, zygote: Mutex<Arc<Zygote>> },
}

impl Sandboxed {
    /// On the zygote that [`sandbox::init`](super::init) prepared.
    ///
    /// # Errors
    /// `sandbox_not_initialised` without it; `sandbox_unavailable` when the system does not let it
    /// confine its children, and why.
    pub fn new() -> Result<Self> {
        let prepared = prepared().ok_or_else(|| {
            Error::new(
                ErrorKind::Unsupported,
                "sandbox_not_initialised",
                "call medianest_media::sandbox::init() as the first line of main, or use Sandboxed::with_helper",
            )
        })?;
        prepared.zygote.measures()?;
        Ok(Self { origin: Origin::Prepared(prepared), slots: Slots::default() })
    }

    /// On the helper binary at `path`: the `medianest-sandbox` of this version of the crate, or one
    /// of your own that calls [`serve_as_helper`](super::serve_as_helper). For tests and desktop
    /// programs, which do not own their `main`. It ends with this value.
    ///
    /// # Errors
    /// `sandbox_unavailable` when it cannot be started, is of another version, or cannot confine its
    /// children.
    pub fn with_helper(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref().to_owned();
        let zygote = Mutex::new(Arc::new(Zygote::start(&path)?));
        Ok(Self { origin: Origin::Helper { path, zygote }, slots: Slots::default() })
    }

    /// Has at most so many children at once, at least one. By default, as many as there are processors.
    #[must_use]
    pub fn max_children(mut self, count: usize) -> Self {
        self.slots = Slots::new(count);
        self
    }

    /// What the system let the children give up, beyond what always holds.
    ///
    /// # Errors
    /// `sandbox_unavailable` as on construction.
    pub fn measures(&self) -> Result<Measures> {
        match &self.origin {
            Origin::Prepared(prepared) => prepared.zygote.measures(),
            Origin::Helper { zygote, .. } => zygote.lock().unwrap_or_else(PoisonError::into_inner).measures(),
        }
    }

    /// Looks whether the process that makes the children lives, without making one.
    ///
    /// # Errors
    /// `sandbox_gone` when it has died.
    pub fn check(&self) -> Result<()> {
        match &self.origin {
            Origin::Prepared(prepared) => prepared.zygote.check(),
            Origin::Helper { zygote, .. } => zygote.lock().unwrap_or_else(PoisonError::into_inner).check(),
        }
    }

    fn words(&self) -> &dyn MediaProcessor {
        match &self.origin {
            Origin::Prepared(prepared) => &*prepared.processor,
            Origin::Helper { .. } => &InProcess,
        }
    }

    fn run(
        &self,
        request: &Request,
        deadline: Duration,
        source: &dyn ByteSource,
        sink: &mut dyn PartSink,
    ) -> Result<Option<Facts>> {
        let _slot = self.slots.acquire(|| sink.progress(0.0))?;
        match &self.origin {
            Origin::Prepared(Prepared { zygote, .. }) => {
                supervise(zygote, zygote.launch()?, request, deadline, source, sink)
            }
            Origin::Helper { path, zygote } => {
                let (zygote, child) = launch(path, zygote)?;
                supervise(&zygote, child, request, deadline, source, sink)
            }
        }
    }
}

/// Launches a child by the current helper, or by a new one when that has died.
fn launch(path: &Path, current: &Mutex<Arc<Zygote>>) -> Result<(Arc<Zygote>, Child)> {
    let lock = || current.lock().unwrap_or_else(PoisonError::into_inner);
    let zygote = lock().clone();
    if let Ok(child) = zygote.launch() {
        return Ok((zygote, child));
    }
    let mut current = lock();
    if Arc::ptr_eq(&current, &zygote) {
        *current = Arc::new(Zygote::start(path)?);
    }
    let zygote = current.clone();
    drop(current);
    let child = zygote.launch()?;
    Ok((zygote, child))
}

impl MediaProcessor for Sandboxed {
    fn sniff(&self, head: &[u8]) -> Option<MediaType> {
        self.words().sniff(head)
    }

    fn understand(&self, source: &dyn ByteSource, limits: &Limits) -> Result<Facts> {
        let request = Request { source_len: source.len(), limits: limits.clone(), render: None };
        let deadline = limits.deadline().min(UNDERSTAND_DEADLINE);
        self.run(&request, deadline, source, &mut NoParts)?
            .ok_or_else(|| Error::internal("the sandbox answered without facts"))
    }

    fn render(
        &self,
        source: &dyn ByteSource,
        facts: &Facts,
        tasks: &[RenderTask],
        limits: &Limits,
        sink: &mut dyn PartSink,
    ) -> Result<()> {
        let render = Some((facts.clone(), tasks.to_vec()));
        let request = Request { source_len: source.len(), limits: limits.clone(), render };
        self.run(&request, limits.deadline(), source, sink).map(drop)
    }

    fn renderer(&self, variant: &Variant) -> String {
        self.words().renderer(variant)
    }
}

/// The sink of a job that makes no parts: the supervisor lets none through, for want of tasks.
struct NoParts;

impl PartSink for NoParts {
    fn part(&mut self, _: usize, _: NewPart) -> Result<()> {
        Ok(())
    }

    fn finish(&mut self, _: usize, _: Result<RenditionInfo, Failure>) -> Result<()> {
        Ok(())
    }

    fn progress(&mut self, _: f32) -> Result<()> {
        Ok(())
    }
}
