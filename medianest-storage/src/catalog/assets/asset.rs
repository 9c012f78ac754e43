use super::{
    super::{events, search, visible::push_visible},
    library::check_version,
};
use crate::sql::{Columns, Conn, Query, Row};
use medianest_core::{
    Asset, AssetId, AssetState, Blob, Error, LibraryId, MediaKind, NewEvent, Result, Sha256, StoredFacts,
    Visibility, catalog::AssetChange,
};

pub(super) fn read(row: &Row) -> Result<Asset> {
    read_columns(&mut row.columns())
}

/// Assets are large: collected from results they would be copied several times.
pub(super) fn read_all(rows: &[Row]) -> Result<Vec<Asset>> {
    let mut assets = Vec::with_capacity(rows.len());
    for row in rows {
        assets.push(read(row)?);
    }
    Ok(assets)
}

pub(in super::super) fn read_columns(columns: &mut Columns<'_>) -> Result<Asset> {
    Ok(Asset {
        id: columns.get()?,
        tenant: columns.get()?,
        library_id: columns.get()?,
        owner: columns.get()?,
        state: columns.word(AssetState::parse)?,
        failure: columns.failure()?,
        kind: columns.maybe_word(MediaKind::parse)?,
        name: columns.get()?,
        blob: Blob {
            id: columns.get()?,
            store: columns.get()?,
            key: columns.get()?,
            size: columns.get()?,
            sha256: columns.get()?,
            content_type: columns.get()?,
        },
        facts: columns.maybe::<String>()?.map(StoredFacts::from_json),
        taken_at: columns.get()?,
        attached_to: columns.maybe()?,
        expires_at: columns.maybe()?,
        trashed_at: columns.maybe()?,
        version: columns.get()?,
        created_at: columns.get()?,
        updated_at: columns.get()?,
    })
}

/// An asset of whatever tenant.
pub(super) async fn find(conn: &mut Conn<'_>, id: AssetId) -> Result<Option<Asset>> {
    let row = conn.one(sql!("SELECT " ASSET ASSETS " WHERE a.id = $1"), args![id]);
    row.await?.as_ref().map(read).transpose()
}

pub(super) async fn require(conn: &mut Conn<'_>, id: AssetId) -> Result<Asset> {
    find(conn, id).await?.ok_or_else(|| Error::not_found("asset", id))
}

pub(super) async fn get(conn: &mut Conn<'_>, visible: &Visibility, id: AssetId) -> Result<Option<Asset>> {
    by_id(conn, visible, id).one(conn).await?.as_ref().map(read).transpose()
}

fn by_id(conn: &Conn<'_>, visible: &Visibility, id: AssetId) -> Query {
    let mut query = Query::new(conn.dialect(), sql!("SELECT " ASSET ASSETS " WHERE a.id = "));
    query.bind(id).push(" AND ");
    push_visible(&mut query, visible, "a.tenant", "a.library_id");
    query
}

/// A visible asset that nobody else changes until the command is done.
async fn lock_visible(conn: &mut Conn<'_>, visible: &Visibility, id: AssetId) -> Result<Asset> {
    let mut query = by_id(conn, visible, id);
    query.push(sql!(LOCK_ASSET));
    let row = query.one(conn).await?;
    row.as_ref().map(read).unwrap_or_else(|| Err(Error::not_found("asset", id)))
}

/// The state of an asset that nobody else changes until the command is done.
pub(in super::super) async fn lock(conn: &mut Conn<'_>, id: AssetId) -> Result<Option<AssetState>> {
    let row = conn.one(sql!("SELECT state FROM medianest_assets WHERE id = $1" LOCK), args![id]);
    row.await?.map(|row| row.columns().word(AssetState::parse)).transpose()
}

pub(super) async fn find_original(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    library: LibraryId,
    sha256: &Sha256,
    size: u64,
) -> Result<Option<Asset>> {
    let mut query = Query::new(conn.dialect(), sql!("SELECT " ASSET ASSETS " WHERE b.tenant = "));
    query.bind(visible.tenant).push(" AND b.sha256 = ").bind(sha256).push(" AND b.size = ").bind(size);
    query.push(" AND b.state <> 'purging' AND a.library_id = ").bind(library);
    query.push(" AND NOT a.trashed AND ");
    push_visible(&mut query, visible, "a.tenant", "a.library_id");
    query.push(" ORDER BY a.seq LIMIT 1");
    query.one(conn).await?.as_ref().map(read).transpose()
}

pub(super) async fn find_requested(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    owner: &str,
    idempotency_key: &str,
    name: &str,
) -> Result<Option<Asset>> {
    let mut query = Query::new(conn.dialect(), sql!("SELECT " ASSET ASSETS " WHERE a.tenant = "));
    query.bind(visible.tenant).push(" AND a.owner = ").bind(owner);
    query.push(" AND a.idempotency_key = ").bind(idempotency_key).push(" AND a.ingested_name = ").bind(name);
    query.push(" AND ");
    push_visible(&mut query, visible, "a.tenant", "a.library_id");
    query.one(conn).await?.as_ref().map(read).transpose()
}

pub(super) async fn update(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    id: AssetId,
    change: &AssetChange,
    expected: Option<i64>,
    event: &NewEvent,
) -> Result<Asset> {
    let present = lock_visible(conn, visible, id).await?;
    check_version(present.version, expected)?;
    conn.run(
        "UPDATE medianest_assets SET name = coalesce($2, name), taken_at = coalesce($3, taken_at), \
         taken_at_set = taken_at_set OR $3 IS NOT NULL, version = version + 1, updated_at = $4 WHERE id = $1",
        args![id, &change.name, change.taken_at, event.at],
    )
    .await?;
    if change.name.is_some() {
        search::index(conn, id).await?;
    }
    events::emit(conn, std::slice::from_ref(event)).await?;
    require(conn, id).await
}

pub(super) async fn set_trashed(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    id: AssetId,
    trashed: bool,
    event: &NewEvent,
) -> Result<Asset> {
    let present = lock_visible(conn, visible, id).await?;
    if present.trashed_at.is_some() == trashed {
        return Ok(present);
    }
    conn.run(
        sql!("UPDATE medianest_assets SET trashed = $2, trashed_at = CASE WHEN $2 THEN " NOW " END, \
              version = version + 1, updated_at = $3 WHERE id = $1"),
        args![id, trashed, event.at],
    )
    .await?;
    search::index(conn, id).await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    require(conn, id).await
}

pub(crate) async fn attach(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    id: AssetId,
    target: &str,
) -> Result<Asset> {
    let present = lock_visible(conn, visible, id).await?;
    match present.attached_to.as_deref() {
        Some(attached) if attached == target => return Ok(present),
        Some(_) => {
            return Err(Error::conflict("asset_attached", "the asset belongs to another row").with("id", id));
        }
        None => {}
    }
    conn.run(
        sql!("UPDATE medianest_assets SET attached_to = $2, expires_at = NULL, \
              state = CASE state WHEN 'staged' THEN 'processing' ELSE state END, version = version + 1, \
              updated_at = " NOW " WHERE id = $1"),
        args![id, target],
    )
    .await?;
    require(conn, id).await
}
