use super::{Config, Secret};
use medianest_core::{Error, Result};
use std::path::Path;

/// Bytes: what a decoder's process and its libraries take before it has read anything, and some more.
const LEAST_MEMORY: u64 = 256 << 20;

impl Config {
    /// Checks what the types do not: a configuration that passes can be served.
    ///
    /// # Errors
    /// `configuration`: says which key, and what to do.
    pub fn check(&self) -> Result<()> {
        self.check_public_url()?;
        self.check_database()?;
        self.check_redis()?;
        self.check_paths()?;
        self.check_stores()?;
        self.check_numbers()?;
        self.check_workers()?;
        self.check_reuse_port()?;
        self.log.filter()?;
        Ok(())
    }

    fn check_database(&self) -> Result<()> {
        let database = &self.database;
        if database.url.is_some() && database.url_file.is_some() {
            return wrong("database.url", "and database.url_file exclude each other; remove one");
        }
        if !database.replicas.is_empty() && database.replicas_file.is_some() {
            return wrong("database.replicas", "and database.replicas_file exclude each other; remove one");
        }
        if database.max_connections < 3 {
            return wrong("database.max_connections", "must be at least 3: two of them are for wake-ups");
        }
        let (replicas, url) = (
            !database.replicas.is_empty() || database.replicas_file.is_some(),
            database.url.is_some() || database.url_file.is_some(),
        );
        match replicas && !url {
            true => wrong("database.replicas", "are replicas of nothing; set database.url"),
            false => Ok(()),
        }
    }

    fn check_public_url(&self) -> Result<()> {
        let Some(url) = &self.public_url else { return Ok(()) };
        let origin = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
        let plain = origin.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', ' ']));
        match plain {
            true => Ok(()),
            false => {
                wrong("public_url", "must be an address without a path, such as https://media.example.org")
            }
        }
    }

    fn check_redis(&self) -> Result<()> {
        let (redis, database) = (&self.redis, &self.database);
        if redis.url.is_some() && redis.url_file.is_some() {
            return wrong("redis.url", "and redis.url_file exclude each other; remove one");
        }
        let shares = redis.url.is_some() || redis.url_file.is_some();
        if shares && database.url.is_none() && database.url_file.is_none() {
            return wrong(
                "redis.url",
                "needs database.url: on SQLite there is one process, which shares nothing",
            );
        }
        Ok(())
    }

    fn check_stores(&self) -> Result<()> {
        let stores = self.all_stores();
        let mut places = Vec::new();
        for (name, store) in &stores {
            store.check(name.as_str())?;
            places.push((format!("stores.{name}"), store));
            places.extend(store.mirror.iter().map(|mirror| (format!("stores.{name}.mirror"), &**mirror)));
        }
        for (index, (name, store)) in places.iter().enumerate() {
            if let Some((other, _)) = places[..index].iter().find(|(_, other)| store.overlaps(other)) {
                return wrong(name, &format!("is the same place as {other}; give each a folder of its own"));
            }
        }
        Ok(())
    }

    /// Media and keys must not depend on where the program was started: elsewhere it would not find
    /// them, and begin anew.
    fn check_paths(&self) -> Result<()> {
        let paths = [
            ("database.url_file", &self.database.url_file),
            ("database.replicas_file", &self.database.replicas_file),
            ("redis.url_file", &self.redis.url_file),
            ("redis.ca_file", &self.redis.ca_file),
            ("accounts.first_admin_password_file", &self.accounts.first_admin_password_file),
            ("accounts.keys_dir", &self.accounts.keys_dir),
            ("storage.media_dir", &self.storage.media_dir),
        ];
        paths.into_iter().try_for_each(|(key, path)| absolute(key, path.as_deref()))
    }

    fn check_numbers(&self) -> Result<()> {
        let limits = &self.limits;
        let positive = [
            ("http.max_connections", self.http.max_connections as u64),
            ("http.head_seconds", u64::from(self.http.head_seconds)),
            ("http.body_seconds", u64::from(self.http.body_seconds)),
            ("http.write_seconds", u64::from(self.http.write_seconds)),
            ("http.max_json_bytes", self.http.max_json_bytes as u64),
            ("storage.max_upload_bytes", self.storage.max_upload_bytes),
            ("storage.unfinished_seconds", u64::from(self.storage.unfinished_seconds)),
            ("accounts.token_minutes", u64::from(self.accounts.token_minutes)),
            ("accounts.session_idle_days", u64::from(self.accounts.session_idle_days)),
            ("accounts.session_days", u64::from(self.accounts.session_days)),
            ("accounts.audit_days", u64::from(self.accounts.audit_days)),
            ("limits.max_pixels", limits.max_pixels),
            ("limits.max_side", u64::from(limits.max_side)),
            ("limits.max_frames", u64::from(limits.max_frames)),
            ("limits.max_streams", u64::from(limits.max_streams)),
            ("limits.max_decoded_seconds", limits.max_decoded_seconds),
            ("limits.deadline_seconds", limits.deadline_seconds),
            ("limits.max_metadata_bytes", limits.max_metadata_bytes),
            ("limits.max_output_bytes", limits.max_output_bytes),
        ];
        for (key, value) in positive {
            if value == 0 {
                return wrong(key, "must be above zero");
            }
        }
        if !(5..=3600).contains(&self.workers.lease_seconds) {
            return wrong("workers.lease_seconds", "must be from 5 to 3600");
        }
        if limits.max_memory < LEAST_MEMORY {
            return wrong(
                "limits.max_memory",
                "must be at least 268435456, without which nothing is decoded",
            );
        }
        if self.accounts.token_minutes > 24 * 60 {
            return wrong("accounts.token_minutes", "must be at most 1440, which is a day");
        }
        Ok(())
    }

    fn check_reuse_port(&self) -> Result<()> {
        let shared = self.database.url.is_some() || self.database.url_file.is_some();
        match self.http.reuse_port {
            true if !shared => wrong("http.reuse_port", "needs database.url: on SQLite there is one process"),
            true if !cfg!(target_os = "linux") => {
                wrong("http.reuse_port", "works on Linux only; put a proxy before the processes")
            }
            _ => Ok(()),
        }
    }

    /// A database in the data directory is for one process: what that leaves undone nobody does.
    fn check_workers(&self) -> Result<()> {
        if self.database.url.is_some() || self.database.url_file.is_some() {
            return Ok(());
        }
        for (key, jobs) in
            [("workers.jobs", self.workers.jobs), ("workers.transcodes", self.workers.transcodes)]
        {
            if jobs == Some(0) {
                return wrong(
                    key,
                    "must be above zero: with SQLite there is no other process to do the work",
                );
            }
        }
        Ok(())
    }
}

pub(super) fn absolute(key: &str, path: Option<&Path>) -> Result<()> {
    match path.is_none_or(Path::is_absolute) {
        true => Ok(()),
        false => wrong(key, "must be an absolute path"),
    }
}

pub(super) fn check_postgres(key: &str, url: &Secret) -> Result<()> {
    match url.reveal().starts_with("postgres://") || url.reveal().starts_with("postgresql://") {
        true => Ok(()),
        false => wrong(key, "must begin with postgres://"),
    }
}

pub(super) fn wrong<T>(key: &str, message: &str) -> Result<T> {
    Err(Error::invalid("configuration", format!("configuration: {key} {message}")))
}
