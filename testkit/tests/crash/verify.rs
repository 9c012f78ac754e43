//! What must hold after every restart.

use crate::child;
use futures::TryStreamExt;
use medianest_core::{
    AssetState, BlobStore, BlobStoreExt, Job, JobState, PageRequest, RenditionState, StoreName, TenantId,
    Visibility,
    catalog::{AssetQuery, JobQuery},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn check(folder: &Path, url: Option<&str>, acknowledged: &[String]) -> Result<(), String> {
    let catalog = child::catalog(folder, url).await;
    let blobs = |store: &StoreName| child::blobs(folder, store);
    let failed = |error: medianest_core::Error| format!("{error:?}");
    let (visible, page) =
        (Visibility::all(TenantId::DEFAULT), PageRequest::new(Some(200), None).map_err(failed)?);
    let mut assets =
        catalog.list_assets(&visible, &AssetQuery::default(), &page).await.map_err(failed)?.items;
    let trash = AssetQuery { trashed: true, ..AssetQuery::default() };
    assets.extend(catalog.list_assets(&visible, &trash, &page).await.map_err(failed)?.items);

    for line in acknowledged {
        let known = assets.iter().any(|asset| *line == format!("{} {}", asset.id, asset.blob.sha256));
        if !known {
            return Err(format!("the acknowledged upload {line} is lost"));
        }
    }
    let (mut expected, mut lost) = (BTreeSet::new(), BTreeSet::new());
    for asset in &assets {
        let library = catalog.get_library(&visible, asset.library_id).await.map_err(failed)?;
        let place = library.ok_or("an asset without a library")?.store;
        if asset.blob.store != place {
            return Err(format!("{} is in {} and not in {place}", asset.name, asset.blob.store));
        }
        let blobs = blobs(&place);
        let told = |line: &String| line.starts_with(&asset.id.to_string());
        if asset.name == child::LOST && !acknowledged.iter().any(told) {
            // Killed before the bytes came again, or given up before that: nobody was told otherwise.
            lost.insert(asset.id);
        } else if asset.state != AssetState::Ready {
            return Err(format!("{} is stuck: {:?} {:?}", asset.name, asset.state, asset.failure));
        }
        if lost.contains(&asset.id) && blobs.head(&asset.blob.key).await.map_err(failed)?.is_none() {
            continue;
        }
        let bytes = blobs.get_bytes(&asset.blob.key, None).await.map_err(failed)?;
        let text = String::from_utf8_lossy(&bytes);
        if text != format!("{0} 0 {0} 1 {0} 2 ", asset.name) {
            return Err(format!("the original of {} is altered: {text}", asset.name));
        }
        expected.insert(format!("{place} {}", asset.blob.key));
        let mut ready = BTreeMap::new();
        for rendition in catalog.list_renditions(asset.id).await.map_err(failed)? {
            if rendition.state != RenditionState::Ready {
                return Err(format!("a rendition of {} is left {:?}", asset.name, rendition.state));
            }
            if rendition.store != place {
                return Err(format!("{} of {} is in {}", rendition.variant, asset.name, rendition.store));
            }
            *ready.entry(rendition.variant.to_string()).or_insert(0) += 1;
            let mut content = String::new();
            for part in catalog.list_parts(rendition.id).await.map_err(failed)? {
                let bytes = blobs.get_bytes(&part.key, None).await.map_err(failed)?;
                content.push_str(&String::from_utf8_lossy(&bytes));
                expected.insert(format!("{place} {}", part.key));
            }
            let whole: String = (0..4).map(|part| format!("[{} {part}]", rendition.variant)).collect();
            if content != whole {
                return Err(format!("{} of {} is {content}", rendition.variant, asset.name));
            }
        }
        let whole = asset.state == AssetState::Ready;
        if whole && ready != BTreeMap::from([(String::from("480p"), 1), (String::from("small"), 1)]) {
            return Err(format!("{} has the renditions {ready:?}", asset.name));
        }
    }
    let jobs = catalog.list_jobs(TenantId::DEFAULT, &JobQuery::default(), &page).await.map_err(failed)?.items;
    let of_lost = |job: &Job| job.asset_id.is_some_and(|asset| lost.contains(&asset));
    let left = |job: &&Job| !matches!(job.state, JobState::Done | JobState::Cancelled) && !of_lost(job);
    if let Some(job) = jobs.iter().find(left) {
        return Err(format!("a job is left: {job:?}"));
    }
    let mut stored = BTreeSet::new();
    for place in [StoreName::DEFAULT, child::archive()] {
        let there: Vec<_> = blobs(&place).list(None).try_collect().await.map_err(failed)?;
        stored.extend(there.into_iter().map(|blob| format!("{place} {}", blob.key)));
    }
    if stored != expected {
        let left: Vec<_> = stored.difference(&expected).collect();
        let missing: Vec<_> = expected.difference(&stored).collect();
        return Err(format!("left over: {left:?}; missing: {missing:?}"));
    }
    Ok(())
}
