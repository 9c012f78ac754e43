use crate::watched::Watched;
use std::{
    net::TcpListener,
    path::PathBuf,
    process::Command,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};
use tempfile::TempDir;

/// A server of one test, or one that all tests of a process share; see [`server`].
#[derive(Debug)]
pub struct Server {
    port: u16,
    arguments: Vec<String>,
    folder: TempDir,
    running: Option<Watched>,
}

/// The server that all tests of this process share, each under a [`prefix`](super::prefix) of its own.
pub fn server() -> &'static Server {
    static SERVER: OnceLock<Server> = OnceLock::new();
    SERVER.get_or_init(|| Server::start(&[]))
}

impl Server {
    /// A server with these arguments beside the usual ones: `--appendonly yes`.
    ///
    /// # Panics
    /// When there is no Redis 7 on this machine, or it does not start.
    pub fn start(arguments: &[&str]) -> Self {
        let folder =
            tempfile::Builder::new().prefix("medianest-redis-").tempdir().expect("a temporary folder");
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let mut server = Self { port: free_port(), arguments, folder, running: None };
        server.restart();
        server
    }

    /// Starts it again after [`kill`](Self::kill), on the same port with what it kept on disk.
    ///
    /// # Panics
    /// As [`start`](Self::start).
    pub fn restart(&mut self) {
        assert!(self.running.is_none(), "it runs");
        let sentinel = self.arguments.iter().any(|argument| argument == "--sentinel");
        let mut command = Command::new("redis-server");
        if sentinel {
            // A sentinel writes what it learns into its configuration.
            let file = self.folder.path().join("sentinel.conf");
            if !file.exists() {
                std::fs::write(&file, "").expect("a file can be written");
            }
            command.arg(file);
        } else {
            command.args(["--save", ""]);
        }
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--dir"]);
        command.arg(self.folder.path()).args(&self.arguments);
        let needed = "tests need Redis 7: run script/setup --test, or put redis-server on the PATH";
        let ready = if sentinel { "Sentinel ID is" } else { "Ready to accept connections" };
        let is_ready = |line: &str| line.contains(ready).then_some(());
        self.running = Some(Watched::start(command, self.folder.path(), needed, is_ready).0);
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        if let Some(running) = self.running.take() {
            running.kill();
        }
    }

    /// Freezes it with SIGSTOP: connections stay, nobody answers.
    pub fn freeze(&self) {
        self.running.as_ref().expect("it runs").signal("-STOP");
    }

    /// Lets it go on after [`freeze`](Self::freeze).
    pub fn thaw(&self) {
        self.running.as_ref().expect("it runs").signal("-CONT");
    }

    /// The file that it writes what it says into.
    pub fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Whether it runs: it was not killed, or restarted since.
    pub fn runs(&self) -> bool {
        self.running.is_some()
    }

    /// Where it listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URL to connect to.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// What `redis-cli` says to a command.
    ///
    /// # Panics
    /// When the server does not answer or refuses the command.
    pub fn cli(&self, command: &[&str]) -> String {
        self.try_cli(command).unwrap_or_else(|why| panic!("{command:?}: {why}"))
    }

    /// What `redis-cli` says to a command; an error when the server does not answer or refuses it. One that
    /// becomes a replica hangs up on everybody.
    ///
    /// # Errors
    /// What `redis-cli` says of it.
    ///
    /// # Panics
    /// When there is no `redis-cli`.
    pub fn try_cli(&self, command: &[&str]) -> Result<String, String> {
        let port = self.port.to_string();
        let output = Command::new("redis-cli")
            .args(["-e", "-p", &port])
            .args(command)
            .output()
            .expect("tests need redis-cli: run script/setup --test");
        let said = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        match output.status.success() {
            true => Ok(said),
            false => Err(format!("{said} {}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens at and nobody is given by chance: outgoing connections have higher ones, so
/// that a server that was killed finds its port again.
pub fn free_port() -> u16 {
    const PORTS: std::ops::Range<u32> = 20_000..32_000;
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let first = std::process::id().wrapping_mul(61);
    loop {
        let next = first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed));
        let port = u16::try_from(PORTS.start + next % (PORTS.end - PORTS.start)).expect("a port");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watched::tests::assert_goes_with_its_process;

    #[test]
    fn a_server_dies_comes_back_and_forgets() {
        let mut server = Server::start(&[]);
        assert_eq!(server.cli(&["SET", "key", "value"]), "OK");
        server.kill();
        server.restart();
        assert_eq!(server.cli(&["GET", "key"]), "");
    }

    #[test]
    fn the_server_goes_with_its_process() {
        assert_goes_with_its_process("redis::server::tests::the_server_goes_with_its_process", || {
            let server = Server::start(&[]);
            let told = (server.folder.path().to_owned(), Some(([127, 0, 0, 1], server.port).into()));
            // Not dropped, which would be cleaning up.
            std::mem::forget(server);
            told
        });
    }
}
