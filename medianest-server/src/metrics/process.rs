//! What the system tells of this process, under the names that
//! [all programs use](https://prometheus.io/docs/instrumenting/writing_clientlibs/#process-metrics); and of the
//! processes that decode media for it. From `/proc`: elsewhere than on Linux there is none of it.

use super::text::Text;

#[cfg(not(target_os = "linux"))]
pub(super) fn write(_: &mut Text) {}

#[cfg(target_os = "linux")]
pub(super) fn write(text: &mut Text) {
    linux::write(text);
}

#[cfg(target_os = "linux")]
mod linux {
    use super::super::text::{Kind, Text};
    use std::{
        fs,
        sync::atomic::{AtomicU64, Ordering},
    };

    pub(super) fn write(text: &mut Text) {
        let Some(own) = Stat::read("self") else { return };
        let mut one = |name, kind, help, value| text.family(name, kind, help).value(&[], value);
        one("process_cpu_seconds_total", Kind::Counter, "Processor time of this process", seconds(own.cpu));
        one("process_resident_memory_bytes", Kind::Gauge, "Memory of this process", bytes(own.resident));
        one(
            "process_virtual_memory_bytes",
            Kind::Gauge,
            "Address space of this process",
            float(own.virtual_bytes),
        );
        one("process_threads", Kind::Gauge, "Threads of this process", float(own.threads));
        if let Some(booted) = booted() {
            let started = float(booted) + seconds(own.started);
            one("process_start_time_seconds", Kind::Gauge, "When this process began, since 1970", started);
        }
        if let Ok(descriptors) = fs::read_dir("/proc/self/fd") {
            // One of them reads the folder.
            let count = u64::try_from(descriptors.count().saturating_sub(1)).unwrap_or(u64::MAX);
            one("process_open_fds", Kind::Gauge, "Open descriptors of this process", float(count));
        }
        if let Some(most) = rustix::process::getrlimit(rustix::process::Resource::Nofile).current {
            one("process_max_fds", Kind::Gauge, "Descriptors that this process may have", float(most));
        }

        let mut live = Vec::new();
        descendants("self", &mut live);
        let cpu = own.waited + live.iter().map(|child| child.cpu + child.waited).sum::<u64>();
        one(
            "medianest_sandbox_cpu_seconds_total",
            Kind::Counter,
            "Processor time of the processes that decode media for this one, with those that have ended",
            seconds(never_less(cpu)),
        );
        one(
            "medianest_sandbox_resident_memory_bytes",
            Kind::Gauge,
            "Memory of the processes that decode media for this one; what they share is counted for each",
            bytes(live.iter().map(|child| child.resident).sum()),
        );
        let count = u64::try_from(live.len()).unwrap_or(u64::MAX);
        one(
            "medianest_sandbox_processes",
            Kind::Gauge,
            "Processes that decode media for this one, with the one that makes them",
            float(count),
        );
    }

    /// A child that ends between the look at its parent and that at itself is missed, until the next time.
    fn never_less(ticks: u64) -> u64 {
        static MOST: AtomicU64 = AtomicU64::new(0);
        MOST.fetch_max(ticks, Ordering::Relaxed).max(ticks)
    }

    /// Of `proc_pid_stat(5)`. Times are in ticks of the clock.
    #[derive(Debug, PartialEq)]
    struct Stat {
        cpu: u64,
        /// Of children that have ended and were waited for, with theirs.
        waited: u64,
        threads: u64,
        /// After the machine was booted.
        started: u64,
        virtual_bytes: u64,
        /// In pages.
        resident: u64,
    }

    impl Stat {
        fn read(process: &str) -> Option<Self> {
            Self::parse(&fs::read_to_string(format!("/proc/{process}/stat")).ok()?)
        }

        fn parse(stat: &str) -> Option<Self> {
            // The name stands in brackets, and may hold any.
            let (_, rest) = stat.rsplit_once(") ")?;
            let fields: Vec<_> = rest.split_ascii_whitespace().collect();
            // The first after the name is the third of the manual.
            let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
            Some(Self {
                cpu: field(14)? + field(15)?,
                waited: field(16)? + field(17)?,
                threads: field(20)?,
                started: field(22)?,
                virtual_bytes: field(23)?,
                resident: field(24)?,
            })
        }
    }

    /// The children of a process, and theirs.
    fn descendants(process: &str, found: &mut Vec<Stat>) {
        let Ok(threads) = fs::read_dir(format!("/proc/{process}/task")) else { return };
        for thread in threads.flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            for child in children.split_ascii_whitespace() {
                found.extend(Stat::read(child));
                descendants(child, found);
            }
        }
    }

    fn booted() -> Option<u64> {
        let stat = fs::read_to_string("/proc/stat").ok()?;
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
    }

    fn seconds(ticks: u64) -> f64 {
        float(ticks) / float(rustix::param::clock_ticks_per_second())
    }

    fn bytes(pages: u64) -> f64 {
        float(pages.saturating_mul(rustix::param::page_size() as u64))
    }

    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
    fn float(count: u64) -> f64 {
        count as f64
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn fields_are_found_behind_any_name() {
            let stat = "7 (a) b) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 600 7000 80 184 1 1";
            assert_eq!(
                Stat::parse(stat),
                Some(Stat {
                    cpu: 30,
                    waited: 70,
                    threads: 5,
                    started: 600,
                    virtual_bytes: 7000,
                    resident: 80
                })
            );
            assert_eq!(Stat::parse("7 (a) S 1"), None);
        }

        #[test]
        fn the_work_of_a_child_counts_while_it_lives_and_after_that() {
            let busy = "while :; do :; done";
            let mut child = std::process::Command::new("sh").args(["-c", busy]).spawn().unwrap();
            let begun = std::time::Instant::now();
            let live = loop {
                let mut live = Vec::new();
                descendants("self", &mut live);
                if live.iter().any(|child| child.cpu > 0) {
                    break live;
                }
                assert!(begun.elapsed().as_secs() < 60, "{live:?}");
            };
            child.kill().unwrap();
            child.wait().unwrap();
            assert!(live.iter().any(|child| child.threads == 1 && child.resident > 0), "{live:?}");
            assert!(Stat::read("self").unwrap().waited > 0);
        }
    }
}
