use super::Config;
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use medianest_core::{Error, Result};
use std::{
    env,
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// What was said on the command line.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The file, instead of `medianest.toml` in the data directory.
    pub file: Option<PathBuf>,
    /// See [`Config::data_dir`].
    pub data_dir: Option<PathBuf>,
    /// See [`Config::listen`].
    pub listen: Option<SocketAddr>,
    /// See [`Workers::jobs`](super::Workers::jobs).
    pub workers: Option<usize>,
}

/// Reads the configuration: the file (`--config`, else `MEDIANEST_CONFIG`, else `medianest.toml` in the
/// data directory, if it is there), then the environment, then the command line.
///
/// # Errors
/// `configuration`, in one line.
pub fn load(overrides: &Overrides) -> Result<Config> {
    let variables = || Env::prefixed("MEDIANEST_").ignore(&["config", "corpus"]).split("__");
    let named = overrides.file.clone().or_else(|| env::var_os("MEDIANEST_CONFIG").map(PathBuf::from));
    let mut figment = Figment::new();
    match named {
        Some(file) if !file.is_file() => {
            return Err(Error::invalid("configuration", "configuration: there is no such file")
                .with("path", file.display()));
        }
        Some(file) => figment = figment.merge(Toml::file_exact(file)),
        None => {
            let early: Option<PathBuf> = Figment::from(variables()).extract_inner("data_dir").ok();
            let directory = overrides.data_dir.clone().or(early).unwrap_or_else(default_data_dir);
            let file = directory.join("medianest.toml");
            if file.is_file() {
                figment = figment.merge(Toml::file_exact(file));
            }
        }
    }
    let mut config: Config = figment.merge(variables()).extract().map_err(|source| {
        // Figment names key, file or variable, and what is allowed.
        Error::invalid("configuration", format!("configuration: {}", one_line(&source)))
    })?;
    if let Some(directory) = &overrides.data_dir {
        config.data_dir.clone_from(directory);
    }
    if let Some(listen) = overrides.listen {
        config.listen = listen;
    }
    if let Some(workers) = overrides.workers {
        config.workers.jobs = Some(workers);
    }
    config.data_dir = absolute(&config.data_dir)?;
    config.check()?;
    Ok(config)
}

fn one_line(error: &figment::Error) -> String {
    let lines: Vec<String> =
        error.clone().into_iter().map(|error| error.to_string().replace('\n', " ")).collect();
    lines.join("; ")
}

fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|source| {
        Error::invalid("configuration", "configuration: data_dir is no path").caused_by(source)
    })
}

/// `$XDG_DATA_HOME/medianest`, by default below the home directory; what Windows and macOS have for it.
pub(super) fn default_data_dir() -> PathBuf {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let base = variable("XDG_DATA_HOME").or_else(|| {
        if cfg!(windows) {
            variable("LOCALAPPDATA")
        } else if cfg!(target_os = "macos") {
            variable("HOME").map(|home| home.join("Library/Application Support"))
        } else {
            variable("HOME").map(|home| home.join(".local/share"))
        }
    });
    base.unwrap_or_else(|| PathBuf::from("/var/lib")).join("medianest")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;
    use medianest_core::StoreName;

    fn parse(toml: &str) -> Result<Config, String> {
        let config: Config =
            Figment::new().merge(Toml::string(toml)).extract().map_err(|error| one_line(&error))?;
        config.check().map_err(|error| error.to_string())?;
        config.database_url().map_err(|error| error.to_string())?;
        config.replica_urls().map_err(|error| error.to_string())?;
        config.redis_url().map_err(|error| error.to_string())?;
        Ok(config)
    }

    #[test]
    fn wrong_configuration_says_what_to_do_in_one_line() {
        for (toml, hint) in [
            ("lisen = \"127.0.0.1:1\"", "lisen"),
            ("listen = \"nowhere\"", "listen"),
            ("[http]\nmax_connections = 0", "above zero"),
            ("[http]\nbody = 3", "body"),
            ("public_url = \"media.example.org\"", "https://"),
            ("public_url = \"https://media.example.org/path\"", "without a path"),
            ("[database]\nurl = \"mysql://x\"", "postgres://"),
            ("[database]\nurl = \"postgres://x\"\nurl_file = \"x\"", "exclude"),
            ("[database]\nmax_connections = 2", "at least 3"),
            ("[database]\nreplicas = [\"postgres://x\"]", "database.url"),
            ("[database]\nurl = \"postgres://x\"\nreplicas = [\"mysql://x\"]", "database.replicas must"),
            ("[database]\nurl = \"postgres://x\"\nreplicas = [\"a\"]\nreplicas_file = \"/x\"", "exclude"),
            ("[redis]\nurl = \"redis://x\"", "needs database.url"),
            ("[database]\nurl = \"postgres://x\"\n[redis]\nurl = \"http://x\"", "redis://"),
            ("[database]\nurl = \"postgres://x\"\n[redis]\nurl = \"x\"\nurl_file = \"x\"", "exclude"),
            ("[workers]\nlease_seconds = 4", "from 5 to 3600"),
            ("[log]\nformat = \"xml\"", "xml"),
            ("[stores.default]\nkind = \"s3\"", "stores.default.bucket"),
            ("[stores.default]\nkind = \"tape\"", "tape"),
            ("[stores.default]\nkind = \"s3\"\nbucket = \"b\"\naccess_key_id = \"x\"", "secret_key_file"),
            ("[stores.default]\ndelivery = \"redirect\"", "proxy"),
            ("[stores.default]\nkind = \"s3\"\nbucket = \"b\"\nprefix = \"/x\"", "prefix"),
            ("[stores.default.mirror]\nkind = \"local\"", "mirror.dir"),
            ("[stores.default.mirror]\nkind = \"s3\"", "stores.default.mirror.bucket"),
            ("[stores.default]\nbuckett = \"b\"", "buckett"),
            ("[stores.Archive]\nkind = \"local\"", "a-z"),
            ("[stores.archive]\nkind = \"local\"", "stores.archive.dir"),
            ("[stores.a]\ndir = \"/x\"\n[stores.b]\ndir = \"/x\"", "same place as stores.a"),
            ("[stores.a]\ndir = \"/x\"\n[stores.b]\ndir = \"/x/o/y\"", "same place as stores.a"),
            ("[stores.a]\ndir = \"/x\"\n[stores.a.mirror]\ndir = \"/x\"", "same place as stores.a"),
            ("[limits]\nmax_pixel = 1", "max_pixel"),
        ] {
            let error = parse(toml).expect_err(toml);
            assert!(error.contains(hint) && !error.contains('\n'), "{toml}: {error}");
        }
    }

    #[test]
    fn nothing_configured_is_a_configuration() {
        let config = parse("").unwrap();
        assert_eq!(config.listen.port(), 8080);
        assert!(config.database_url().unwrap().is_none());
    }

    #[test]
    fn a_store_is_read_without_showing_its_secret() {
        let toml = "[stores.default]\nkind = \"s3\"\nbucket = \"media\"\nendpoint = \"https://s3.example.org\"\n\
                    access_key_id = \"id\"\nsecret_key = \"hunter2\"\ndelivery = \"redirect\"";
        let config = parse(toml).unwrap();
        let default = config.store(&StoreName::DEFAULT).unwrap();
        assert_eq!(default.secret_key().unwrap().as_ref().map(Secret::reveal), Some("hunter2"));
        assert!(!format!("{config:?}").contains("hunter2"));
        assert!(!serde_json::to_string(&config).unwrap().contains("hunter2"));
        let default = parse("").unwrap().store(&StoreName::DEFAULT).unwrap();
        assert_eq!(default.kind, crate::config::StoreKind::Local);
    }

    #[test]
    fn any_number_of_stores_is_known_by_name() {
        let bucket = |name: &str, prefix: &str| {
            format!("[stores.{name}]\nkind = \"s3\"\nbucket = \"media\"\nprefix = \"{prefix}\"\n")
        };
        let config =
            parse(&(bucket("archive", "a") + &bucket("public-2", "a/b") + &bucket("root", ""))).unwrap();
        let names: Vec<_> = config.all_stores().into_keys().map(String::from).collect();
        assert_eq!(names, ["archive", "default", "public-2", "root"]);
        assert_eq!(config.store(&StoreName::new("other").unwrap()).unwrap_err().code(), "no_such_store");
    }

    #[test]
    fn secrets_are_not_shown() {
        let config = parse("[database]\nurl = \"postgres://user:hunter2@db/x\"").unwrap();
        assert_eq!(
            config.database_url().unwrap().as_ref().map(Secret::reveal),
            Some("postgres://user:hunter2@db/x")
        );
        let shown = format!("{config:?} {}", serde_json::to_string(&config).unwrap());
        assert!(!shown.contains("hunter2"));
    }
}
