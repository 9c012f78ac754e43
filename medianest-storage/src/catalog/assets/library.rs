use super::super::{
    cursor::{Place, page_of, rows_of},
    events,
    visible::push_visible,
};
use crate::sql::{Conn, Query, Row};
use medianest_core::{
    AssetId, Audience, Error, ErrorKind, EventId, Library, LibraryId, MemberRole, NewEvent, Page,
    PageRequest, Recipe, Result, TenantId, Visibility, catalog::NewLibrary,
};

const BY_NAME: u8 = b'l';

fn read(row: &Row) -> Result<Library> {
    let mut columns = row.columns();
    Ok(Library {
        id: columns.get()?,
        tenant: columns.get()?,
        name: columns.get()?,
        store: columns.get()?,
        version: columns.get()?,
        created_at: columns.get()?,
        updated_at: columns.get()?,
    })
}

pub(super) async fn create(conn: &mut Conn<'_>, new: &NewLibrary) -> Result<Library> {
    let added = conn
        .run(
            "INSERT INTO medianest_libraries \
             (id, tenant, name, version, recipe, recipe_version, created_at, updated_at, store) \
             VALUES ($1, $2, $3, 1, $4, 1, $5, $5, $6) ON CONFLICT DO NOTHING",
            args![new.id, new.tenant, &new.name, to_json(&new.recipe)?, new.at, &new.store],
        )
        .await?;
    if added == 0 {
        return Err(Error::conflict("library_exists", "there is a library with this id").with("id", new.id));
    }
    conn.run(
        "INSERT INTO medianest_members (tenant, library_id, subject, role, added_at) VALUES ($1, $2, $3, $4, $5)",
        args![new.tenant, new.id, &new.owner, MemberRole::Owner.as_str(), new.at],
    )
    .await?;
    events::emit(conn, std::slice::from_ref(&new.event)).await?;
    require(conn, new.tenant, new.id).await
}

pub(super) async fn get(conn: &mut Conn<'_>, visible: &Visibility, id: LibraryId) -> Result<Option<Library>> {
    let mut query =
        Query::new(conn.dialect(), sql!("SELECT " LIBRARY " FROM medianest_libraries l WHERE l.id = "));
    query.bind(id).push(" AND ");
    push_visible(&mut query, visible, "l.tenant", "l.id");
    query.one(conn).await?.as_ref().map(read).transpose()
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    visible: &Visibility,
    page: &PageRequest,
) -> Result<Page<Library>> {
    let mut query = Query::new(conn.dialect(), sql!("SELECT " LIBRARY " FROM medianest_libraries l WHERE "));
    push_visible(&mut query, visible, "l.tenant", "l.id");
    if let Some(Place { key, id, .. }) = Place::<String>::of(page, BY_NAME)? {
        query.push(" AND (l.name, l.id) > (").bind(key).push(", ").bind(id).push(")");
    }
    query.push(" ORDER BY l.name, l.id").limit(rows_of(page));
    let libraries = query.all(conn).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let place = |last: &Library| Place { tag: BY_NAME, key: last.name.clone(), id: last.id.as_uuid() };
    Ok(page_of(libraries, page, place))
}

async fn require(conn: &mut Conn<'_>, tenant: TenantId, id: LibraryId) -> Result<Library> {
    let visible = Visibility::all(tenant);
    get(conn, &visible, id).await?.ok_or_else(|| Error::not_found("library", id))
}

/// Keeps everybody else from changing the library until the command is done; its version.
pub(in super::super) async fn lock(conn: &mut Conn<'_>, tenant: TenantId, id: LibraryId) -> Result<i64> {
    let found = conn.one(
        sql!("SELECT version FROM medianest_libraries WHERE tenant = $1 AND id = $2" LOCK),
        args![tenant, id],
    );
    found.await?.ok_or_else(|| Error::not_found("library", id))?.value()
}

/// The error of a command that was meant for another version.
pub(super) fn check_version(version: i64, expected: Option<i64>) -> Result<()> {
    match expected {
        Some(expected) if expected != version => Err(Error::new(
            ErrorKind::PreconditionFailed,
            "version_mismatch",
            "it changed since it was read; read it again",
        )
        .with("expected", expected)
        .with("version", version)),
        _ => Ok(()),
    }
}

pub(super) async fn rename(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    name: &str,
    expected: Option<i64>,
    event: &NewEvent,
) -> Result<Library> {
    check_version(lock(conn, tenant, id).await?, expected)?;
    conn.run(
        "UPDATE medianest_libraries SET name = $2, version = version + 1, updated_at = $3 WHERE id = $1",
        args![id, name, event.at],
    )
    .await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    require(conn, tenant, id).await
}

pub(super) async fn delete(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    event: &NewEvent,
) -> Result<()> {
    lock(conn, tenant, id).await?;
    let asset = conn.one("SELECT seq FROM medianest_assets WHERE library_id = $1 LIMIT 1", args![id]);
    if asset.await?.is_some() {
        return Err(Error::conflict("library_not_empty", "the library still holds assets").with("id", id));
    }
    let members = conn.all("SELECT subject FROM medianest_members WHERE library_id = $1", args![id]);
    let told = |row: &Row| {
        let audience = Audience::Member(id, row.value()?);
        Ok(NewEvent { id: EventId::new(), audience, ..event.clone() })
    };
    let events = members.await?.iter().map(told).collect::<Result<Vec<_>>>()?;
    conn.run("DELETE FROM medianest_libraries WHERE id = $1", args![id]).await?;
    events::emit(conn, &events).await
}

pub(super) async fn get_recipe(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
) -> Result<Option<(Recipe, i64)>> {
    let row = conn.one(
        "SELECT recipe, recipe_version FROM medianest_libraries WHERE tenant = $1 AND id = $2",
        args![tenant, id],
    );
    let Some(row) = row.await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some((columns.json()?, columns.get()?)))
}

/// Keeps the recipe of an asset's library as it is until the command is done.
///
/// # Errors
/// `version_mismatch` when it is not this version.
pub(super) async fn hold_recipe(conn: &mut Conn<'_>, asset: AssetId, version: i64) -> Result<()> {
    let present = conn.one(
        sql!("SELECT recipe_version FROM medianest_libraries \
              WHERE id = (SELECT library_id FROM medianest_assets WHERE id = $1)" LOCK_SHARED),
        args![asset],
    );
    let present = present.await?.ok_or_else(|| Error::not_found("asset", asset))?.value()?;
    check_version(present, Some(version))
}

pub(super) async fn set_recipe(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    recipe: &Recipe,
    event: &NewEvent,
) -> Result<i64> {
    lock(conn, tenant, id).await?;
    let present = get_recipe(conn, tenant, id).await?;
    let (present, version) = present.ok_or_else(|| Error::not_found("library", id))?;
    if present == *recipe {
        return Ok(version);
    }
    conn.run(
        "UPDATE medianest_libraries SET recipe = $2, recipe_version = $3, version = version + 1, \
         updated_at = $4 WHERE id = $1",
        args![id, to_json(recipe)?, version + 1, event.at],
    )
    .await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    Ok(version + 1)
}

/// A document as it is stored.
pub(super) fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|source| Error::internal("cannot write JSON").caused_by(source))
}
