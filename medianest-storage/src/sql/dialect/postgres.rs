/// What the names within [`sql!`](crate::sql!) stand for in PostgreSQL.
macro_rules! postgres_text {
    // The time of the statement, not of the transaction, which may have waited; it is stable, so that
    // an index can be searched with it.
    (NOW) => {
        "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
    };
    (LOCK) => {
        " FOR UPDATE"
    };
    (LOCK_SHARED) => {
        " FOR SHARE"
    };
    (LOCK_ASSET) => {
        " FOR UPDATE OF a"
    };
    (SKIP_LOCKED) => {
        " FOR UPDATE SKIP LOCKED"
    };
    ((any $set:literal)) => {
        concat!(" = ANY(", $set, ")")
    };
    ({ $sqlite:literal | $postgres:literal }) => {
        $postgres
    };
    ($shared:tt) => {
        shared_text!($shared)
    };
}
