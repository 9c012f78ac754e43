//! Whether PostgreSQL is what we need: the primary, and each replica.

use super::check::Check;
use crate::{composition, config::Config};
use medianest_core::{Result, catalog::Catalog};
use medianest_storage::{PostgresCatalog, PostgresServer};

/// A replica that is further behind deserves a look, whatever the limit in seconds is: 64 MiB.
const FAR: i64 = 64 << 20;

pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let reached = async {
        let catalog = composition::postgres(config).await?;
        let server = catalog.server().await?;
        Ok((catalog, server))
    };
    let (catalog, server) = match reached.await {
        Ok(reached) => reached,
        Err(error) => {
            let advice = "see that PostgreSQL runs, that database.url names it, its database and a role that may \
                          sign in (pg_hba.conf), and that it can be reached from here";
            return vec![Check::failed("postgres", &error, advice)];
        }
    };
    let mut checks = primary(config, &catalog, &server).await;
    for (replica, number) in catalog.replica_servers().await.into_iter().zip(1..) {
        checks.extend(self::replica(&format!("replica-{number}"), replica, &server));
    }
    catalog.close().await;
    checks
}

async fn primary(config: &Config, catalog: &PostgresCatalog, server: &PostgresServer) -> Vec<Check> {
    let clock = Check::clock("postgres clock", server.clock);
    let told = format!("version {}, answers after {} µs", server.version, server.latency.as_micros());
    let version = server.check_version().map(|()| told);
    let rights = server.check_rights().map(|()| "the role may make tables".to_owned());
    let schema = catalog.check().await.map(|_| "the tables are those of this version".to_owned());
    vec![
        Check::of("postgres", version, "upgrade it"),
        Check::of(
            "postgres rights",
            rights,
            "let an administrator GRANT CREATE, USAGE ON SCHEMA … TO the role of database.url",
        ),
        Check::of(
            "postgres schema",
            schema,
            "run `medianest db migrate`, or start `medianest serve`, of the newest version that is in use",
        ),
        clock,
        connections(config, server),
    ]
}

/// Whether there is room for the pools of all processes.
fn connections(config: &Config, server: &PostgresServer) -> Check {
    let (all, used) = (i64::from(server.max_connections), server.connections);
    let ours = i64::from(config.database.max_connections);
    let detail = format!(
        "{used} of {all} are in use; each process may have {ours}, so that there is room for {} processes",
        all / ours.max(1)
    );
    Check::fine("postgres connections", detail).advised(
        all - used < ours,
        "raise max_connections of PostgreSQL, or lower database.max_connections: all processes together, and some \
         people, must fit",
    )
}

fn replica(name: &str, server: Result<PostgresServer>, primary: &PostgresServer) -> Vec<Check> {
    let server = match server {
        Ok(server) => server,
        Err(error) => {
            let advice = "see that it runs, allows connections in recovery (hot_standby = on) and can be reached; \
                          until then the primary answers instead";
            return vec![Check::failed(name, &error, advice)];
        }
    };
    let behind = primary.log_position.unwrap_or(0) - server.log_position.unwrap_or(0);
    let told = format!(
        "version {}, timeline {}, {} KiB behind, answers after {} µs",
        server.version,
        server.timeline,
        behind.max(0) / 1024,
        server.latency.as_micros()
    );
    let found = server.check_version().and_then(|()| server.check_replica_of(primary)).map(|()| told);
    let check = Check::of(name, found, "name streaming replicas of database.url alone in database.replicas")
        .advised(
            server.timeline < primary.timeline,
            "it may have stayed behind at a failover: let it follow the new primary (recovery_target_timeline = \
             'latest'), or make it anew; right after a failover this passes with its next checkpoint",
        )
        .advised(behind > FAR, "it is far behind: look at its disk, its network, and at long queries that hold it up");
    vec![check, Check::clock(format!("{name} clock"), server.clock)]
}
