use super::{
    super::{
        cursor::{Place, page_of, rows_of},
        events,
    },
    session,
};
use crate::sql::{Columns, Conn, Query, Row};
use medianest_core::{
    Error, ErrorKind, NewEvent, Page, PageRequest, Result, TenantId, UserId,
    catalog::{NewUser, User, UserChange},
};

const BY_LOGIN: u8 = b'u';

pub(super) fn read(columns: &mut Columns<'_>) -> Result<User> {
    Ok(User {
        id: columns.get()?,
        tenant: columns.get()?,
        login: columns.get()?,
        name: columns.get()?,
        password_hash: columns.get()?,
        role: columns.get()?,
        must_change_password: columns.get()?,
        disabled_at: columns.maybe()?,
        auth_epoch: columns.get()?,
        created_at: columns.get()?,
    })
}

/// What logins are compared by: databases do not agree on the case of letters beyond ASCII.
fn login_key(login: &str) -> String {
    login.to_lowercase()
}

pub(super) async fn create(conn: &mut Conn<'_>, new: &NewUser, only_first: bool) -> Result<User> {
    let taken = |message: &'static str| Error::conflict("user_exists", message).with("login", &new.login);
    if only_first {
        conn.lock("first_user").await?;
        let anybody = conn.one("SELECT 1 FROM medianest_users WHERE tenant = $1 LIMIT 1", args![new.tenant]);
        if anybody.await?.is_some() {
            return Err(taken("there is a user already"));
        }
    }
    let added = conn
        .run(
            "INSERT INTO medianest_users (id, tenant, login, login_key, name, password_hash, role, \
             must_change_password, auth_epoch, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, $9) \
             ON CONFLICT DO NOTHING",
            args![
                new.id,
                new.tenant,
                &new.login,
                login_key(&new.login),
                &new.name,
                &new.password_hash,
                &new.role,
                new.must_change_password,
                new.at,
            ],
        )
        .await?;
    if added == 0 {
        return Err(taken("the login is taken"));
    }
    events::emit(conn, std::slice::from_ref(&new.event)).await?;
    require(conn, new.tenant, new.id).await
}

pub(super) async fn get(conn: &mut Conn<'_>, tenant: TenantId, id: UserId) -> Result<Option<User>> {
    let row = conn.one(
        sql!("SELECT " USER " FROM medianest_users u WHERE u.tenant = $1 AND u.id = $2"),
        args![tenant, id],
    );
    row.await?.map(|row| read(&mut row.columns())).transpose()
}

async fn require(conn: &mut Conn<'_>, tenant: TenantId, id: UserId) -> Result<User> {
    get(conn, tenant, id).await?.ok_or_else(|| Error::not_found("user", id))
}

pub(super) async fn find(conn: &mut Conn<'_>, tenant: TenantId, login: &str) -> Result<Option<User>> {
    let row = conn.one(
        sql!("SELECT " USER " FROM medianest_users u WHERE u.tenant = $1 AND u.login_key = $2"),
        args![tenant, login_key(login)],
    );
    row.await?.map(|row| read(&mut row.columns())).transpose()
}

pub(super) async fn list(conn: &mut Conn<'_>, tenant: TenantId, page: &PageRequest) -> Result<Page<User>> {
    let mut query =
        Query::new(conn.dialect(), sql!("SELECT " USER " FROM medianest_users u WHERE u.tenant = "));
    query.bind(tenant);
    if let Some(Place { key, .. }) = Place::<String>::of(page, BY_LOGIN)? {
        query.push(" AND u.login_key > ").bind(key);
    }
    query.push(" ORDER BY u.login_key").limit(rows_of(page));
    let users = query.all(conn).await?;
    let users = users.iter().map(|row| read(&mut row.columns())).collect::<Result<Vec<_>>>()?;
    let place = |last: &User| Place { tag: BY_LOGIN, key: login_key(&last.login), id: last.id.as_uuid() };
    Ok(page_of(users, page, place))
}

pub(super) async fn change(
    conn: &mut Conn<'_>,
    tenant: TenantId,
    id: UserId,
    change: &UserChange,
    events: &[NewEvent],
) -> Result<User> {
    // All enabled administrators, in the same order for everybody: none goes without the others seeing.
    let admins = conn.all(
        sql!("SELECT id FROM medianest_users WHERE tenant = $1 AND role = 'admin' AND disabled_at IS NULL \
              ORDER BY id" LOCK),
        args![tenant],
    );
    let admins = admins.await?.iter().map(Row::value).collect::<Result<Vec<UserId>>>()?;
    conn.one(sql!("SELECT 1 FROM medianest_users WHERE tenant = $1 AND id = $2" LOCK), args![tenant, id])
        .await?;
    let present = require(conn, tenant, id).await?;
    if change.expected_epoch.is_some_and(|expected| expected != present.auth_epoch) {
        let message = "the password or the rights of this user have changed meanwhile";
        return Err(Error::new(ErrorKind::PreconditionFailed, "user_changed", message).with("user", id));
    }
    let steps_down = change.role.as_deref().is_some_and(|role| role != medianest_core::ADMIN);
    if admins == [id] && (steps_down || change.disabled == Some(true)) {
        return Err(Error::conflict("last_admin", "somebody has to stay administrator").with("user", id));
    }
    let (password, must_change) = change.password.clone().unzip();
    let disabled = change.disabled.unwrap_or(present.disabled_at.is_some());
    let revokes = password.is_some() || change.role.is_some() || change.disabled.is_some();
    conn.run(
        sql!("UPDATE medianest_users SET name = coalesce($2, name), \
              password_hash = coalesce($3, password_hash), must_change_password = $4, \
              role = coalesce($5, role), disabled_at = CASE WHEN $6 THEN coalesce(disabled_at, " NOW ") END, \
              auth_epoch = auth_epoch + CASE WHEN $7 THEN 1 ELSE 0 END WHERE id = $1"),
        args![
            id,
            &change.name,
            password.or_else(|| change.rehashed.clone()),
            must_change.unwrap_or(present.must_change_password),
            &change.role,
            disabled,
            revokes,
        ],
    )
    .await?;
    if revokes {
        session::end_all(conn, tenant, id, None).await?;
    }
    events::emit(conn, events).await?;
    require(conn, tenant, id).await
}
