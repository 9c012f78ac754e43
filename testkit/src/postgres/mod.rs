//! A PostgreSQL server of one test process: started with the first [`database`], listening on a Unix
//! socket in a temporary folder and nowhere else, gone when the process dies by whatever means. Tests that
//! stop servers, or want replicas, have a [`Server`] of their own.

mod server;

pub use server::Server;

use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// An empty database of its own for one test; dropped with this value.
#[derive(Debug)]
pub struct Database {
    name: String,
}

/// A fresh empty database on the process's own server.
///
/// # Panics
/// When there is no PostgreSQL 15 or newer on this machine, or it does not start.
pub fn database() -> Database {
    database_like("template1")
}

/// A fresh database with the content of another one, which nobody may be connected to.
///
/// # Panics
/// As [`database`].
pub fn database_like(template: &str) -> Database {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let name = format!("test_{}", NEXT.fetch_add(1, Ordering::Relaxed));
    server().sql(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
    Database { name }
}

impl Database {
    /// Its name, for [`database_like`].
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The URL to connect to: over the Unix socket, without password.
    pub fn url(&self) -> String {
        server().url(&self.name)
    }

    /// What a query of one value answers.
    ///
    /// # Panics
    /// When it fails.
    pub fn ask(&self, query: &str) -> String {
        server().ask_in(&self.name, query)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        server().sql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watched::tests::assert_goes_with_its_process;
    use std::process::Command;

    #[test]
    fn each_database_is_fresh_and_can_be_copied() {
        let template = database();
        let table = |database: &Database, statement: &str| {
            Command::new(server().program("psql"))
                .args(["-X", "-t", "-A", "-v", "ON_ERROR_STOP=1", &database.url(), "-c", statement])
                .output()
                .unwrap()
        };
        assert!(table(&template, "CREATE TABLE t AS SELECT 7 AS n").status.success());
        let copy = database_like(template.name());
        assert_eq!(table(&copy, "SELECT n FROM t").stdout, b"7\n");
        assert!(!table(&database(), "SELECT n FROM t").status.success());
    }

    #[test]
    fn the_server_goes_with_its_process() {
        assert_goes_with_its_process("postgres::tests::the_server_goes_with_its_process", || {
            drop(database());
            (server().socket().to_owned(), None)
        });
    }
}
