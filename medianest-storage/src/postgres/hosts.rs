//! The hosts that a URL names, as libpq reads it.

use medianest_core::{Error, Result};
use sqlx::postgres::PgConnectOptions;
use std::str::FromStr;

/// How to connect to each host of `postgres://user@one:5432,two:5433/database`, or of
/// `postgres://user@/database?host=/one,/two&port=5432,5433`, in that order.
///
/// # Errors
/// `invalid_database_url`.
pub(super) fn parse(url: &str) -> Result<Vec<PgConnectOptions>> {
    let invalid = || Error::invalid("invalid_database_url", "not a postgres:// URL");
    let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return Err(invalid());
    }
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let (user, hosts) = authority.rfind('@').map_or(("", authority), |at| authority.split_at(at + 1));
    let mut named = Named { hosts: hosts.split(',').collect(), ..Named::default() };
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        match pair.split_once('=') {
            Some(("host", hosts)) => named.param_hosts = hosts.split(',').collect(),
            Some(("port", ports)) => named.param_ports = ports.split(',').collect(),
            // What we do anyway: all but replicas has to be the primary.
            Some(("target_session_attrs", "any" | "read-write" | "primary")) => {}
            Some(("target_session_attrs", _)) => return Err(invalid()),
            _ => named.others.push(pair),
        }
    }
    let one = |index: usize| {
        let url = format!("{scheme}://{user}{}{path}?{}", pick(&named.hosts, index), named.query(index));
        PgConnectOptions::from_str(&url).map_err(|source| invalid().caused_by(source))
    };
    (0..named.hosts.len().max(named.param_hosts.len())).map(one).collect()
}

#[derive(Default)]
struct Named<'a> {
    hosts: Vec<&'a str>,
    param_hosts: Vec<&'a str>,
    param_ports: Vec<&'a str>,
    others: Vec<&'a str>,
}

impl Named<'_> {
    /// The parameters for one of the hosts.
    fn query(&self, index: usize) -> String {
        let mut query: Vec<String> = self.others.iter().map(ToString::to_string).collect();
        for (key, values) in [("host", &self.param_hosts), ("port", &self.param_ports)] {
            let value = pick(values, index);
            query.extend((!value.is_empty()).then(|| format!("{key}={value}")));
        }
        query.join("&")
    }
}

/// The value for one host: its own, or the one for all.
fn pick<'a>(values: &[&'a str], index: usize) -> &'a str {
    values.get(index).or(values.last()).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<String> {
        let at = |options: &PgConnectOptions| match options.get_socket() {
            Some(socket) => format!("{}:{}", socket.display(), options.get_port()),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        };
        parse(url).unwrap().iter().map(at).collect()
    }

    #[test]
    fn each_host_of_a_url_is_one_to_try() {
        assert_eq!(hosts("postgres://u:p@one/db"), ["one:5432"]);
        assert_eq!(
            hosts("postgresql://u:p@one:1,two:2,three/db?sslmode=disable"),
            ["one:1", "two:2", "three:5432"]
        );
        assert_eq!(hosts("postgres://one,two?target_session_attrs=read-write"), ["one:5432", "two:5432"]);
        assert_eq!(hosts("postgres://u@localhost/db?host=/a,/b&port=7"), ["/a:7", "/b:7"]);
        assert_eq!(hosts("postgres://u@localhost/db?host=one,two&port=7,8"), ["one:7", "two:8"]);
        let of = parse("postgres://u:p%40x@one,two/db").unwrap();
        assert!(of.iter().all(|one| one.get_username() == "u" && one.get_database() == Some("db")));
    }

    #[test]
    fn other_urls_are_refused() {
        for url in [
            "mysql://one/db",
            "one,two",
            "postgres://one/db?target_session_attrs=standby",
            "postgres://a:b:c/",
        ] {
            assert_eq!(parse(url).unwrap_err().code(), "invalid_database_url", "{url}");
        }
    }
}
