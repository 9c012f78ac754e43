//! The cases P1 to P15 that are about processes, one file each. Of the others,
//!
//! - P2, a worker that is asked to end, is among the tests of rolling restarts;
//! - P4, what is handed out twice, is in `testkit/tests/engine/twice.rs`;
//! - P14, ten thousand jobs and no Redis, is in `medianest-storage/tests/redis/dispatcher.rs`.

mod nest;
mod p01_killed;
mod p03_stopped;
mod p05_poison;
mod p10_deleted;
mod p11_changed;
mod p15_queue_away;
