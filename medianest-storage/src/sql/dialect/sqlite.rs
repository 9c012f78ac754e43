/// What the names within [`sql!`](crate::sql!) stand for in SQLite.
macro_rules! sqlite_text {
    // Milliseconds are what SQLite's clock has: rounded up, so that a time bound by the same process
    // a moment ago is never in the future.
    (NOW) => {
        "(CAST(round(unixepoch('subsec') * 1000) AS INTEGER) * 1000 + 999)"
    };
    // There is one writer.
    (LOCK) => {
        ""
    };
    (LOCK_SHARED) => {
        ""
    };
    (LOCK_ASSET) => {
        ""
    };
    (SKIP_LOCKED) => {
        ""
    };
    ((any $set:literal)) => {
        concat!(" IN (SELECT unhex(value) FROM json_each(", $set, "))")
    };
    ({ $sqlite:literal | $postgres:literal }) => {
        $sqlite
    };
    ($shared:tt) => {
        shared_text!($shared)
    };
}
