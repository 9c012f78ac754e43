use crate::support::{Trust, in_the_end, refused};
use medianest_core::catalog::Catalog;
use medianest_storage::{PostgresCatalog, PostgresOptions};
use medianest_testkit::{authority::Authority, postgres::Server};

async fn connect(server: &Server, trust: &Trust) -> medianest_core::Result<PostgresCatalog> {
    let url = server.tls_url("postgres", &trust.ca_file());
    PostgresCatalog::connect_with(&url, &PostgresOptions::default()).await
}

#[tokio::test]
async fn d11_a_certificate_that_expired_is_refused_until_it_is_renewed() {
    let trust = Trust::new();
    let server = Server::start_with_tls(&trust.server);
    let catalog = in_the_end(|| connect(&server, &trust)).await;
    catalog.migrate().await.unwrap();

    server.identify(&trust.authority.issue(-1));
    server.end_connections();
    refused("database_untrusted", || catalog.check()).await;
    refused("database_untrusted", || connect(&server, &trust)).await;
    server.identify(&trust.authority.issue(30));
    in_the_end(|| catalog.check()).await;
    catalog.close().await;
}

#[tokio::test]
async fn d11_another_authority_is_trusted_when_it_is_in_the_file() {
    let (trust, other) = (Trust::new(), Authority::new());
    let server = Server::start_with_tls(&trust.server);
    let catalog = in_the_end(|| connect(&server, &trust)).await;
    catalog.migrate().await.unwrap();

    server.identify(&other.issue(30));
    server.end_connections();
    refused("database_untrusted", || catalog.check()).await;
    trust.is_in(&other);
    in_the_end(|| catalog.check()).await;
    catalog.close().await;
}
