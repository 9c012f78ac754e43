//! Fills a catalog for load tests, and writes what a load generator needs to know of it:
//!
//! ```sh
//! cargo run --release -p medianest-benches --bin medianest-seed -- \
//!   --database-url postgres://medianest@127.0.0.1:15544/ours --assets 100000 --out /tmp/ours
//! ```
//!
//! `OUT/target.json` is `benches/targets/medianest.json` with the ids, for the peer's harness.
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use clap::Parser;
use medianest_benches::fill;
use medianest_core::{
    Clock, NewEvent, Principal, SystemClock, TenantId, USER, UserId,
    auth::{PasswordOptions, Passwords},
    catalog::{Catalog, IdentityCatalog, NewUser},
    event_kinds,
};
use medianest_storage::{PostgresCatalog, SqliteCatalog};
use std::{error::Error, path::PathBuf, sync::Arc};

#[derive(Debug, Parser)]
struct Arguments {
    /// PostgreSQL; else SQLite in the folder OUT/data, where a server finds it.
    #[arg(long)]
    database_url: Option<String>,
    /// How many assets.
    #[arg(long, default_value_t = 100_000)]
    assets: usize,
    /// Where to write ids and words.
    #[arg(long)]
    out: PathBuf,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    std::fs::create_dir_all(&arguments.out)?;
    let (catalog, identity): (Arc<dyn Catalog>, Arc<dyn IdentityCatalog>) = match &arguments.database_url {
        Some(url) => {
            let catalog = Arc::new(PostgresCatalog::connect(url).await?);
            (catalog.clone(), catalog)
        }
        None => {
            let data = arguments.out.join("data");
            std::fs::create_dir_all(&data)?;
            let catalog = Arc::new(SqliteCatalog::open(data.join("nest.db")).await?);
            (catalog.clone(), catalog)
        }
    };
    catalog.migrate().await?;
    // The users that the peer's harness signs in as; the first one owns the library.
    let hash = Passwords::new(&PasswordOptions::default())?.hash("correct-horse-1").await?;
    let mut owner = None;
    for number in 0..20 {
        let (id, login, at) = (UserId::new(), format!("bench{number}@example.org"), SystemClock.now());
        let data = serde_json::json!({ "user_id": id });
        let user = NewUser {
            id,
            tenant: TenantId::DEFAULT,
            name: login.clone(),
            login,
            password_hash: hash.clone(),
            role: USER.to_owned(),
            must_change_password: false,
            at,
            event: NewEvent::about_subject(
                TenantId::DEFAULT,
                id.to_string(),
                event_kinds::USER_REGISTERED,
                at,
                data,
            ),
        };
        identity.create_user(user, false).await?;
        owner.get_or_insert(id);
    }
    let owner = Principal::user(owner.ok_or("no user was added")?.to_string());
    let filled = fill(&catalog, &owner, arguments.assets).await?;
    std::fs::write(arguments.out.join("terms.single"), filled.single.join("\n"))?;
    std::fs::write(arguments.out.join("terms.pair"), filled.pair.join("\n"))?;
    let mut target: serde_json::Value = serde_json::from_str(include_str!("../../targets/medianest.json"))?;
    let ids: Vec<_> = filled.ids.iter().step_by((filled.ids.len() / 10_000).max(1)).collect();
    target["ids"] = serde_json::json!({ "list": ids });
    target["paths"]["upload"] = serde_json::json!(format!("/api/v1/assets?library_id={}", filled.library));
    target["terms"] = serde_json::json!(arguments.out.join("terms"));
    target["dir"] = serde_json::json!(std::env::current_dir()?);
    target["env"]["MEDIANEST_DATA_DIR"] = serde_json::json!(arguments.out.join("data"));
    if let Some(url) = &arguments.database_url {
        target["env"]["MEDIANEST_DATABASE__URL"] = serde_json::json!(url);
    }
    std::fs::write(arguments.out.join("target.json"), serde_json::to_string_pretty(&target)?)?;
    println!("{} assets; {}", filled.ids.len(), arguments.out.join("target.json").display());
    catalog.close().await;
    Ok(())
}
