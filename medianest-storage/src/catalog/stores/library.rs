use super::super::{assets, events, jobs};
use crate::sql::Conn;
use medianest_core::{
    AssetId, Error, JobKind, LibraryId, NewEvent, NewJob, RenditionId, Result, StoreName, TenantId,
    catalog::LibraryStore,
};

pub(super) async fn set(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    store: &StoreName,
    event: &NewEvent,
) -> Result<LibraryStore> {
    assets::lock_library(conn, tenant, id).await?;
    let present = require(conn, tenant, id).await?;
    if present.store != *store {
        conn.run(
            "UPDATE medianest_libraries SET store = $2, strays = strays + 1, version = version + 1, \
             updated_at = $3 WHERE id = $1",
            args![id, store, event.at],
        )
        .await?;
        events::emit(conn, std::slice::from_ref(event)).await?;
    }
    if present.store != *store || !present.complete {
        see_to_move(conn, tenant, id).await?;
    }
    require(conn, tenant, id).await
}

pub(super) async fn get(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
) -> Result<Option<LibraryStore>> {
    let row = conn.one(
        "SELECT store, strays FROM medianest_libraries WHERE tenant = $1 AND id = $2",
        args![tenant, id],
    );
    let Some(row) = row.await? else { return Ok(None) };
    let mut columns = row.columns();
    let (store, strays): (StoreName, u64) = (columns.get()?, columns.get()?);
    let job = jobs::last_of_library(conn, id).await?;
    Ok(Some(LibraryStore { store, complete: strays == 0, job }))
}

async fn require(conn: &mut Conn<'_>, tenant: TenantId, id: LibraryId) -> Result<LibraryStore> {
    get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("library", id))
}

/// Something comes to be in a store: keeps the library from naming another until the command is done, or
/// sees to it that it is brought where the library says.
///
/// # Errors
/// `library_not_found`.
pub(in super::super) async fn note(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    library: LibraryId,
    store: &StoreName,
) -> Result<()> {
    let named = conn.one(
        sql!("SELECT 1 FROM medianest_libraries WHERE tenant = $1 AND id = $2 AND store = $3" LOCK_SHARED),
        args![tenant, library, store],
    );
    match named.await? {
        Some(_) => Ok(()),
        None => note_stray(conn, tenant, library).await,
    }
}

/// As [`note`], for a rendition of an asset.
pub(in super::super) async fn note_rendition(
    conn: &mut Conn<'_>,
    asset: AssetId,
    rendition: RenditionId,
) -> Result<()> {
    let named = conn.one(
        sql!("SELECT 1 FROM medianest_libraries WHERE id = (SELECT library_id FROM medianest_assets \
              WHERE id = $1) AND store = (SELECT store FROM medianest_renditions WHERE id = $2)" LOCK_SHARED),
        args![asset, rendition],
    );
    if named.await?.is_some() {
        return Ok(());
    }
    let row = conn.one("SELECT tenant, library_id FROM medianest_assets WHERE id = $1", args![asset]);
    let row = row.await?.ok_or_else(|| Error::not_found("asset", asset))?;
    let mut columns = row.columns();
    note_stray(conn, columns.get()?, columns.get()?).await
}

/// Not after a shared lock: two that have one would wait for each other.
async fn note_stray(conn: &mut Conn<'_>, tenant: TenantId, library: LibraryId) -> Result<()> {
    let noted = conn.run(
        "UPDATE medianest_libraries SET strays = strays + 1 WHERE tenant = $1 AND id = $2",
        args![tenant, library],
    );
    if noted.await? == 0 {
        return Err(Error::not_found("library", library));
    }
    see_to_move(conn, tenant, library).await
}

/// Whether a job that brings the bytes of a library is queued or runs; the caller has locked the library.
pub(in super::super) async fn is_moving(conn: &mut Conn<'_>, library: LibraryId) -> Result<bool> {
    let open = conn.one(
        "SELECT 1 FROM medianest_jobs WHERE library_id = $1 AND kind = 'move' \
         AND state IN ('queued', 'running') AND NOT called_off LIMIT 1",
        args![library],
    );
    Ok(open.await?.is_some())
}

async fn see_to_move(conn: &mut Conn<'_>, tenant: TenantId, library: LibraryId) -> Result<()> {
    if is_moving(conn, library).await? {
        return Ok(());
    }
    jobs::insert(conn, &[NewJob::of_library(tenant, JobKind::Move, library)]).await
}
