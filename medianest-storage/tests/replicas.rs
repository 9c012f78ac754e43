//! [`PostgresCatalog`] with a streaming replica: who sees what, and from where.
//!
//! While the replica is told not to replay, what is missing in an answer shows that it came from there.
#![cfg(feature = "postgres")]

use medianest_core::{
    Asset, AssetId, AssetState, Blob, BlobId, BlobKey, Clock, IntentId, LibraryId, MemberRole, NewEvent,
    PageRequest, Principal, Recipe, Sha256, StoreName, SystemClock, TenantId, Visibility,
    catalog::{AssetCatalog, AssetQuery, Catalog, Intent, NewAsset, NewLibrary, SearchQuery},
};
use medianest_storage::{PostgresCatalog, PostgresOptions};
use medianest_testkit::postgres::Server;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const TENANT: TenantId = TenantId::DEFAULT;
const FOREVER: Duration = Duration::from_secs(3600);
/// What has to happen sooner or later has happened by then, also on a machine that is busy.
const DEADLINE: Duration = Duration::from_secs(120);

/// A primary and its replica, with a library that Ada has made and Bob may look at.
struct Fleet {
    primary: Server,
    replica: Server,
    library: LibraryId,
}

impl Fleet {
    async fn start() -> Self {
        let primary = Server::start();
        let catalog = PostgresCatalog::connect(&primary.url("postgres")).await.unwrap();
        catalog.migrate().await.unwrap();
        let library = LibraryId::new();
        let owner = String::from("ada");
        let (name, recipe, at) = (String::from("holidays"), Recipe::standard(), SystemClock.now());
        let event = event(library);
        let store = StoreName::DEFAULT;
        let new = NewLibrary { id: library, tenant: TENANT, name, owner, recipe, store, at, event };
        catalog.create_library(new).await.unwrap();
        let fleet = Self { replica: primary.replica(), primary, library };
        fleet.add_member(&catalog, "bob").await;
        catalog.close().await;
        fleet
    }

    async fn catalog(&self, max_lag: Duration) -> PostgresCatalog {
        let mut options = PostgresOptions::default();
        options.replicas = vec![self.replica.url("postgres")];
        options.max_lag = max_lag;
        PostgresCatalog::connect_with(&self.primary.url("postgres"), &options).await.unwrap()
    }

    async fn add_member(&self, catalog: &dyn Catalog, subject: &str) {
        catalog
            .put_member(TENANT, self.library, subject, MemberRole::Viewer, event(self.library))
            .await
            .unwrap();
    }

    fn hold_replica(&self) {
        self.replica.hold(&self.primary);
    }
}

async fn until(what: &str, mut happened: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !happened().await {
        assert!(begun.elapsed() < DEADLINE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn event(library: LibraryId) -> NewEvent {
    NewEvent::in_library(TENANT, library, "library.updated", SystemClock.now(), serde_json::json!({}))
}

fn view(catalog: &PostgresCatalog, subject: &str) -> Arc<dyn Catalog> {
    catalog.for_caller(&Principal::user(subject)).expect("there are replicas")
}

async fn put_in(catalog: &dyn Catalog, library: LibraryId) {
    let (at, blob, intent) = (SystemClock.now(), BlobId::new(), IntentId::new());
    let id = AssetId::new();
    let (store, key) = (StoreName::DEFAULT, BlobKey::original(TENANT, blob));
    let opened = Intent { id: intent, tenant: TENANT, store: store.clone(), key: key.clone() };
    catalog.open_intent(&opened, Duration::from_secs(60)).await.unwrap();
    let mut sha256 = [0; 32];
    sha256[..16].copy_from_slice(id.as_uuid().as_bytes());
    let (sha256, content_type) = (Sha256(sha256), String::from("image/jpeg"));
    let blob = Blob { id: blob, store, key, size: 1, sha256, content_type };
    let new = NewAsset {
        intent,
        id,
        tenant: TENANT,
        library,
        owner: String::from("ada"),
        name: String::from("beach.jpg"),
        kind: None,
        blob,
        state: AssetState::Processing,
        failure: None,
        taken_at: at,
        expires_after: None,
        idempotency_key: None,
        at,
        jobs: Vec::new(),
        events: Vec::new(),
    };
    catalog.commit_ingest(new).await.unwrap();
}

async fn seen(catalog: &dyn Catalog, subject: &str) -> usize {
    let visible = Visibility::member(TENANT, subject);
    let page = PageRequest::first();
    let listed: Vec<Asset> =
        catalog.list_assets(&visible, &AssetQuery::default(), &page).await.unwrap().items;
    listed.len()
}

async fn found(catalog: &dyn Catalog, subject: &str) -> usize {
    let query = SearchQuery { text: String::from("beach"), ..SearchQuery::default() };
    let visible = Visibility::member(TENANT, subject);
    let found = catalog.search(&visible, &query, &PageRequest::first()).await.unwrap().items.len();
    let suggested = catalog.suggest(&visible, "bea", 5).await.unwrap();
    assert_eq!(suggested.len(), found.min(1));
    found
}

async fn libraries(catalog: &dyn Catalog, subject: &str) -> usize {
    let visible = Visibility::member(TENANT, subject);
    catalog.list_libraries(&visible, &PageRequest::first()).await.unwrap().items.len()
}

/// Who has written sees it at once, in every process; others may see it later; nobody sees more than they
/// may.
#[tokio::test]
async fn callers_see_what_they_wrote() {
    let fleet = Fleet::start().await;
    let (here, there) = (fleet.catalog(FOREVER).await, fleet.catalog(FOREVER).await);
    let (ada, bob) = (view(&here, "ada"), view(&here, "bob"));
    let (ada_there, bob_there) = (view(&there, "ada"), view(&there, "bob"));
    for process in [&bob, &bob_there] {
        assert_eq!(seen(&**process, "bob").await, 0, "and remembers how far the log is");
    }
    fleet.hold_replica();

    put_in(&*ada, fleet.library).await;
    for process in [&ada, &ada_there] {
        assert_eq!((seen(&**process, "ada").await, found(&**process, "ada").await), (1, 1));
    }
    for process in [&bob, &bob_there] {
        until("the replica answers", async || {
            (seen(&**process, "bob").await, found(&**process, "bob").await) == (0, 0)
        })
        .await;
    }
    assert_eq!(seen(&here, "bob").await, 1, "who acts for nobody asks the primary");

    // Rights count at once, whoever changed them.
    fleet.add_member(&here, "eve").await;
    assert_eq!(libraries(&*view(&there, "eve"), "eve").await, 1);
    assert_eq!(seen(&*bob_there, "bob").await, 1, "a replica does not know of Eve yet");
    fleet.replica.let_go();
    fleet.hold_replica();
    put_in(&*ada, fleet.library).await;
    assert_eq!((seen(&*ada_there, "ada").await, seen(&*bob_there, "bob").await), (2, 1));
    there.remove_member(TENANT, fleet.library, "bob", event(fleet.library)).await.unwrap();
    assert_eq!((libraries(&*bob, "bob").await, seen(&*bob, "bob").await), (0, 0));

    there.close().await;
    here.close().await;
}

/// What somebody may not see any more is seen nowhere, also when the process dies between the change and
/// the note of where in the log it is.
#[tokio::test]
async fn rights_count_without_their_note() {
    let fleet = Fleet::start().await;
    let catalog = fleet.catalog(FOREVER).await;
    let (ada, bob) = (view(&catalog, "ada"), view(&catalog, "bob"));
    put_in(&*ada, fleet.library).await;
    until("the replica has it", async || seen(&*bob, "bob").await == 1).await;
    fleet.hold_replica();
    // The note after the commit is one of a place that is there.
    fleet.primary.ask(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
         IF NEW.position <= pg_current_wal_insert_lsn() - '0/0' THEN RAISE EXCEPTION 'as told'; END IF; \
         RETURN NEW; END $$; \
         CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON medianest_reached FOR EACH ROW EXECUTE FUNCTION fail()",
    );
    catalog.remove_member(TENANT, fleet.library, "bob", event(fleet.library)).await.unwrap_err();
    assert_eq!((libraries(&*bob, "bob").await, seen(&*bob, "bob").await), (0, 0));
    catalog.close().await;
}

/// D3: after a failover, who still follows what was the primary has come far, in another history.
#[tokio::test]
async fn d3_a_replica_of_another_history_is_not_asked() {
    let fleet = Fleet::start().await;
    let heir = fleet.primary.replica();
    let mut options = PostgresOptions::default();
    (options.replicas, options.max_lag) = (vec![fleet.replica.url("postgres")], FOREVER);
    let hosts = format!("{},{}", fleet.primary.socket().display(), heir.socket().display());
    let url = format!("postgres://medianest@localhost/postgres?host={hosts}");
    let catalog = PostgresCatalog::connect_with(&url, &options).await.unwrap();
    let (ada, bob) = (view(&catalog, "ada"), view(&catalog, "bob"));
    assert_eq!(seen(&*bob, "bob").await, 0);

    // What the heir never gets, and more of the log than comes after it.
    heir.kill();
    for _ in 0..3 {
        put_in(&*ada, fleet.library).await;
    }
    fleet
        .primary
        .sql("CREATE TABLE filler AS SELECT repeat(md5(n::text), 100) FROM generate_series(1, 20000) n");
    until("the replica has it", async || seen(&*bob, "bob").await == 3).await;
    fleet.hold_replica();
    fleet.primary.kill();
    heir.start_again();
    heir.promote();

    until("the heir is found", async || catalog.check().await.is_ok()).await;
    put_in(&*ada, fleet.library).await;
    for _ in 0..10 {
        assert_eq!((seen(&*ada, "ada").await, seen(&*bob, "bob").await), (1, 1));
    }
    catalog.close().await;
}

#[tokio::test]
async fn a_replica_is_one_host() {
    let mut options = PostgresOptions::default();
    options.replicas = vec![String::from("postgres://one,two/medianest")];
    let refused = PostgresCatalog::connect_with("postgres://nobody@127.0.0.1:1/nothing", &options).await;
    assert_eq!(refused.unwrap_err().code(), "invalid_database_url");
}

/// A replica that is too far behind answers nobody.
#[tokio::test]
async fn a_replica_that_lags_is_not_asked() {
    let fleet = Fleet::start().await;
    let catalog = fleet.catalog(Duration::from_secs(2)).await;
    let (ada, bob) = (view(&catalog, "ada"), view(&catalog, "bob"));
    seen(&*bob, "bob").await;
    fleet.hold_replica();
    put_in(&*ada, fleet.library).await;
    until("the primary answers", async || seen(&*bob, "bob").await == 1).await;
    catalog.close().await;
}

/// A replica may die and come back: nobody who reads learns of it.
#[tokio::test]
async fn a_replica_may_go_and_come_back() {
    let fleet = Fleet::start().await;
    let catalog = fleet.catalog(FOREVER).await;
    let (ada, bob) = (view(&catalog, "ada"), view(&catalog, "bob"));
    seen(&*bob, "bob").await;
    fleet.hold_replica();
    put_in(&*ada, fleet.library).await;
    until("the replica answers", async || seen(&*bob, "bob").await == 0).await;

    fleet.replica.kill();
    for _ in 0..20 {
        assert_eq!((seen(&*bob, "bob").await, found(&*bob, "bob").await), (1, 1));
    }
    fleet.replica.start_again();
    fleet.hold_replica();
    put_in(&*ada, fleet.library).await;
    until("the replica answers again", async || seen(&*bob, "bob").await == 1).await;
    assert_eq!(seen(&*ada, "ada").await, 2);

    // One that became a primary of its own is no replica any more.
    fleet.replica.let_go();
    fleet.replica.promote();
    put_in(&*ada, fleet.library).await;
    assert_eq!((seen(&*ada, "ada").await, seen(&*bob, "bob").await), (3, 3));
    catalog.close().await;
}
