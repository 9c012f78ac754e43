//! One process of the fleet: the program itself, with a home of its own.

use crate::common::{configured, medianest};
use medianest_testkit::{redis::free_port, watched::Watched};
use std::{
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Api,
    Worker,
}

/// It keeps its address and its home when it dies.
pub(crate) struct Process {
    pub(crate) name: String,
    role: Role,
    home: TempDir,
    port: u16,
    running: Option<Watched>,
}

impl Process {
    /// A process with these lines of configuration, the last of which may be in `[accounts]` only by
    /// [`configured`]; all that share `keys` know each other's tokens and URLs.
    pub(crate) fn start(name: String, role: Role, configuration: &str, keys: &Path) -> Self {
        let home = configured(configuration);
        let file = home.path().join("medianest.toml");
        let mut file = std::fs::File::options().append(true).open(file).unwrap();
        writeln!(file, "keys_dir = {keys:?}").unwrap();
        let mut process = Self { name, role, home, port: free_port(), running: None };
        process.restart();
        process
    }

    /// Starts it again, at the same address.
    pub(crate) fn restart(&mut self) {
        assert!(self.running.is_none(), "{} runs", self.name);
        let mut command = medianest(self.home.path());
        let ready = match self.role {
            Role::Api => {
                command.args(["serve", "--listen", &format!("127.0.0.1:{}", self.port)]);
                "MediaNest is ready: "
            }
            Role::Worker => {
                command.args(["worker", "--jobs", "2"]);
                "Working. "
            }
        };
        let is_ready = |line: &str| line.starts_with(ready).then_some(());
        self.running =
            Some(Watched::start(command, self.home.path(), "the program can be started", is_ready).0);
    }

    /// SIGKILL. What decodes media for it goes with it.
    pub(crate) fn kill(&mut self) {
        let running = self.running.take().expect("it runs");
        let children = descendants(running.pid());
        running.kill();
        until_gone(&self.name, &children);
    }

    /// SIGTERM: it hands back what it does, and ends well.
    pub(crate) fn stop(&mut self) {
        let running = self.running.take().expect("it runs");
        let children = descendants(running.pid());
        let ended = running.terminate();
        assert!(ended.success(), "{} was asked to end and ended with {ended}", self.name);
        until_gone(&self.name, &children);
    }

    /// SIGSTOP: connections stay, nobody answers.
    pub(crate) fn freeze(&self) {
        self.running.as_ref().expect("it runs").signal("-STOP");
    }

    /// SIGCONT.
    pub(crate) fn thaw(&self) {
        self.running.as_ref().expect("it runs").signal("-CONT");
    }

    pub(crate) fn runs(&self) -> bool {
        self.running.is_some()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The file with all that it has said.
    pub(crate) fn log(&self) -> PathBuf {
        self.home.path().join("log")
    }

    /// The processes that decode media for it, one for each job.
    pub(crate) fn decoders(&self) -> Vec<u32> {
        let pid = self.running.as_ref().expect("it runs").pid();
        // Its own child is the zygote, which makes them.
        descendants(pid).into_iter().filter(|(_, parent)| *parent != pid).map(|(pid, _)| pid).collect()
    }
}

/// The process and the parent of all that are alive.
fn everybody() -> Vec<(u32, u32)> {
    let output = Command::new("ps")
        .args(["-e", "-o", "pid=", "-o", "ppid=", "-o", "stat="])
        .output()
        .expect("ps runs");
    let parse = |line: &str| {
        let mut words = line.split_whitespace();
        let (pid, parent, state) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?);
        (!state.starts_with('Z')).then_some((pid, parent))
    };
    String::from_utf8_lossy(&output.stdout).lines().filter_map(parse).collect()
}

fn descendants(of: u32) -> Vec<(u32, u32)> {
    let everybody = everybody();
    let (mut found, mut parents) = (Vec::new(), vec![of]);
    while let Some(parent) = parents.pop() {
        let children = everybody.iter().filter(|(_, of)| *of == parent);
        found.extend(children.clone());
        parents.extend(children.map(|(pid, _)| *pid));
    }
    found
}

fn until_gone(name: &str, children: &[(u32, u32)]) {
    let is_there = |pid: u32| everybody().iter().any(|(there, _)| *there == pid);
    crate::until(&format!("nothing is left of {name}"), || {
        (!children.iter().any(|(pid, _)| is_there(*pid))).then_some(())
    });
}
