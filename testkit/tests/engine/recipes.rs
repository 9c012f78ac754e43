//! Fingerprints decide what is stale.

use crate::support::{eager, nest_with, two_pictures};
use medianest_core::{AssetState, Engine, MediaProcessor, RenditionState, Resize, Upload};
use std::sync::{Arc, atomic::Ordering};

#[tokio::test]
async fn changing_one_variant_renders_exactly_that_one() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let assets = [nest.put("image a").await, nest.put("image b").await];
    assert_eq!(nest.rendered(), ["big", "big", "small", "small"]);
    let media = nest.engine.as_system();
    let library = assets[0].library_id;

    let changed = two_pictures().image("big", Resize::fit(900, 900).webp(80)).unwrap();
    let version = media.set_recipe(library, &changed).await.unwrap();
    assert_eq!(media.set_recipe(library, &changed).await.unwrap(), version, "the same again changes nothing");
    let applied = media.apply_recipe(library).await.unwrap();
    assert_eq!((applied.assets, applied.fresh, applied.declared), (2, 2, 2));
    assert_eq!(media.require(assets[0].id).await.unwrap().state, AssetState::Ready, "ready never regresses");
    let old = media.content(assets[0].id, &"renditions/big".parse().unwrap()).await.unwrap();
    nest.work().await;
    assert_eq!(nest.rendered(), ["big", "big"]);
    let new = media.content(assets[0].id, &"renditions/big".parse().unwrap()).await.unwrap();
    assert_ne!(old.etag, new.etag);

    let again = media.apply_recipe(library).await.unwrap();
    assert_eq!((again.fresh, again.declared), (4, 0));
    nest.work().await;
    let ready = media.renditions(assets[0].id).await.unwrap();
    assert!(ready.iter().all(|rendition| rendition.state == RenditionState::Ready) && ready.len() == 2);
    assert_eq!(
        nest.keys().await.iter().filter(|key| key.starts_with("r/")).count(),
        4,
        "the old bytes are gone"
    );
}

#[tokio::test]
async fn a_new_binary_renders_nothing_again_by_itself() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let asset = nest.put("image a").await;
    nest.rendered();
    let processor: Arc<dyn MediaProcessor> = nest.processor.clone();
    let upgraded = Engine::builder()
        .catalog(nest.catalog.clone())
        .blobs(nest.blobs.clone())
        .processor(processor)
        .recipe(two_pictures())
        .build()
        .unwrap();
    assert_eq!(upgraded.worker().run_until_idle().await.unwrap(), 0);
    assert_eq!(upgraded.as_system().apply_recipe(asset.library_id).await.unwrap().declared, 0);

    // Even a renderer of a later revision waits until it is asked for.
    nest.processor.revision.store(2, Ordering::SeqCst);
    assert_eq!(upgraded.worker().run_until_idle().await.unwrap(), 0);
    assert_eq!(upgraded.as_system().apply_recipe(asset.library_id).await.unwrap().declared, 2);
}

#[tokio::test]
async fn reprocessing_reads_and_renders_anew() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let asset = nest.put("image a").await;
    nest.rendered();
    let media = nest.engine.as_system();
    assert_eq!(media.reprocess(asset.id).await.unwrap().state, AssetState::Ready);
    assert!(media.content(asset.id, &"renditions/small".parse().unwrap()).await.is_ok());
    nest.work().await;
    assert_eq!(nest.rendered(), ["big", "small"]);
    assert_eq!(media.require(asset.id).await.unwrap().state, AssetState::Ready);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recipe_that_changes_meanwhile_is_followed() {
    let nest = nest_with(|builder| builder.options(eager()).recipe(two_pictures())).await;
    let media = nest.engine.as_system();
    let asset = media.ingest(Upload::from_bytes("a", "image a")).await.unwrap();
    let (runtime, other) = (tokio::runtime::Handle::current(), media.clone());
    *nest.processor.on_plan.lock().unwrap() = Some(Box::new(move || {
        // The old recipe has been read; nobody who applies the new one finds facts yet.
        let replacing = std::thread::spawn(move || {
            let changed = two_pictures().image("big", Resize::fit(900, 900).webp(80)).unwrap();
            runtime.block_on(async {
                other.set_recipe(asset.library_id, &changed).await.unwrap();
                assert_eq!(other.apply_recipe(asset.library_id).await.unwrap().declared, 0);
            });
        });
        replacing.join().unwrap();
    }));
    nest.work().await;
    let applied = media.apply_recipe(asset.library_id).await.unwrap();
    assert_eq!((applied.fresh, applied.declared), (2, 0), "it was made by the recipe of before");
}
