//! A server of its own for the hostile files, with all that it and its children ask of the system
//! written down by strace, and bait laid out where the files point.

use crate::{
    common::{Server, configured, medianest},
    nest::{Nest, settled, until},
    trace::Trace,
};
use medianest_testkit::corpus::{self, CorpusFile};
use reqwest::StatusCode;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

/// Memory of one job: half of what is usual.
pub(crate) const MAX_MEMORY: u64 = 1 << 30;
/// What a file that leaks into an answer is known by.
const MARK: &str = "c4n4ry-of-the-medianest-corpus";

/// Run for the first trial that asks.
#[derive(Default)]
pub(crate) struct Shared(OnceLock<Watched>);

impl Shared {
    pub(crate) fn get(&self) -> &Watched {
        self.0.get_or_init(Watched::new)
    }
}

/// What was seen.
pub(crate) struct Watched {
    pub(crate) trace: Trace,
    pub(crate) zygote: u32,
    /// Address space of the zygote in bytes, which each child begins with.
    pub(crate) base: u64,
    /// The most memory that the server, and any of its children, was seen to use, in bytes.
    pub(crate) server_peak: u64,
    pub(crate) child_peak: u64,
    /// Each file, with the asset or problem that it became.
    pub(crate) outcomes: Vec<(CorpusFile, StatusCode, Value)>,
    /// The same for a photo that came after them.
    pub(crate) photo: Value,
    /// All that was answered and logged.
    pub(crate) said: String,
    pub(crate) bait: Bait,
}

impl Watched {
    fn new() -> Self {
        let work = tempfile::tempdir().unwrap();
        let bait = Bait::lay(work.path());
        let (trace_file, log_file) = (work.path().join("trace"), work.path().join("log"));
        let dir = configured(&format!("limits.max_memory = {MAX_MEMORY}\nlimits.deadline_seconds = 120\n"));
        let mut command = strace(&medianest(dir.path()), &trace_file);
        command.current_dir(work.path()).stderr(fs::File::create(&log_file).unwrap());
        let mut nest = Nest::new(Server::start_by(command, dir));
        let server = first_process(&trace_file);
        let zygote = child_named(server, "media-zygote");
        let sampler = Sampler::start(zygote);

        let files = corpus::files().into_iter().filter(|file| file.family() == "hostile");
        let mut said = String::new();
        let (outcomes, photo) = nest.run(async |admin| {
            let mut outcomes = Vec::new();
            let mut give = async |file: &CorpusFile| {
                let (status, mut asset) = nest.upload(admin, file).await;
                if let Some(id) = asset["id"].as_str().filter(|_| status == 201) {
                    let id = id.to_owned();
                    asset = settled(admin, &id).await;
                    said += &admin.get(&format!("/assets/{id}/renditions")).await.1.to_string();
                    said += &admin.get(&format!("/jobs?asset_id={id}")).await.1.to_string();
                }
                said += &asset.to_string();
                (status, asset)
            };
            for file in files {
                let (status, asset) = give(&file).await;
                outcomes.push((file, status, asset));
            }
            let (_, photo) = give(&corpus::file("030")).await;
            (outcomes, photo)
        });
        let (server_peak, base) = (memory(server, "VmHWM"), memory(zygote, "VmSize"));
        let child_peak = sampler.stop();
        assert!(nest.server.stop(), "the server did not end well");
        said += &fs::read_to_string(&log_file).unwrap();
        let trace = nest.wait(until("strace ends".into(), async || finished(&trace_file, server)));
        Self { trace, zygote, base, server_peak, child_peak, outcomes, photo, said, bait }
    }
}

/// The same command, watched. strace steps aside, so that signals go to the program itself.
fn strace(command: &Command, to: &Path) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-D", "-f", "-qq", "--seccomp-bpf", "-s", "4096", "-e", "signal=none", "-e"]);
    strace.arg("trace=%file,%process,socket,connect,bind,prlimit64,setrlimit").arg("-o").arg(to);
    strace.arg("--").arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => strace.env(name, value),
            None => strace.env_remove(name),
        };
    }
    strace
}

fn first_process(trace: &Path) -> u32 {
    let text = fs::read_to_string(trace).unwrap();
    text.split_whitespace().next().and_then(|word| word.parse().ok()).expect("strace has seen the server")
}

/// The trace, once it holds the end of this process.
fn finished(trace: &Path, process: u32) -> Option<Trace> {
    let text = String::from_utf8_lossy(&fs::read(trace).unwrap()).into_owned();
    let ended = |line: &str| line.starts_with(&process.to_string()) && line.contains("exit_group(");
    let last = fs::metadata(format!("/proc/{process}")).is_err();
    (last && text.lines().any(ended)).then(|| Trace::parse(&text))
}

fn children(process: u32) -> Vec<u32> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
    let listed = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
    listed.flat_map(|list| list.split_whitespace().flat_map(str::parse).collect::<Vec<_>>()).collect()
}

fn child_named(parent: u32, name: &str) -> u32 {
    let is_named = |process: &u32| {
        fs::read_to_string(format!("/proc/{process}/comm")).is_ok_and(|found| found.trim() == name)
    };
    children(parent).into_iter().find(is_named).unwrap_or_else(|| panic!("{parent} has no child {name}"))
}

/// A line of `/proc/…/status` in bytes; 0 when the process is gone.
fn memory(process: u32, line: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let found = status.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(':'));
    found.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok()).map_or(0, |kib| kib << 10)
}

/// Looks at the high-water marks of the children of a process all the time.
struct Sampler {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<u64>,
}

impl Sampler {
    fn start(parent: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let mut peak = 0;
            while !stopped.load(Ordering::Relaxed) {
                let of_children = children(parent).into_iter().map(|child| memory(child, "VmHWM"));
                peak = of_children.fold(peak, u64::max);
                thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        Self { stop, thread }
    }

    fn stop(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Files and ports that hostile files name: there for the taking.
pub(crate) struct Bait {
    pub(crate) files: BTreeSet<String>,
    pub(crate) ports: BTreeSet<u16>,
    /// Ports that somebody else has are left to strace.
    pub(crate) listeners: Vec<TcpListener>,
    laid: Vec<PathBuf>,
}

impl Bait {
    /// Puts a playable file wherever there is none yet: at absolute names, and at relative ones in
    /// `working_directory`.
    fn lay(working_directory: &Path) -> Self {
        let (mut files, mut ports) = (BTreeSet::new(), BTreeSet::new());
        for file in corpus::files().into_iter().filter(|file| file.family() == "hostile" && file.bytes < 4096)
        {
            let text = String::from_utf8_lossy(&file.read()).into_owned();
            files.extend(between(&text, "file://", &['\n', '"', '\'']));
            files.extend(between(&text, "file '", &['\'']));
            let addresses = between(&text, "http://127.0.0.1:", &['/']);
            ports.extend(addresses.iter().filter_map(|port| port.parse::<u16>().ok()));
        }
        assert!(files.len() >= 3 && !ports.is_empty(), "{files:?} {ports:?}");
        let mut video = corpus::file("077").read();
        video.extend(MARK.as_bytes());
        let mut laid = Vec::new();
        for name in &files {
            let path = working_directory.join(name);
            if !path.exists() {
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(&path, &video).unwrap();
                laid.push(path);
            }
        }
        let listeners = ports.iter().filter_map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).ok());
        let listeners: Vec<_> = listeners.collect();
        listeners.iter().for_each(|listener| listener.set_nonblocking(true).unwrap());
        Self { files, ports, listeners, laid }
    }

    /// Whether somebody was fooled.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        text.contains(MARK)
    }
}

impl Drop for Bait {
    fn drop(&mut self) {
        for path in &self.laid {
            fs::remove_file(path).ok();
            // The folder goes too, if it was made for this.
            path.parent().map(fs::remove_dir);
        }
    }
}

fn between(text: &str, start: &str, end: &[char]) -> Vec<String> {
    let found = text.split(start).skip(1).filter_map(|rest| rest.split(end).next());
    found.map(|name| name.trim().to_owned()).collect()
}
