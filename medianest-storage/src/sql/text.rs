/// Which database a connection leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    #[cfg(feature = "sqlite")]
    Sqlite,
    #[cfg(feature = "postgres")]
    Postgres,
}

/// The text of a statement, or of a piece of one, for both databases.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sql {
    #[cfg(feature = "sqlite")]
    sqlite: &'static str,
    #[cfg(feature = "postgres")]
    postgres: &'static str,
}

impl Sql {
    #[cfg_attr(
        not(all(feature = "sqlite", feature = "postgres")),
        expect(unused_variables, reason = "one of the databases is not compiled in")
    )]
    pub(crate) const fn new(sqlite: &'static str, postgres: &'static str) -> Self {
        Self {
            #[cfg(feature = "sqlite")]
            sqlite,
            #[cfg(feature = "postgres")]
            postgres,
        }
    }

    pub(crate) const fn of(self, dialect: Dialect) -> &'static str {
        match dialect {
            #[cfg(feature = "sqlite")]
            Dialect::Sqlite => self.sqlite,
            #[cfg(feature = "postgres")]
            Dialect::Postgres => self.postgres,
        }
    }
}

impl From<&'static str> for Sql {
    fn from(text: &'static str) -> Self {
        Self::new(text, text)
    }
}

/// A statement whose text differs in places that have a name in [`dialect`](super::dialect), or where
/// the columns of a row are named: `sql!("SELECT " JOB " FROM medianest_jobs WHERE run_at <= " NOW)`.
macro_rules! sql {
    ($($piece:tt)+) => {
        $crate::sql::Sql::new(concat!($(sqlite_text!($piece)),+), concat!($(postgres_text!($piece)),+))
    };
}

/// The columns that rows are read from, in the order that `catalog::*::read` expects them in.
macro_rules! shared_text {
    (ASSET) => {
        "a.id, a.tenant, a.library_id, a.owner, a.state, a.failure_code, a.failure_message, a.kind, a.name, \
         b.id, b.store, b.key, b.size, b.sha256, b.content_type, a.facts, a.taken_at, a.attached_to, a.expires_at, \
         a.trashed_at, a.version, a.created_at, a.updated_at"
    };
    (BLOB) => {
        "b.id, b.store, b.key, b.size, b.sha256, b.content_type"
    };
    (ASSETS) => {
        " FROM medianest_assets a JOIN medianest_blobs b ON b.id = a.blob_id"
    };
    (LIBRARY) => {
        "l.id, l.tenant, l.name, l.store, l.version, l.created_at, l.updated_at"
    };
    (RENDITION) => {
        "id, tenant, asset_id, variant, definition, fingerprint, required, state, failure_code, \
         failure_message, info, size, store, created_at"
    };
    (JOB) => {
        "id, tenant, kind, asset_id, library_id, payload, state, priority, attempt, failures, crashes, run_at, \
         lease_until, worker, progress, failure_code, failure_message, created_at, finished_at"
    };
    (EVENT) => {
        "e.id, e.position, e.tenant, e.kind, e.library_id, e.data, e.at"
    };
    (USER) => {
        "u.id, u.tenant, u.login, u.name, u.password_hash, u.role, u.must_change_password, u.disabled_at, \
         u.auth_epoch, u.created_at"
    };
    (SESSION) => {
        "s.id, s.user_id, s.client, s.created_at, s.refreshed_at, s.expires_at"
    };
    // Where what is finished, or happens, by now belongs; see catalog::periods.
    (PERIOD_OF_JOBS) => {
        "(SELECT max(p.period) FROM medianest_periods p WHERE p.rows_of = 'jobs')"
    };
    (PERIOD_OF_EVENTS) => {
        "(SELECT max(p.period) FROM medianest_periods p WHERE p.rows_of = 'events')"
    };
    (PERIOD_OF_AUDIT) => {
        "(SELECT max(p.period) FROM medianest_periods p WHERE p.rows_of = 'audit')"
    };
    ($text:literal) => {
        $text
    };
}
