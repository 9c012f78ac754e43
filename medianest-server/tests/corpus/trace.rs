//! What strace saw.

use std::collections::{HashMap, HashSet};

/// System calls, in their order.
pub(crate) struct Trace(Vec<Call>);

/// A system call.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) process: u32,
    pub(crate) name: String,
    /// As strace writes them.
    pub(crate) arguments: String,
    /// Negative when it failed; None when the process ended in it.
    pub(crate) result: Option<i64>,
}

impl Trace {
    /// Reads the output of `strace -f -o`.
    pub(crate) fn parse(text: &str) -> Self {
        let mut unfinished: HashMap<u32, String> = HashMap::new();
        let mut calls = Vec::new();
        for line in text.lines() {
            let Some((process, rest)) = line.trim_start().split_once(' ') else { continue };
            let Ok(process) = process.parse() else { continue };
            let rest = rest.trim_start();
            if let Some(begun) = rest.strip_suffix("<unfinished ...>") {
                unfinished.insert(process, begun.to_owned());
                continue;
            }
            let whole = match rest.strip_prefix("<... ").and_then(|rest| rest.split_once(" resumed>")) {
                Some((_, end)) => unfinished.remove(&process).unwrap_or_default() + end,
                None => rest.to_owned(),
            };
            calls.extend(Call::parse(process, &whole));
        }
        let cut_off = unfinished.into_iter().filter_map(|(process, begun)| Call::parse(process, &begun));
        calls.extend(cut_off);
        Self(calls)
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = &Call> {
        self.0.iter()
    }

    /// The process that was started.
    pub(crate) fn root(&self) -> u32 {
        self.0[0].process
    }

    /// The processes that `parent` forked, and their own ids for the threads that they made.
    pub(crate) fn forked_by(&self, parent: u32) -> Vec<HashSet<u32>> {
        let made = |by: u32, thread: bool| {
            self.0.iter().filter(move |call| call.process == by).filter_map(move |call| call.made(thread))
        };
        made(parent, false)
            .map(|process| {
                let mut all = HashSet::from([process]);
                let mut new = vec![process];
                while let Some(one) = new.pop() {
                    new.extend(made(one, true).filter(|thread| all.insert(*thread)));
                }
                all
            })
            .collect()
    }
}

impl Call {
    fn parse(process: u32, line: &str) -> Option<Self> {
        let (name, rest) = line.split_once('(')?;
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        let (arguments, result) = rest.rsplit_once(" = ").unwrap_or((rest, "?"));
        let result = result.split_whitespace().next().and_then(|word| word.parse().ok());
        Some(Self { process, name: name.to_owned(), arguments: arguments.to_owned(), result })
    }

    /// The id of the thread, or else of the process, that this call made.
    fn made(&self, thread: bool) -> Option<u32> {
        let makes = matches!(self.name.as_str(), "clone" | "clone3" | "fork" | "vfork");
        let is_thread = self.arguments.contains("CLONE_THREAD");
        self.result.filter(|_| makes && is_thread == thread).and_then(|id| u32::try_from(id).ok())
    }

    /// Whether it worked.
    pub(crate) fn succeeded(&self) -> bool {
        self.result.is_some_and(|result| result >= 0)
    }
}
