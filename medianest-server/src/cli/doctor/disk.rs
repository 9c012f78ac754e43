//! Room on the disks of this machine.

use super::check::Check;
use crate::config::Config;

/// With less than this nothing can be taken in.
#[cfg(unix)]
const LEAST: u64 = 256 << 20;
/// With less than this it is time to make room.
#[cfg(unix)]
const LITTLE: u64 = 5 << 30;

/// Of the data directory, and of folders of media elsewhere.
#[cfg(unix)]
pub(super) fn checks(config: &Config) -> Vec<Check> {
    let elsewhere = config.media_dirs().into_iter().filter(|path| !path.starts_with(&config.data_dir));
    let folders = std::iter::once(("disk of the data directory", config.data_dir.clone()))
        .chain(elsewhere.map(|path| ("disk of media", path)));
    folders.map(|(name, path)| check(name, &path)).collect()
}

/// Not looked at.
#[cfg(not(unix))]
pub(super) fn checks(_: &Config) -> Vec<Check> {
    Vec::new()
}

#[cfg(unix)]
fn check(name: &'static str, path: &std::path::Path) -> Check {
    use medianest_core::Error;

    const ADVICE: &str = "make room, or move the folder to a larger disk; what is deleted gives its room back only \
                          after storage.trash_days and storage.deleted_days";
    let disk = match rustix::fs::statvfs(path) {
        Ok(disk) => disk,
        Err(source) => {
            let error = Error::invalid("disk", "the folder is not there").with("path", path.display());
            return Check::failed(name, &error.caused_by(source), "mount it, or change where it is to be");
        }
    };
    let (free, all) = (disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize);
    let gib = |bytes: u64| format!("{}.{} GiB", bytes >> 30, ((bytes & ((1 << 30) - 1)) * 10) >> 30);
    let detail = format!("{} of {} are free", gib(free), gib(all));
    if free < LEAST {
        return Check::failed(
            name,
            &Error::invalid("disk_full", detail).with("path", path.display()),
            ADVICE,
        );
    }
    Check::fine(name, detail).advised(free < LITTLE || free < all / 20, ADVICE)
}
