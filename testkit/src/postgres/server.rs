use crate::{authority::Issued, redis::free_port, watched::Watcher};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
    time::{Duration, Instant},
};

const USER: &str = "medianest";

/// A PostgreSQL server, listening on a Unix socket in a temporary folder of its own; gone with this value,
/// and when the process dies by whatever means.
#[derive(Debug)]
pub struct Server {
    bin: PathBuf,
    folder: PathBuf,
    /// Where it listens for TLS beside its socket.
    tls_port: Option<u16>,
    /// Stops the server also when it goes with this value.
    _watcher: Watcher,
}

impl Server {
    /// A server with the empty database `postgres`.
    ///
    /// # Panics
    /// When there is no PostgreSQL 15 or newer on this machine, or it does not start.
    pub fn start() -> Self {
        Self::start_as(Self::prepare())
    }

    /// A server that is also reached over TLS, at [`tls_url`](Self::tls_url).
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn start_with_tls(identity: &Issued) -> Self {
        let server = Self { tls_port: Some(free_port()), ..Self::prepare() };
        server.take(identity);
        Self::start_as(server)
    }

    fn start_as(server: Self) -> Self {
        // A linguistic collation, as most servers have it: what relies on byte order must say so.
        run(as_postgres(&server.program("initdb"))
            .arg("-D")
            .arg(server.data())
            .args(["-U", USER, "--auth=trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8"])
            .args(["--locale-provider=icu", "--icu-locale=en-US"]));
        server.start_again();
        server
    }

    /// A streaming replica of this server, which has all that is there by now.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn replica(&self) -> Self {
        let replica = Self::prepare();
        run(as_postgres(&self.program("pg_basebackup"))
            .args(["-U", USER, "-R", "-X", "stream", "-c", "fast", "--no-sync", "-h"])
            .arg(&self.folder)
            .arg("-D")
            .arg(replica.data()));
        replica.start_again();
        replica
    }

    /// The URL of one of its databases: over the Unix socket, without password.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://{USER}@localhost/{database}?host={}", self.folder.display())
    }

    /// The URL of one of its databases over TLS, for who trusts those in `ca_file`.
    ///
    /// # Panics
    /// When it was not [started so](Self::start_with_tls).
    pub fn tls_url(&self, database: &str, ca_file: &Path) -> String {
        let port = self.tls_port.expect("it speaks TLS");
        let trust = format!("sslmode=verify-full&sslrootcert={}", ca_file.display());
        format!("postgres://{USER}@127.0.0.1:{port}/{database}?{trust}")
    }

    /// Gives it another certificate, for new connections.
    ///
    /// # Panics
    /// When it does not take it.
    pub fn identify(&self, identity: &Issued) {
        self.take(identity);
        let loaded = "SELECT pg_conf_load_time()";
        let before = self.ask(loaded);
        self.sql("SELECT pg_reload_conf()");
        self.wait_for(&format!("{loaded} > '{before}'"));
    }

    /// Ends all connections but the one that asks for it.
    ///
    /// # Panics
    /// When it does not run.
    pub fn end_connections(&self) {
        self.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND client_addr IS NOT NULL");
    }

    fn take(&self, identity: &Issued) {
        for (file, name) in [(&identity.certificate, "tls.pem"), (&identity.key, "tls.key")] {
            let own = self.folder.join(name);
            std::fs::copy(file, &own).expect("files can be copied");
            run(Command::new("chmod").arg("600").arg(&own));
            if is_root() {
                run(Command::new("chown").arg("postgres").arg(&own));
            }
        }
    }

    /// The folder that its socket is in.
    pub fn socket(&self) -> &Path {
        &self.folder
    }

    /// Stops it as a crash does, without a word to anybody.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&self) {
        run(self.control().args(["-m", "immediate", "-w", "-t", "60", "stop"]));
    }

    /// Lets all of its processes stand still: it takes connections and answers nobody, as a machine that
    /// has vanished.
    ///
    /// # Panics
    /// When it does not run.
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    /// Lets them go on.
    ///
    /// # Panics
    /// When it does not run.
    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    /// Sends a signal to the server and to the backends that it has by now.
    fn signal(&self, signal: &str) {
        let pid = std::fs::read_to_string(self.data().join("postmaster.pid")).expect("it runs");
        let pid = pid.lines().next().expect("the first line is a process id");
        run(Command::new("kill").args([signal, pid]));
        // The server first, so that it starts no more; a backend that has just ended is as well.
        let _ = Command::new("pkill").args([signal, "-P", pid]).status();
    }

    /// Starts it again, with all that it had.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&self) {
        let folder = self.folder.display();
        let network = match self.tls_port {
            // The socket is named after the port, too.
            Some(port) => format!(
                "-c listen_addresses=127.0.0.1 -p {port} -c ssl=on -c ssl_cert_file={folder}/tls.pem \
                 -c ssl_key_file={folder}/tls.key"
            ),
            None => "-c listen_addresses=''".into(),
        };
        let options = format!(
            "-k {folder} {network} -c unix_socket_permissions=0777 -c fsync=off \
             -c full_page_writes=off -c max_connections=300 -c shared_buffers=32MB -c autovacuum=off \
             -c wal_retrieve_retry_interval=100ms"
        );
        run(self
            .control()
            .arg("-l")
            .arg(self.folder.join("log"))
            .args(["-o", &options, "-w", "-t", "60", "start"]));
    }

    /// Makes a replica the primary.
    ///
    /// # Panics
    /// When it is none.
    pub fn promote(&self) {
        run(self.control().args(["-w", "-t", "60", "promote"]));
    }

    /// Waits until this replica has all that its primary has by now, and lets it replay nothing more: what
    /// is missing in an answer then shows that it came from here.
    ///
    /// # Panics
    /// When it does not come so far.
    pub fn hold(&self, primary: &Self) {
        let head = primary.ask("SELECT pg_current_wal_flush_lsn()");
        self.wait_for(&format!("SELECT pg_last_wal_replay_lsn() >= '{head}'"));
        self.sql("SELECT pg_wal_replay_pause()");
        self.wait_for("SELECT pg_get_wal_replay_pause_state() = 'paused'");
    }

    /// Lets a replica replay again.
    ///
    /// # Panics
    /// When it is none.
    pub fn let_go(&self) {
        self.sql("SELECT pg_wal_replay_resume()");
    }

    fn wait_for(&self, condition: &str) {
        let begun = Instant::now();
        while self.ask(condition) != "t" {
            assert!(begun.elapsed() < Duration::from_secs(120), "never: {condition}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Runs a statement in the database `postgres`.
    ///
    /// # Panics
    /// When it fails.
    pub fn sql(&self, statement: &str) {
        self.ask(statement);
    }

    /// What a query of one value answers in the database `postgres`.
    ///
    /// # Panics
    /// When it fails.
    pub fn ask(&self, query: &str) -> String {
        self.ask_in("postgres", query)
    }

    pub(super) fn ask_in(&self, database: &str, query: &str) -> String {
        let said = run(Command::new(self.program("psql"))
            .args(["-X", "-q", "-t", "-A", "-v", "ON_ERROR_STOP=1", "-U", USER, "-d", database, "-h"])
            .arg(&self.folder)
            .args(["-p", &self.tls_port.unwrap_or(5432).to_string()])
            .args(["-c", query]));
        said.trim_end().to_owned()
    }

    /// What it has logged.
    ///
    /// # Panics
    /// When that cannot be read.
    pub fn log(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).expect("the log of PostgreSQL can be read");
        String::from_utf8_lossy(&log).into_owned()
    }

    pub(super) fn program(&self, name: &str) -> PathBuf {
        self.bin.join(name)
    }

    fn prepare() -> Self {
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
        let become_postgres = if is_root() { "runuser -u postgres -- " } else { "" };
        let stop = format!("{become_postgres}\"$2\"/pg_ctl -D \"$1\"/data -m immediate -w stop");
        let watcher = Watcher::start(&folder, &stop, &[&bin.to_string_lossy()]);
        Self { _watcher: watcher, folder, tls_port: None, bin }
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn control(&self) -> Command {
        let mut command = as_postgres(&self.program("pg_ctl"));
        command.arg("-D").arg(self.data());
        command
    }
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

/// What a program said. Output goes to a file: a pipe would stay open in the server that `pg_ctl` leaves
/// behind.
fn run(command: &mut Command) -> String {
    let log = tempfile::NamedTempFile::new().expect("a temporary file can be made");
    let writer = || Stdio::from(log.reopen().expect("a temporary file can be opened"));
    let status = command.stdin(Stdio::null()).stdout(writer()).stderr(writer()).status();
    let said = || std::fs::read_to_string(log.path()).unwrap_or_default();
    assert!(
        status.as_ref().is_ok_and(std::process::ExitStatus::success),
        "{command:?} failed with {status:?}: {}\nrun script/setup if something is missing",
        said()
    );
    said()
}
