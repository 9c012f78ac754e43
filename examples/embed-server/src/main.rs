//! A poem application with a page and users of its own, which mounts the routes of MediaNest beside its
//! own. Try it:
//!
//! ```sh
//! cargo run -p embed-server &
//! curl http://127.0.0.1:8080/
//! curl -H 'authorization: Bearer ann-secret' http://127.0.0.1:8080/api/v1/libraries
//! ```

use async_trait::async_trait;
use medianest_core::{
    Engine, Error, ErrorKind, MemoryBlobs, Principal, Result,
    auth::{Authenticator, Identity},
    catalog::Catalog,
};
use medianest_media::InProcess;
use medianest_server::{State, api_routes};
use medianest_storage::SqliteCatalog;
use poem::{Endpoint, Response, Route, Server, get, handler, listener::TcpListener};
use std::sync::Arc;

/// The users of this application and what they show: in earnest, its own table.
#[derive(Debug)]
struct OurUsers;

#[async_trait]
impl Authenticator for OurUsers {
    async fn bearer(&self, token: &str) -> Result<Identity> {
        match token {
            "ann-secret" => Ok(Principal::user("ann").into()),
            "bob-secret" => Ok(Principal::user("bob").into()),
            _ => Err(Error::new(ErrorKind::Unauthenticated, "invalid_token", "this token is none of ours")),
        }
    }
}

#[handler]
fn home() -> &'static str {
    "an application with media"
}

#[tokio::main]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let engine = engine().await?;
    tokio::spawn(engine.worker().run());
    Server::new(TcpListener::bind("127.0.0.1:8080")).run(app(engine)).await?;
    Ok(())
}

/// Everything in memory; photos only, decoded in this process: this application trusts its users.
async fn engine() -> Result<Engine> {
    let catalog = SqliteCatalog::in_memory().await?;
    catalog.migrate().await?;
    Engine::builder().catalog(catalog).blobs(MemoryBlobs::new()).processor(InProcess).build()
}

fn app(engine: Engine) -> impl Endpoint<Output = Response> {
    let media = Arc::new(api_routes(State::new(engine, Arc::new(OurUsers))));
    Route::new().at("/", get(home)).nest_no_strip("/api/v1", media.clone()).nest_no_strip("/media", media)
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem::{http::StatusCode, test::TestClient};

    #[tokio::test]
    async fn the_routes_know_the_users_of_the_application() {
        let client = TestClient::new(app(engine().await.unwrap()));
        client.get("/").send().await.assert_text("an application with media").await;
        client.get("/api/v1/libraries").send().await.assert_status(StatusCode::UNAUTHORIZED);
        client
            .get("/api/v1/libraries")
            .header("authorization", "Bearer x")
            .send()
            .await
            .assert_status(StatusCode::UNAUTHORIZED);

        let made = client
            .post("/api/v1/libraries")
            .header("authorization", "Bearer ann-secret")
            .body_json(&serde_json::json!({ "name": "Holidays" }))
            .send()
            .await;
        made.assert_status(StatusCode::CREATED);
        for (token, seen) in [("ann-secret", 1), ("bob-secret", 0)] {
            let listed = client
                .get("/api/v1/libraries")
                .header("authorization", format!("Bearer {token}"))
                .send()
                .await;
            listed.assert_status_is_ok();
            listed.json().await.value().object().get("items").array().assert_len(seen);
        }
    }
}
