//! No statement of a route looks through a large table from end to end.
//!
//! A database is filled, the server with its worker is run on it, and each operation of the OpenAPI document
//! is called, by callers who see all, much and little. PostgreSQL itself (`auto_explain`) logs every statement
//! along with the plan it was run by, also those of triggers and of housekeeping: nobody has to keep a list
//! of statements, and an operation that is not called here fails the test.
//!
//! `MEDIANEST_PLAN_ASSETS` says how many assets there are, by default 100,000.
#[path = "../common/mod.rs"]
mod common;
mod log;

use common::{GIF, PASSWORD, Server, User, answer, configured, medianest};
use futures::StreamExt;
use medianest_testkit::postgres::Server as Postgres;
use reqwest::Method;
use serde_json::{Value, json};
use std::{
    cell::RefCell,
    collections::BTreeSet,
    time::{Duration, Instant},
};

/// A table with fewer rows is read as a whole, and rightly.
const LARGE: u32 = 1000;

fn start(postgres: &Postgres) -> Server {
    let dir = configured(&format!(
        "[workers]\njobs = 1\n[database]\nurl = {:?}\nreplicas = [{:?}]\n",
        postgres.url("postgres"),
        // Nobody is there: so the primary answers, and what it is asked before is logged too.
        "postgres://nobody@127.0.0.1:1/nothing"
    ));
    let mut command = medianest(dir.path());
    command.env("MEDIANEST_ACCOUNTS__OPEN_REGISTRATION", "true");
    command.env("MEDIANEST_STORES__ARCHIVE__DIR", dir.path().join("archive"));
    Server::start_by(command, dir)
}

/// A database of so many assets, all made after one that went through the server.
async fn filled() -> Postgres {
    let assets = std::env::var("MEDIANEST_PLAN_ASSETS").unwrap_or_else(|_| "100000".into());
    let postgres = Postgres::start();
    let mut server = start(&postgres);
    upload(&server.admin().await, "first.gif").await;
    assert!(server.stop());
    postgres.sql(&include_str!("fill.sql").replace(":rows", &assets));
    postgres.sql("VACUUM ANALYZE");
    for setting in [
        "session_preload_libraries = 'auto_explain'",
        "auto_explain.log_min_duration = 0",
        "auto_explain.log_nested_statements = on",
        "auto_explain.log_format = json",
    ] {
        postgres.sql(&format!("ALTER DATABASE postgres SET {setting}"));
    }
    postgres
}

/// Uploads a picture and waits until all is made of it.
async fn upload(user: &User<'_>, name: &str) -> String {
    let request = user.request(Method::POST, "/assets").query(&[("name", name)]).body(GIF);
    let (status, asset) =
        answer(request.header("content-type", "image/gif").header("idempotency-key", name)).await;
    assert!(status.is_success(), "{asset}");
    let id = asset["id"].as_str().unwrap().to_owned();
    let begun = Instant::now();
    while user.get(&format!("/assets/{id}")).await.1["state"] != "ready" {
        assert!(begun.elapsed() < Duration::from_secs(120), "{id} is not ready");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    id
}

/// Calls operations of the document, and remembers which.
struct Caller<'a> {
    user: &'a User<'a>,
    called: &'a RefCell<BTreeSet<String>>,
}

impl Caller<'_> {
    async fn call(&self, operation: &str, method: Method, path: &str, body: Option<Value>) -> Value {
        self.called.borrow_mut().insert(operation.to_owned());
        let (status, answer) = self.user.call(method, path, body).await;
        assert!(status.is_success() || status == 404, "{operation} {path}: {status} {answer}");
        answer
    }

    async fn refused(&self, operation: &str, method: Method, path: &str, body: Option<Value>) {
        self.called.borrow_mut().insert(operation.to_owned());
        let (status, answer) = self.user.call(method, path, body).await;
        assert!(matches!(status.as_u16(), 404 | 409 | 410), "{operation} {path}: {status} {answer}");
    }

    async fn get(&self, operation: &str, path: &str) -> Value {
        self.call(operation, Method::GET, path, None).await
    }

    /// Two pages of a list.
    async fn list(&self, operation: &str, path: &str) {
        let first = self.get(operation, path).await;
        let and = if path.contains('?') { '&' } else { '?' };
        if let Some(cursor) = first["next_cursor"].as_str() {
            self.get(operation, &format!("{path}{and}cursor={cursor}")).await;
        }
    }

    /// What everybody may do.
    async fn look_around(&self, library: &str, asset: &str) {
        for sort in ["-taken_at", "taken_at", "-created_at", "created_at"] {
            for only in
                ["", "&kind=video", "&state=failed", "&state=quarantined", "&owner=nobody", "&trashed=true"]
            {
                self.list("listAssets", &format!("/assets?sort={sort}{only}")).await;
                self.list("listAssets", &format!("/assets?sort={sort}{only}&library_id={library}")).await;
            }
        }
        self.list("listAssets", "/assets?taken_from=2000-01-01T00:00:00Z&taken_before=2000-02-01T00:00:00Z")
            .await;
        for text in ["img", "img1", "img77 jpg", "nothing", "jpg img5 i"] {
            self.list("search", &format!("/search?q={text}")).await;
            self.list("search", &format!("/search?q={text}&kind=audio&library_id={library}")).await;
            self.get("suggest", &format!("/search/suggestions?prefix={}", &text[..3])).await;
        }
        self.list("listLibraries", "/libraries").await;
        self.get("getLibrary", &format!("/libraries/{library}")).await;
        self.list("listMembers", &format!("/libraries/{library}/members")).await;
        self.get("getRecipe", &format!("/libraries/{library}/recipe")).await;
        let sha256 = "0".repeat(64);
        self.get("findOriginal", &format!("/libraries/{library}/originals/{sha256}?size=43")).await;
        self.get("getAsset", &format!("/assets/{asset}?links=true")).await;
        self.list("listRenditions", &format!("/assets/{asset}/renditions")).await;
        self.get("getHlsIndex", &format!("/assets/{asset}/hls/index.m3u8")).await;
        self.get("getMe", "/me").await;
        self.get("getMyLibrary", "/me/library").await;
        self.get("listSessions", "/auth/sessions").await;
        self.events().await;
    }

    async fn events(&self) {
        self.called.borrow_mut().insert("watchEvents".into());
        let head = self.user.request(Method::GET, "/events").header("last-event-id", "1:0");
        let mut stream = head.send().await.unwrap().bytes_stream();
        stream.next().await.unwrap().unwrap();
    }
}

/// What changes something, by an administrator.
async fn change_things(server: &Server, admin: &Caller<'_>, library_of_few: &str) {
    use Method as M;

    let new = upload(admin.user, "new.gif").await;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let job = admin.get("listJobs", &format!("/jobs?asset_id={new}")).await["items"][0]["id"].clone();
    admin.called.borrow_mut().insert("uploadAsset".into());
    let asset = format!("/assets/{new}");
    let rendition = admin.get("listRenditions", &format!("{asset}/renditions")).await["items"][0].clone();
    let variant = text(&rendition["variant"]);
    admin.get("getContent", &format!("{asset}/content")).await;
    admin.get("getRendition", &format!("{asset}/renditions/{variant}")).await;
    admin.get("getHlsPlaylist", &format!("{asset}/hls/{variant}/index.m3u8")).await;
    admin.get("getHlsPart", &format!("{asset}/hls/{variant}/{}/0.mp4", text(&rendition["id"]))).await;
    admin.call("updateAsset", M::PATCH, &asset, Some(json!({ "name": "newer.gif" }))).await;
    admin.call("reprocessAsset", M::POST, &format!("{asset}/reprocess"), None).await;
    admin.call("deleteAsset", M::DELETE, &asset, None).await;
    admin.call("restoreAsset", M::POST, &format!("{asset}/restore"), None).await;
    admin.call("deleteAsset", M::DELETE, &asset, None).await;
    admin.call("deleteAsset", M::DELETE, &format!("{asset}?permanent=true"), None).await;

    // The store of this test takes no bytes from elsewhere: what is looked up until that is found out.
    let new = Some(json!({ "size": 43, "name": "direct.gif" }));
    admin.refused("beginDirectUpload", M::POST, "/direct-uploads", new).await;
    let (upload, part) = ("/direct-uploads/none", Some(json!({ "number": 1 })));
    admin.refused("presignDirectPart", M::POST, &format!("{upload}/parts"), part).await;
    admin.refused("listDirectParts", M::GET, &format!("{upload}/parts"), None).await;
    let sent = Some(json!({ "parts": [{ "number": 1, "etag": "x" }] }));
    admin.refused("completeDirectUpload", M::POST, &format!("{upload}/complete"), sent).await;
    admin.refused("abortDirectUpload", M::DELETE, upload, None).await;

    for query in ["", "?kind=render", "?state=queued", "?kind=transcode&state=dead"] {
        admin.list("listJobs", &format!("/jobs{query}")).await;
    }
    admin.get("getJob", &format!("/jobs/{}", text(&job))).await;
    let of = async |state: &str| {
        text(
            &admin.get("listJobs", &format!("/jobs?kind=understand&state={state}&limit=1")).await["items"][0]
                ["id"],
        )
    };
    admin.call("cancelJob", M::POST, &format!("/jobs/{}/cancel", of("queued").await), None).await;
    admin.call("retryJob", M::POST, &format!("/jobs/{}/retry", of("dead").await), None).await;
    admin.get("listQueues", "/queues").await;
    for query in [
        "",
        "?actor=nobody",
        "?action=session.refused",
        "?from=2020-01-01T00:00:00Z&before=2021-01-01T00:00:00Z",
    ] {
        admin.list("listAudit", &format!("/admin/audit{query}")).await;
    }
    admin.call("pauseQueue", M::POST, "/queues/transcode/pause", None).await;
    admin.call("resumeQueue", M::POST, "/queues/transcode/resume", None).await;

    let library = admin.call("createLibrary", M::POST, "/libraries", Some(json!({ "name": "new" }))).await;
    let library = format!("/libraries/{}", text(&library["id"]));
    admin.call("renameLibrary", M::PATCH, &library, Some(json!({ "name": "newer" }))).await;
    let recipe = admin.get("getRecipe", &format!("{library}/recipe")).await;
    admin.call("setRecipe", M::PUT, &format!("{library}/recipe"), Some(recipe)).await;
    relocate(admin, &format!("/libraries/{library_of_few}/store")).await;
    admin.call("applyRecipe", M::POST, &format!("/libraries/{library_of_few}/recipe/apply"), None).await;

    let user = json!({ "login": "eve", "password": PASSWORD, "must_change_password": false });
    let eve = text(&admin.call("createUser", M::POST, "/users", Some(user)).await["id"]);
    let member = format!("{library}/members/{eve}");
    admin.call("putMember", M::PUT, &member, Some(json!({ "role": "viewer" }))).await;
    admin.call("removeMember", M::DELETE, &member, None).await;
    admin.call("deleteLibrary", M::DELETE, &library, None).await;

    let signed_in = server.login("eve", PASSWORD).await;
    let (as_eve, eve) = (User::new(server, &signed_in), format!("/users/{eve}"));
    let me = Caller { user: &as_eve, called: admin.called };
    me.call("changeMe", M::PATCH, "/me", Some(json!({ "name": "Eve" }))).await;
    me.call("refresh", M::POST, "/auth/refresh", Some(json!({ "refresh_token": as_eve.refresh_token })))
        .await;
    me.call("endSession", M::DELETE, &format!("/auth/sessions/{}", another_session(server).await), None)
        .await;
    let changed = json!({ "current_password": PASSWORD, "new_password": "another horse battery" });
    me.call("changePassword", M::POST, "/auth/password", Some(changed)).await;
    admin.list("listUsers", "/users").await;
    admin.list("listUsers", "/users?login=eve").await;
    admin.get("getUser", &eve).await;
    admin.call("changeUser", M::PATCH, &eve, Some(json!({ "name": "Eva" }))).await;
    admin.call("endUserSessions", M::DELETE, &format!("{eve}/sessions"), None).await;
    admin.call("resetPassword", M::POST, &format!("{eve}/password"), Some(json!({}))).await;
    let mallory = json!({ "login": "mallory", "password": PASSWORD });
    admin.call("register", M::POST, "/auth/register", Some(mallory)).await;
    let revoked = json!({ "refresh_token": server.login("user3", PASSWORD).await["refresh_token"] });
    admin.call("revoke", M::POST, "/auth/revoke", Some(revoked)).await;
    admin.called.borrow_mut().insert("login".into());
    admin.call("endSessions", M::DELETE, "/auth/sessions", None).await;
    admin.call("logout", M::POST, "/auth/logout", None).await;
}

/// Moves a library, and waits until the mover has ended: its statements are looked at, too.
async fn relocate(admin: &Caller<'_>, place: &str) {
    let store = json!({ "store": "archive" });
    admin.call("setLibraryStore", Method::PUT, place, Some(store)).await;
    let begun = Instant::now();
    loop {
        let job = admin.get("getLibraryStore", place).await["job"].clone();
        // The bytes of what was filled in are nowhere.
        if job["state"] == "dead" {
            assert_eq!(job["failure"]["code"], "move_incomplete", "{job}");
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{job}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Another session of Eve's.
async fn another_session(server: &Server) -> String {
    server.login("eve", PASSWORD).await["session_id"].as_str().unwrap().to_owned()
}

/// The operations of the document.
async fn operations(server: &Server) -> BTreeSet<String> {
    let document = answer(server.request(Method::GET, "/openapi.json")).await.1;
    let paths = document["paths"].as_object().unwrap().values();
    let operations = paths.flat_map(|operations| operations.as_object().unwrap().values());
    operations.map(|operation| operation["operationId"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn no_statement_of_a_route_reads_a_large_table_from_end_to_end() {
    let postgres = filled().await;
    let mut server = start(&postgres);
    let called = RefCell::new(BTreeSet::new());
    let id = |name: &str| postgres.ask(&format!("SELECT md5('{name}')::uuid"));
    for login in ["admin", "user1", "user2"] {
        let user = User::new(&server, &server.login(login, PASSWORD).await);
        Caller { user: &user, called: &called }.look_around(&id("library1"), &id("asset14")).await;
    }
    let admin = server.admin().await;
    change_things(&server, &Caller { user: &admin, called: &called }, &id("library8")).await;
    let operations = operations(&server).await;
    assert_eq!(*called.borrow(), operations, "all operations, and no others");
    drop(admin);
    assert!(server.stop());

    let large = postgres.ask(&format!(
        "SELECT string_agg(relname, ' ') FROM pg_class WHERE relname LIKE 'medianest%' AND relkind = 'r' \
         AND reltuples > {LARGE}"
    ));
    let large: BTreeSet<&str> = large.split(' ').collect();
    assert!(large.len() >= 12, "not much is large: {large:?}");
    let plans = log::plans(&postgres.log());
    let statements: BTreeSet<&str> = plans.iter().map(|planned| planned.statement.as_str()).collect();
    assert!(statements.len() > 100, "{} statements were logged", statements.len());
    let slow: BTreeSet<String> = plans
        .iter()
        .flat_map(|planned| planned.scanned().into_iter().map(move |table| (planned, table)))
        .filter(|(_, table)| large.contains(table))
        .map(|(planned, table)| format!("{table}: {}", planned.statement))
        .collect();
    assert!(slow.is_empty(), "read from end to end:\n{}", slow.into_iter().collect::<Vec<_>>().join("\n"));
}
