use crate::{Error, Fence, Result, catalog::Catalog};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Jobs that one command ends, at most.
const TOGETHER: usize = 64;

/// Records the ends of jobs: while one command is under way, those that come wait, and the next one takes all
/// of them along. So many small jobs do not cost a transaction each, and one alone waits for nobody.
#[derive(Debug, Default)]
pub(super) struct Endings {
    waiting: Mutex<Vec<Ending>>,
    turn: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct Ending {
    fence: Fence,
    told: oneshot::Sender<Result<()>>,
}

impl Endings {
    /// As [`complete`](crate::catalog::JobCatalog::complete).
    pub(super) async fn complete(&self, catalog: &dyn Catalog, fence: Fence) -> Result<()> {
        let (told, mut answer) = oneshot::channel();
        self.waiting().push(Ending { fence, told });
        loop {
            let _turn = tokio::select! {
                biased;
                // Nobody tells of what failed, or was given up in the middle: each then asks for itself.
                answer = &mut answer => return match answer {
                    Ok(answer) => answer,
                    Err(_) => catalog.complete(&fence).await,
                },
                turn = self.turn.lock() => turn,
            };
            let together = self.next();
            if together.is_empty() {
                continue;
            }
            let fences: Vec<Fence> = together.iter().map(|ending| ending.fence).collect();
            // Those who wait hear of an error by this being dropped.
            let fenced = catalog.complete_many(&fences).await;
            let Ok(fenced) = fenced else { continue };
            for Ending { fence, told } in together {
                let ended = if fenced.contains(&fence) { Err(Error::fenced()) } else { Ok(()) };
                let _ = told.send(ended);
            }
        }
    }

    /// Those that have waited longest.
    fn next(&self) -> Vec<Ending> {
        let mut waiting = self.waiting();
        let many = waiting.len().min(TOGETHER);
        waiting.drain(..many).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Ending>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
