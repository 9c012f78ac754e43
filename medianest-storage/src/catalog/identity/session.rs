use super::{super::events, user};
use crate::sql::{Columns, Conn, Query, Row, Sql};
use medianest_core::{
    Error, NewEvent, Result, SessionId, TenantId, UserId,
    catalog::{NewSession, RefreshSession, Refreshed, Session, SessionHolder, User},
};
use std::time::Duration;

/// A session with its user, when both are valid.
const VALID: Sql = sql!(
    "SELECT " SESSION ", " USER " FROM medianest_sessions s JOIN medianest_users u ON u.id = s.user_id \
     WHERE s.tenant = $1 AND s.id = $2 AND s.ended_at IS NULL AND s.expires_at > " NOW
    " AND u.disabled_at IS NULL AND u.auth_epoch = s.auth_epoch"
);

fn read(columns: &mut Columns<'_>) -> Result<Session> {
    Ok(Session {
        id: columns.get()?,
        user_id: columns.get()?,
        client: columns.get()?,
        created_at: columns.get()?,
        refreshed_at: columns.get()?,
        expires_at: columns.get()?,
    })
}

pub(super) async fn create(conn: &mut Conn<'_>, new: &NewSession) -> Result<Session> {
    let gone = || Error::not_found("user", new.user);
    // Whoever changes the user waits, and then ends this session too.
    let current = conn.one(
        sql!("SELECT 1 FROM medianest_users WHERE tenant = $1 AND id = $2 AND auth_epoch = $3 \
              AND disabled_at IS NULL" LOCK),
        args![new.tenant, new.user, new.auth_epoch],
    );
    current.await?.ok_or_else(gone)?;
    let idle = new.idle.min(new.absolute);
    conn.run(
        sql!("INSERT INTO medianest_sessions (id, tenant, user_id, auth_epoch, client, refresh_hash, \
              created_at, refreshed_at, expires_at, ends_at) \
              VALUES ($1, $2, $3, $4, $5, $6, " NOW ", " NOW ", " NOW " + $7, " NOW " + $8)"),
        args![
            new.id,
            new.tenant,
            new.user,
            new.auth_epoch,
            &new.client,
            &new.refresh_hash,
            idle,
            new.absolute,
        ],
    )
    .await?;
    let row = conn.one(sql!("SELECT " SESSION " FROM medianest_sessions s WHERE s.id = $1"), args![new.id]);
    read(&mut row.await?.ok_or_else(gone)?.columns())
}

pub(super) async fn get(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: SessionId,
) -> Result<Option<(Session, User)>> {
    let Some(row) = conn.one(VALID, args![tenant, id]).await? else { return Ok(None) };
    let mut columns = row.columns();
    Ok(Some((read(&mut columns)?, user::read(&mut columns)?)))
}

pub(super) async fn refresh(
    conn: &mut Conn<'_>,
    refresh: &RefreshSession,
    replayed: &NewEvent,
) -> Result<Refreshed> {
    let RefreshSession { tenant, id, .. } = *refresh;
    let hashes = conn
        .one(
            sql!("SELECT refresh_hash, previous_hash, refreshed_at + $3 > " NOW " FROM medianest_sessions \
                  WHERE tenant = $1 AND id = $2" LOCK),
            args![tenant, id, refresh.grace],
        )
        .await?;
    let (Some(row), Some(_)) = (hashes, get(conn, tenant, id).await?) else { return Ok(Refreshed::Unknown) };
    let mut columns = row.columns();
    let (current, previous): (Vec<u8>, Option<Vec<u8>>) = (columns.get()?, columns.maybe()?);
    let in_grace: bool = columns.get()?;
    // Hashes of random secrets: comparing them in constant time protects nothing.
    if current != refresh.presented {
        if in_grace && previous.is_some_and(|previous| previous == refresh.presented) {
            return Ok(Refreshed::Raced);
        }
        end(conn, tenant, id).await?;
        events::emit(conn, std::slice::from_ref(replayed)).await?;
        return Ok(Refreshed::Replayed);
    }
    conn.run(
        sql!("UPDATE medianest_sessions SET previous_hash = refresh_hash, refresh_hash = $2, \
              refreshed_at = " NOW ", expires_at = CASE WHEN " NOW " + $3 < ends_at THEN " NOW " + $3 \
              ELSE ends_at END WHERE id = $1"),
        args![id, &refresh.next, refresh.idle],
    )
    .await?;
    // An idle expiry of nothing is over at once, and the answer is still that it was refreshed.
    let row = conn.one(
        sql!("SELECT " SESSION ", " USER " FROM medianest_sessions s JOIN medianest_users u \
              ON u.id = s.user_id WHERE s.id = $1"),
        args![id],
    );
    let row = row.await?.ok_or_else(|| Error::internal("a session is gone under its lock"))?;
    let mut columns = row.columns();
    Ok(Refreshed::Done(read(&mut columns)?, user::read(&mut columns)?))
}

pub(super) async fn touch(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: SessionId,
    idle: Duration,
) -> Result<()> {
    conn.run(
        sql!("UPDATE medianest_sessions SET refreshed_at = " NOW ", expires_at = CASE WHEN " NOW
             " + $3 < ends_at THEN " NOW " + $3 ELSE ends_at END \
              WHERE tenant = $1 AND id = $2 AND ended_at IS NULL AND expires_at > " NOW),
        args![tenant, id, idle],
    )
    .await
    .map(drop)
}

/// Ends the session of a replayed secret.
async fn end(conn: &mut Conn<'_>, tenant: TenantId, id: SessionId) -> Result<()> {
    ending(conn, tenant, id).run(conn).await.map(drop)
}

pub(super) async fn end_for(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: SessionId,
    holder: &SessionHolder,
) -> Result<bool> {
    let mut query = ending(conn, tenant, id);
    match holder {
        SessionHolder::User(user) => query.push(" AND user_id = ").bind(*user),
        SessionHolder::Secret(hash) => {
            query.push(" AND (refresh_hash = ").bind(hash).push(" OR previous_hash = ").bind(hash).push(")")
        }
    };
    Ok(query.run(conn).await? > 0)
}

fn ending(conn: &Conn<'_>, tenant: TenantId, id: SessionId) -> Query {
    let mut query =
        Query::new(conn.dialect(), sql!("UPDATE medianest_sessions SET ended_at = " NOW " WHERE tenant = "));
    query.bind(tenant).push(" AND id = ").bind(id).push(" AND ended_at IS NULL");
    query
}

pub(super) async fn end_all(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    user: UserId,
    except: Option<SessionId>,
) -> Result<Vec<SessionId>> {
    let mut query =
        Query::new(conn.dialect(), sql!("UPDATE medianest_sessions SET ended_at = " NOW " WHERE tenant = "));
    query.bind(tenant).push(" AND user_id = ").bind(user).push(" AND ended_at IS NULL");
    query.push(sql!(" AND expires_at > " NOW));
    if let Some(except) = except {
        query.push(" AND id <> ").bind(except);
    }
    query.push(" RETURNING id");
    query.all(conn).await?.iter().map(Row::value).collect()
}

pub(super) async fn list(conn: &mut Conn<'_>, tenant: TenantId, user: UserId) -> Result<Vec<Session>> {
    let rows = conn.all(
        sql!("SELECT " SESSION " FROM medianest_sessions s JOIN medianest_users u ON u.id = s.user_id \
              WHERE s.tenant = $1 AND s.user_id = $2 AND s.ended_at IS NULL AND s.expires_at > " NOW
             " AND u.disabled_at IS NULL AND u.auth_epoch = s.auth_epoch \
              ORDER BY s.created_at DESC, s.id DESC"),
        args![tenant, user],
    );
    rows.await?.iter().map(|row| read(&mut row.columns())).collect()
}

pub(super) async fn trim(conn: &mut Conn<'_>, age: Duration, limit: u32) -> Result<u64> {
    conn.run(
        sql!("DELETE FROM medianest_sessions WHERE id IN (SELECT id FROM medianest_sessions \
              WHERE coalesce(ended_at, expires_at) < " NOW " - $1 \
              ORDER BY coalesce(ended_at, expires_at) LIMIT $2" SKIP_LOCKED ")"),
        args![age, limit],
    )
    .await
}
