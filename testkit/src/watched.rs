//! Programs that go with the test process, by whatever means it ends.

use std::{
    fs::File,
    io::{self, BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

/// How long a program may take to end that was asked to.
const ENDS: Duration = Duration::from_secs(120);

/// Ends a server and removes its folder as soon as this value, or the process, is gone.
#[derive(Debug)]
pub(crate) struct Watcher(Child);

impl Watcher {
    /// `stop` is a line of sh that ends the server, where `$1` is the folder and `$2…` are `arguments`.
    ///
    /// It waits in a group of its own, so that no signal to the test's group stops it.
    pub(crate) fn start(folder: &Path, stop: &str, arguments: &[&str]) -> Self {
        // Its input ends with this value or the process; a line is from `tell`.
        let script = format!(
            "trap '' INT TERM HUP; read -r line; ended=$?; [ \"$line\" = leave ] && exit; {stop}; \
             [ $ended = 0 ] || rm -rf \"$1\" || {{ sleep 1; rm -rf \"$1\"; }}"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &script, "watcher"]).arg(folder).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        Self(command.spawn().expect("sh can be started"))
    }

    /// `stop` ends the server now, `leave` leaves it alone. The folder stays.
    fn tell(mut self, line: &str) {
        self.0.stdin.take().map(|mut input| writeln!(input, "{line}"));
        self.0.wait().expect("sh ends");
    }
}

/// A program that this process started itself. It is killed, and its folder removed, as soon as this value
/// or the process is gone.
#[derive(Debug)]
pub struct Watched {
    server: Child,
    watcher: Watcher,
}

impl Watched {
    /// Starts a program that keeps what it has in `folder`, and waits until `ready` finds what it looks for
    /// in a line of its output. What it says is appended to the file `log` there.
    ///
    /// # Panics
    /// When it cannot be started, which `needed` is the advice for, or ends before it is ready.
    pub fn start<T>(
        mut command: Command,
        folder: &Path,
        needed: &str,
        ready: impl Fn(&str) -> Option<T>,
    ) -> (Self, T) {
        let (output, input) = io::pipe().expect("a pipe can be made");
        let server = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(input.try_clone().expect("a pipe has several ends"))
            .stderr(input)
            .spawn()
            .unwrap_or_else(|error| panic!("{needed}: {error}"));
        // With it our own ends of the pipe, so that what the server says ends with the server.
        drop(command);
        let watcher = Watcher::start(folder, "kill -9 \"$2\"", &[&server.id().to_string()]);
        let log = File::options().create(true).append(true).open(folder.join("log"));
        let mut log = log.expect("a file can be written");
        let mut lines = BufReader::new(output).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let found = loop {
            let Some(line) = lines.next() else {
                panic!("a server ended before it was ready: {}", said.join("\n"));
            };
            let _ = writeln!(log, "{line}");
            if let Some(found) = ready(&line) {
                break found;
            }
            said.push(line);
        };
        // What it says from now on must be read, or it would wait for a reader.
        std::thread::spawn(move || lines.for_each(|line| drop(writeln!(log, "{line}"))));
        (Self { server, watcher }, found)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.server.id()
    }

    /// Kills it with SIGKILL. Its folder stays.
    ///
    /// # Panics
    /// When the system does not let it end.
    pub fn kill(mut self) {
        self.watcher.tell("stop");
        self.server.wait().expect("it ends");
    }

    /// Asks it to end (SIGTERM), and says how it did. Its folder stays.
    ///
    /// # Panics
    /// When it goes on for minutes.
    pub fn terminate(mut self) -> ExitStatus {
        self.signal("-TERM");
        let asked = Instant::now();
        let status = loop {
            match self.server.try_wait().expect("it is our child") {
                Some(status) => break status,
                None => assert!(asked.elapsed() < ENDS, "it was asked to end, and goes on"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        self.watcher.tell("leave");
        status
    }

    /// Sends it a signal, such as `-STOP`.
    ///
    /// # Panics
    /// When it is gone.
    pub fn signal(&self, signal: &str) {
        let pid = self.server.id().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().expect("kill runs").success());
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::{
        net::{SocketAddr, TcpStream},
        path::PathBuf,
        process::Command,
    };

    /// Runs `test`, which calls this, once more in a process that starts a server, tells its folder and
    /// address, and dies at once; then both must go.
    pub(crate) fn assert_goes_with_its_process(
        test: &str,
        start: impl FnOnce() -> (PathBuf, Option<SocketAddr>),
    ) {
        const TELL: &str = "MEDIANEST_TESTKIT_TELL";
        if let Some(file) = std::env::var_os(TELL) {
            let (folder, address) = start();
            let address = address.map(|address| address.to_string()).unwrap_or_default();
            std::fs::write(file, format!("{}\n{address}", folder.display())).unwrap();
            // The death that leaves no time to clean up.
            std::process::abort();
        }
        let told = tempfile::NamedTempFile::new().unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", test]).env(TELL, told.path()).output().unwrap();
        let told = std::fs::read_to_string(told.path()).unwrap();
        let (folder, address) = told.split_once('\n').expect("it was started");
        let folder = PathBuf::from(folder);
        while folder.exists() || (!address.is_empty() && TcpStream::connect(address).is_ok()) {
            std::thread::yield_now();
        }
    }
}
