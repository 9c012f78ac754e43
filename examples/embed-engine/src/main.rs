//! The whole engine in any program: `embed-engine holiday.mp4` takes the file in, renders it, and says
//! where what came out can be fetched. Everything is kept in the folder `nest`.
#![expect(clippy::print_stdout, reason = "this program talks to people")]

use medianest_core::{Engine, Recipe, Resize, Upload, catalog::Catalog};
use medianest_media::sandbox::{self, Sandboxed};
use medianest_storage::{ObjectBlobs, SqliteCatalog};
use std::error::Error;

// ANCHOR: engine
fn main() -> Result<(), Box<dyn Error>> {
    sandbox::init()?; // first, before any thread: decoders run in children of this process as it is now
    run()
}

#[tokio::main]
async fn run() -> Result<(), Box<dyn Error>> {
    let catalog = SqliteCatalog::open("nest/catalog.db").await?;
    catalog.migrate().await?;
    let engine = Engine::builder()
        .catalog(catalog)
        .blobs(ObjectBlobs::local("nest/blobs")?)
        .processor(Sandboxed::new()?)
        .recipe(Recipe::standard().image("card", Resize::fill(400, 300).webp(80))?)
        .build()?;
    let media = engine.as_system(); // or engine.acting_as(Principal::user("your user's id"))
    let file = std::env::args().nth(1).ok_or("say which file to take in")?;
    let asset = media.ingest(Upload::from_path(file)).await?;
    engine.worker().run_until_idle().await?; // or spawn engine.worker().run(), here or elsewhere
    let asset = media.require(asset.id).await?;
    println!("{} is {}", asset.name, asset.state.as_str());
    for rendition in media.renditions(asset.id).await? {
        println!(
            "{:>9}: {}",
            rendition.variant,
            media.url(asset.id).rendition(rendition.variant.clone()).sign()
        );
    }
    Ok(())
}
// ANCHOR_END: engine
