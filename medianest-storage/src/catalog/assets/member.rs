use super::{
    super::{
        cursor::{Place, page_of, rows_of},
        events,
    },
    library,
};
use crate::sql::{Conn, Query, Row};
use medianest_core::{Error, LibraryId, Member, MemberRole, NewEvent, Page, PageRequest, Result, TenantId};
use uuid::Uuid;

const BY_SUBJECT: u8 = b'm';

fn read(row: &Row) -> Result<Member> {
    let mut columns = row.columns();
    Ok(Member { subject: columns.get()?, role: columns.word(MemberRole::parse)?, added_at: columns.get()? })
}

/// Refuses to take the last owner away.
async fn keep_an_owner(conn: &mut Conn<'_>, id: LibraryId, subject: &str) -> Result<()> {
    let other = conn.one(
        "SELECT 1 FROM medianest_members WHERE library_id = $1 AND role = 'owner' AND subject <> $2 LIMIT 1",
        args![id, subject],
    );
    if other.await?.is_some() {
        return Ok(());
    }
    Err(Error::conflict("last_owner", "a library needs an owner; make somebody else one first")
        .with("library", id))
}

pub(super) async fn put(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    subject: &str,
    role: MemberRole,
    event: &NewEvent,
) -> Result<Member> {
    library::lock(conn, tenant, id).await?;
    let present = self::role(conn, tenant, id, subject).await?;
    if present == Some(MemberRole::Owner) && role != MemberRole::Owner {
        keep_an_owner(conn, id, subject).await?;
    }
    conn.run(
        "INSERT INTO medianest_members (tenant, library_id, subject, role, added_at) \
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT (library_id, subject) DO UPDATE SET role = excluded.role",
        args![tenant, id, subject, role.as_str(), event.at],
    )
    .await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    let row = conn.one(
        "SELECT subject, role, added_at FROM medianest_members WHERE library_id = $1 AND subject = $2",
        args![id, subject],
    );
    row.await?.as_ref().map(read).unwrap_or_else(|| Err(Error::not_found("member", subject)))
}

pub(super) async fn remove(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    subject: &str,
    event: &NewEvent,
) -> Result<()> {
    match library::lock(conn, tenant, id).await {
        Err(error) if error.code() == "library_not_found" => return Ok(()),
        locked => locked?,
    };
    match role(conn, tenant, id, subject).await? {
        None => return Ok(()),
        Some(MemberRole::Owner) => keep_an_owner(conn, id, subject).await?,
        Some(_) => {}
    }
    conn.run("DELETE FROM medianest_members WHERE library_id = $1 AND subject = $2", args![id, subject])
        .await?;
    events::emit(conn, std::slice::from_ref(event)).await
}

pub(super) async fn list(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    page: &PageRequest,
) -> Result<Page<Member>> {
    let mut query = Query::new(
        conn.dialect(),
        "SELECT subject, role, added_at FROM medianest_members WHERE library_id = ",
    );
    query.bind(id).push(" AND tenant = ").bind(tenant);
    if let Some(Place { key, .. }) = Place::<String>::of(page, BY_SUBJECT)? {
        query.push(" AND subject > ").bind(key);
    }
    query.push(" ORDER BY subject").limit(rows_of(page));
    let members = query.all(conn).await?.iter().map(read).collect::<Result<Vec<_>>>()?;
    let place = |last: &Member| Place { tag: BY_SUBJECT, key: last.subject.clone(), id: Uuid::nil() };
    Ok(page_of(members, page, place))
}

pub(super) async fn role(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: LibraryId,
    subject: &str,
) -> Result<Option<MemberRole>> {
    let row = conn.one(
        "SELECT role FROM medianest_members WHERE library_id = $1 AND subject = $2 AND tenant = $3",
        args![id, subject, tenant],
    );
    row.await?.map(|row| row.columns().word(MemberRole::parse)).transpose()
}
