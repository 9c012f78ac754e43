use crate::sql::{Conn, Sql};
use medianest_core::{AssetId, Error, Fence, JobId, LibraryId, Result, TenantId};
use std::time::Duration;

/// What a fenced command works on.
pub(in super::super) struct Fenced {
    pub(in super::super) tenant: TenantId,
    pub(in super::super) asset_id: Option<AssetId>,
    pub(in super::super) library_id: Option<LibraryId>,
    pub(in super::super) called_off: bool,
    /// How often it crashed since it last came forward.
    pub(in super::super) crashes: u32,
    /// Whether the lease has run out.
    pub(super) expired: bool,
}

macro_rules! fenced {
    ($($lock:tt)?) => {
        sql!("SELECT tenant, asset_id, library_id, called_off, crashes, lease_until <= " NOW
             " FROM medianest_jobs WHERE id = $1 AND attempt = $2 AND state = 'running' AND period = 0" $($lock)?)
    };
}

/// Keeps the job with this attempt until the command is done.
///
/// # Errors
/// `Fenced`.
pub(in super::super) async fn lock_fence(conn: &mut Conn<'_>, fence: &Fence) -> Result<Fenced> {
    find(conn, fenced!(LOCK), fence).await
}

/// Checks that the attempt has the job.
///
/// # Errors
/// `Fenced`.
pub(in super::super) async fn check_fence(conn: &mut Conn<'_>, fence: &Fence) -> Result<Fenced> {
    find(conn, fenced!(), fence).await
}

async fn find(conn: &mut Conn<'_>, sql: Sql, fence: &Fence) -> Result<Fenced> {
    let row = conn.one(sql, args![fence.job, fence.attempt]).await?.ok_or_else(Error::fenced)?;
    let mut columns = row.columns();
    Ok(Fenced {
        tenant: columns.get()?,
        asset_id: columns.maybe()?,
        library_id: columns.maybe()?,
        called_off: columns.get()?,
        crashes: columns.get()?,
        expired: columns.get()?,
    })
}

/// A job that comes forward is not what kills its workers.
pub(in super::super) async fn forget_crashes(conn: &mut Conn<'_>, job: JobId) -> Result<()> {
    conn.run("UPDATE medianest_jobs SET crashes = 0 WHERE id = $1 AND period = 0", args![job]).await.map(drop)
}

/// Locks all jobs of an asset, always in the same order.
pub(in super::super) async fn lock_of(conn: &mut Conn<'_>, asset: AssetId) -> Result<()> {
    conn.all(sql!("SELECT id FROM medianest_jobs WHERE asset_id = $1 ORDER BY id" LOCK), args![asset])
        .await
        .map(drop)
}

pub(super) async fn heartbeat(
    conn: &mut Conn<'_>,
    fence: &Fence,
    progress: f32,
    lease: Duration,
) -> Result<bool> {
    let row = conn.one(
        sql!("UPDATE medianest_jobs SET lease_until = " NOW " + $3, progress = $4 \
              WHERE id = $1 AND attempt = $2 AND state = 'running' AND period = 0 RETURNING called_off"),
        args![fence.job, fence.attempt, lease, progress.clamp(0.0, 1.0)],
    );
    let called_off: bool = row.await?.ok_or_else(Error::fenced)?.value()?;
    Ok(!called_off)
}
