//! A PostgreSQL server of one test process: started with the first [`database`], listening on a Unix
//! socket in a temporary folder and nowhere else, gone when the process dies by whatever means.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

const USER: &str = "medianest";

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
        format!("postgres://{USER}@localhost/{}?host={}", self.name, server().socket.display())
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        server().sql(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

#[derive(Debug)]
struct Server {
    bin: PathBuf,
    socket: PathBuf,
    /// Its standard input closes with this process: then it stops the server and removes the folder.
    _watcher: Child,
}

fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(Server::start)
}

impl Server {
    fn start() -> Self {
        let bin = bin().unwrap_or_else(|| {
            panic!("tests need PostgreSQL 15 or newer: run script/setup, or put its initdb on the PATH")
        });
        let folder = tempfile::Builder::new()
            .prefix("medianest-pg-")
            .tempdir()
            .expect("a temporary folder can be made")
            .keep();
        if is_root() {
            run(Command::new("chown").arg("postgres").arg(&folder));
        }
        let data = folder.join("data");
        let server = Self { _watcher: watch(&bin, &folder, &data), socket: folder, bin };
        // A linguistic collation, as most servers have it: what relies on byte order must say so.
        run(as_postgres(&server.bin.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US"]));
        let options = format!(
            "-k {} -c listen_addresses='' -c unix_socket_permissions=0777 -c fsync=off \
             -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB -c autovacuum=off",
            server.socket.display()
        );
        run(as_postgres(&server.bin.join("pg_ctl"))
            .arg("-D")
            .arg(&data)
            .arg("-l")
            .arg(server.socket.join("log"))
            .args(["-o", &options, "-w", "-t", "60", "start"]));
        server
    }

    fn sql(&self, statement: &str) {
        run(Command::new(self.bin.join("psql"))
            .args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", "postgres", "-h"])
            .arg(&self.socket)
            .args(["-c", statement]));
    }
}

/// Waits in a group of its own, so that no signal to the test's group stops it, until this process
/// is gone.
fn watch(bin: &Path, folder: &Path, data: &Path) -> Child {
    let become_postgres = if is_root() { "runuser -u postgres -- " } else { "" };
    let script = format!(
        "trap '' INT TERM HUP; read _; {become_postgres}\"$1\"/pg_ctl -D \"$3\" -m immediate -w stop; rm -rf \"$2\""
    );
    Command::new("sh")
        .args(["-c", &script, "watcher"])
        .args([bin, folder, data])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .expect("sh can be started")
}

/// `initdb` and `postgres` refuse to run as root.
fn as_postgres(program: &Path) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut command = Command::new("runuser");
    command.args(["-u", "postgres", "--"]).arg(program).current_dir("/");
    command
}

fn is_root() -> bool {
    static ROOT: OnceLock<bool> = OnceLock::new();
    *ROOT.get_or_init(|| {
        Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
    })
}

/// The folder with the newest server's programs.
fn bin() -> Option<PathBuf> {
    let version = |path: &PathBuf| path.file_name()?.to_str()?.parse::<u32>().ok();
    let debian = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| version(path).is_some_and(|version| version >= 15))
        .max_by_key(version)
        .map(|path| path.join("bin"));
    let configured = || {
        let output = Command::new("pg_config").arg("--bindir").output().ok()?;
        Some(PathBuf::from(String::from_utf8(output.stdout).ok()?.trim()))
    };
    let on_path =
        || std::env::split_paths(&std::env::var_os("PATH")?).find(|dir| dir.join("initdb").is_file());
    [debian, configured(), on_path()].into_iter().flatten().find(|bin| bin.join("initdb").is_file())
}

/// Output goes to a file: a pipe would stay open in the server that `pg_ctl` leaves behind.
fn run(command: &mut Command) {
    let log = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let writer = || Stdio::from(log.reopen().expect("a temporary file can be opened"));
    let status = command.stdin(Stdio::null()).stdout(writer()).stderr(writer()).status();
    let said = || std::fs::read_to_string(log.path()).unwrap_or_default();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?} failed with {status:?}: {}\nrun script/setup if something is missing",
        said()
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_is_fresh_and_can_be_copied() {
        let template = database();
        let table = |database: &Database, statement: &str| {
            Command::new(server().bin.join("psql"))
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
        const TELL: &str = "MEDIANEST_TESTKIT_TELL";
        if let Some(file) = std::env::var_os(TELL) {
            let database = database();
            std::fs::write(file, database.url().rsplit_once("host=").unwrap().1).unwrap();
            // The death that leaves no time to clean up.
            std::process::abort();
        }
        let told = tempfile::NamedTempFile::new().unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::tests::the_server_goes_with_its_process"])
            .env(TELL, told.path())
            .output()
            .unwrap();
        let socket = std::fs::read_to_string(told.path()).unwrap();
        assert!(!socket.is_empty());
        // The watcher removes the folder last of all.
        while Path::new(&socket).exists() {
            std::thread::yield_now();
        }
    }
}
