//! From facts to renditions to `ready`.

use crate::{
    AssetId, AssetState, ErrorKind, JobKind, JobState, RenditionInfo, RenditionState, Timestamp, VariantName,
    catalog::{AssetChange, Declared, Purge, SearchQuery, Settled, Understood},
    conformance::{assert_fails, fixture::*},
    event_kinds,
};

/// Stores them, ends the job, queues the next ones; the asset waits for what is required.
pub async fn facts_declare_renditions(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await.id;
    let understand = claim_one(&store, JobKind::Understand).await;
    let declared = declare(asset, &["small!", "card"]);
    let settled = store.record_facts(&understand.fence(), understood(declared.clone())).await.unwrap();
    assert_eq!(settled, Settled(None));
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.kind), (AssetState::Processing, Some(facts().kind)));
    assert_eq!(row.facts.unwrap().read().unwrap(), facts());
    assert_eq!((row.blob.content_type.as_str(), row.taken_at.as_secs()), ("image/png", 1_500_000_000));
    assert_eq!(job(&store, understand.id).await.state, JobState::Done);
    assert_eq!(job(&store, declared.jobs[0].id).await.payload, declared.jobs[0].payload);
    let renditions = store.list_renditions(asset).await.unwrap();
    assert_eq!(renditions.len(), 2);
    for (row, new) in renditions.iter().rev().zip(&declared.renditions) {
        assert_eq!(
            (row.id, row.asset_id, &row.variant, row.required),
            (new.id, asset, &new.variant, new.required)
        );
        assert_eq!((&row.definition, &row.fingerprint), (&new.definition, &new.fingerprint));
        assert_eq!((row.state, row.size, &row.info), (RenditionState::Pending, 0, &None));
    }
    assert_eq!(count(&store, event_kinds::ASSET_UNDERSTOOD).await, 1);
    assert_eq!(count(&store, event_kinds::ASSET_READY).await, 0);
}

/// `ready` at once; the event of the settling is told, and once.
pub async fn an_asset_that_requires_nothing_is_ready(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await.id;
    let understand = claim_one(&store, JobKind::Understand).await;
    let declared = declare(asset, &["card"]);
    let settled = store.record_facts(&understand.fence(), understood(declared)).await.unwrap();
    assert_eq!(settled, Settled(Some(AssetState::Ready)));
    assert_eq!(get(&store, asset).await.state, AssetState::Ready);
    let render = claim_one(&store, JobKind::Render).await;
    let ids = &render.payload.renditions;
    assert_eq!(make(&store, &render.fence(), ids[0]).await, None);
    assert_eq!(count(&store, event_kinds::ASSET_READY).await, 1);
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 0);
}

/// `failed` or `quarantined`, with the reason and without renditions.
pub async fn what_cannot_be_processed_is_settled(store: Store) {
    let library = library(&store).await;
    for (seed, state) in [(1, AssetState::Failed), (2, AssetState::Quarantined)] {
        let asset = add(&store, library, seed).await.id;
        let understand = claim_one(&store, JobKind::Understand).await;
        let outcome = Some((state, failure("unsupported_codec")));
        let command = Understood { outcome, facts: None, taken_at: None, ..understood(Declared::default()) };
        let settled = store.record_facts(&understand.fence(), command).await.unwrap();
        assert_eq!(settled, Settled(Some(state)));
        let row = get(&store, asset).await;
        assert_eq!((row.state, row.failure), (state, Some(failure("unsupported_codec"))));
        assert_eq!(job(&store, understand.id).await.state, JobState::Done);
    }
}

/// In order, each once: the first to come stays.
pub async fn parts_are_added_once(store: Store) {
    let (_, fence, ids) = rendering(&store, &["720p!"]).await;
    let opened = store.open_renditions(&fence, &ids).await.unwrap();
    assert_eq!((opened.len(), opened[0].0.id, opened[0].1), (1, ids[0], 0));
    for ordinal in [1, 0, 2] {
        store.commit_part(&fence, ids[0], &part(ids[0], ordinal, 1)).await.unwrap();
    }
    store.commit_part(&fence, ids[0], &part(ids[0], 1, 9)).await.unwrap();
    let expected: Vec<_> = (0..3).map(|ordinal| part(ids[0], ordinal, 1)).collect();
    assert_eq!(store.list_parts(ids[0]).await.unwrap(), expected);
    assert_eq!(store.open_renditions(&fence, &ids).await.unwrap()[0].1, 3);
    let settled = store.finish_rendition(&fence, finished(ids[0], Ok(info()))).await.unwrap();
    assert_eq!(settled, Settled(Some(AssetState::Ready)));
    assert_eq!(store.list_parts(ids[0]).await.unwrap(), expected);
}

/// `ready` once all that is required is there; the optional may come later.
pub async fn an_asset_is_ready_with_its_last_required_rendition(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b", "c!"]).await;
    assert_eq!(make(&store, &fence, ids[0]).await, None);
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    assert_eq!(make(&store, &fence, ids[2]).await, Some(AssetState::Ready));
    assert_eq!(get(&store, asset).await.state, AssetState::Ready);
    assert_eq!(make(&store, &fence, ids[1]).await, None);
    store.complete(&fence).await.unwrap();
    for (id, name) in ids.iter().zip(["a", "b", "c"]) {
        let ready = store.ready_rendition(asset, &VariantName::new(name).unwrap()).await.unwrap().unwrap();
        assert_eq!(
            (ready.id, ready.state, ready.size, ready.info),
            (*id, RenditionState::Ready, 100, Some(info()))
        );
    }
    assert_eq!(store.ready_rendition(asset, &VariantName::new("d").unwrap()).await.unwrap(), None);
    assert_eq!(count(&store, event_kinds::ASSET_READY).await, 1);
    assert_eq!(count(&store, event_kinds::RENDITION_READY).await, 3);
}

/// `failed` when a required one failed and none is pending any more.
pub async fn a_failed_required_rendition_fails_the_asset(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!"]).await;
    let failed = store.finish_rendition(&fence, finished(ids[0], Err(failure("too_odd")))).await.unwrap();
    assert_eq!(failed, Settled(None));
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    assert_eq!(make(&store, &fence, ids[1]).await, Some(AssetState::Failed));
    let row = get(&store, asset).await;
    assert_eq!(
        (row.state, row.failure.map(|failure| failure.code)),
        (AssetState::Failed, Some("too_odd".into()))
    );
    let renditions = store.list_renditions(asset).await.unwrap();
    assert_eq!(
        (renditions[0].state, &renditions[0].failure),
        (RenditionState::Failed, &Some(failure("too_odd")))
    );
    assert_eq!((renditions[1].state, &renditions[1].failure), (RenditionState::Ready, &None));
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 1);
    assert_eq!(count(&store, event_kinds::ASSET_READY).await, 0);
}

/// Its row says why; the asset is `ready` all the same.
pub async fn a_failed_optional_rendition_fails_nothing(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b"]).await;
    store.finish_rendition(&fence, finished(ids[1], Err(failure("too_odd")))).await.unwrap();
    assert_eq!(make(&store, &fence, ids[0]).await, Some(AssetState::Ready));
    assert_eq!(get(&store, asset).await.failure, None);
}

/// Whatever comes of new renditions.
pub async fn ready_never_regresses(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    make(&store, &fence, ids[0]).await;
    store.complete(&fence).await.unwrap();
    let declared = declare(asset, &["a!", "b!"]);
    store.declare_renditions(asset, declared).await.unwrap();
    assert_eq!(get(&store, asset).await.state, AssetState::Ready);
    let render = claim_one(&store, JobKind::Render).await;
    for id in &render.payload.renditions {
        let settled =
            store.finish_rendition(&render.fence(), finished(*id, Err(failure("x")))).await.unwrap();
        assert_eq!(settled, Settled(None));
    }
    let again = Declared { understand_again: true, ..declare(asset, &[]) };
    store.declare_renditions(asset, again).await.unwrap();
    assert_eq!((get(&store, asset).await.state, get(&store, asset).await.failure), (AssetState::Ready, None));
    assert_eq!(count(&store, event_kinds::ASSET_READY).await, 1);
    assert_eq!(count(&store, event_kinds::ASSET_FAILED).await, 0);
}

/// The old one is served until the new one is `ready`, in the same command.
pub async fn a_rendition_is_replaced_by_its_successor(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!"]).await;
    for id in &ids {
        make(&store, &fence, *id).await;
    }
    store.complete(&fence).await.unwrap();
    let declared = declare(asset, &["a!"]);
    let new = declared.renditions[0].id;
    store.declare_renditions(asset, declared).await.unwrap();
    let name = VariantName::new("a").unwrap();
    assert_eq!(store.ready_rendition(asset, &name).await.unwrap().unwrap().id, ids[0]);
    assert_eq!(store.list_renditions(asset).await.unwrap().len(), 3);
    let render = claim_one(&store, JobKind::Render).await;
    assert_eq!(make(&store, &render.fence(), new).await, None);
    assert_eq!(store.ready_rendition(asset, &name).await.unwrap().unwrap().id, new);
    let left: Vec<_> = store.list_renditions(asset).await.unwrap().iter().map(|row| row.id).collect();
    assert_eq!(left, [new, ids[1]]);
    let purge = store.begin_purge(10).await.unwrap();
    assert!(matches!(&purge[..], [Purge::Rendition { id, .. }] if *id == ids[0]), "{purge:?}");
}

/// Under its id, to who began with it; not what never was ready, nor as another asset's.
pub async fn a_replaced_rendition_is_served_until_it_is_purged(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b"]).await;
    let served = async |id| store.served_rendition(asset, id).await.unwrap().map(|row| row.id);
    store.commit_part(&fence, ids[1], &part(ids[1], 0, fence.attempt)).await.unwrap();
    make(&store, &fence, ids[0]).await;
    store.complete(&fence).await.unwrap();
    assert_eq!((served(ids[0]).await, served(ids[1]).await), (Some(ids[0]), None));
    assert_eq!(store.get_part(ids[0], 0).await.unwrap(), Some(part(ids[0], 0, fence.attempt)));
    assert_eq!(store.get_part(ids[0], 1).await.unwrap(), None);

    let declared = declare(asset, &["a!", "b"]);
    let new = declared.renditions[0].id;
    store.declare_renditions(asset, declared).await.unwrap();
    assert_eq!((served(ids[0]).await, served(ids[1]).await, served(new).await), (Some(ids[0]), None, None));
    make(&store, &claim_one(&store, JobKind::Render).await.fence(), new).await;
    assert_eq!((served(ids[0]).await, served(new).await), (Some(ids[0]), Some(new)));
    assert_eq!(store.served_rendition(AssetId::new(), new).await.unwrap(), None);
    store.begin_purge(10).await.unwrap();
    assert_eq!((served(ids[0]).await, served(new).await), (None, Some(new)));
}

/// `rendition_not_found` for who still works on the replaced one; a job without work is called off.
pub async fn pending_renditions_are_replaced_by_declared_ones(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    store.commit_part(&fence, ids[0], &part(ids[0], 0, 1)).await.unwrap();
    let declared = declare(asset, &["a!"]);
    let new = declared.renditions[0].id;
    store.declare_renditions(asset, declared).await.unwrap();
    let late = store.commit_part(&fence, ids[0], &part(ids[0], 1, 1)).await;
    assert_fails(late, ErrorKind::NotFound, "rendition_not_found");
    let late = store.finish_rendition(&fence, finished(ids[0], Ok(info()))).await;
    assert_fails(late, ErrorKind::NotFound, "rendition_not_found");
    assert!(!store.heartbeat(&fence, 0.5, HOUR).await.unwrap(), "the job is not called off");
    store.end_cancelled(&fence).await.unwrap();
    assert_eq!(
        store.list_renditions(asset).await.unwrap().iter().map(|row| row.id).collect::<Vec<_>>(),
        [new]
    );
    let render = claim_one(&store, JobKind::Render).await;
    assert_eq!(make(&store, &render.fence(), new).await, Some(AssetState::Ready));
    assert_eq!(count(&store, event_kinds::RENDITION_READY).await, 1);
}

/// It goes on with the others.
pub async fn a_job_with_work_left_is_not_called_off(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "b!"]).await;
    store.declare_renditions(asset, declare(asset, &["a!"])).await.unwrap();
    assert!(store.heartbeat(&fence, 0.5, HOUR).await.unwrap());
    make(&store, &fence, ids[1]).await;
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
}

/// What failed is tried anew and may be well this time.
pub async fn failed_renditions_are_replaced_by_declared_ones(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    store.finish_rendition(&fence, finished(ids[0], Err(failure("x")))).await.unwrap();
    store.complete(&fence).await.unwrap();
    assert_eq!(get(&store, asset).await.state, AssetState::Failed);
    store.declare_renditions(asset, declare(asset, &["a!"])).await.unwrap();
    assert_eq!(store.list_renditions(asset).await.unwrap().len(), 1);
    let render = claim_one(&store, JobKind::Render).await;
    assert_eq!(make(&store, &render.fence(), render.payload.renditions[0]).await, Some(AssetState::Ready));
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.failure), (AssetState::Ready, None));
}

/// `processing`, with one job that reads the facts; these declare everything anew.
pub async fn an_asset_is_understood_again(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!", "old"]).await;
    for id in &ids {
        store.finish_rendition(&fence, finished(*id, Err(failure("x")))).await.unwrap();
    }
    store.complete(&fence).await.unwrap();
    let mut again = Declared { understand_again: true, ..declare(asset, &[]) };
    again.jobs = vec![crate::NewJob::new(TENANT, JobKind::Understand, asset)];
    store.declare_renditions(asset, again).await.unwrap();
    assert_eq!(get(&store, asset).await.state, AssetState::Processing);
    let understand = claim_one(&store, JobKind::Understand).await;
    let settled = store.record_facts(&understand.fence(), understood(declare(asset, &["a!"]))).await.unwrap();
    assert_eq!(settled, Settled(None));
    let names: Vec<_> =
        store.list_renditions(asset).await.unwrap().iter().map(|row| row.variant.to_string()).collect();
    assert_eq!(names, ["a"], "what failed before is replaced");
}

async fn understand_again(store: &Store, asset: AssetId) -> crate::Fence {
    let jobs = vec![crate::NewJob::new(TENANT, JobKind::Understand, asset)];
    let again = Declared { understand_again: true, jobs, ..declare(asset, &[]) };
    store.declare_renditions(asset, again).await.unwrap();
    claim_one(store, JobKind::Understand).await.fence()
}

/// What the file says counts until somebody knows better.
pub async fn a_corrected_date_is_kept(store: Store) {
    let (asset, ..) = rendering(&store, &["a!"]).await;
    let said =
        |secs| Understood { taken_at: Some(Timestamp::from_secs(secs)), ..understood(Declared::default()) };
    let read = async |secs| {
        let fence = understand_again(&store, asset).await;
        store.record_facts(&fence, said(secs)).await.unwrap();
        get(&store, asset).await.taken_at.as_secs()
    };
    let change = async |change| store.update_asset(&all(), asset, &change, None, told("u")).await.unwrap();
    assert_eq!(read(1_600_000_000).await, 1_600_000_000);
    change(AssetChange { name: Some("beach.jpg".into()), taken_at: None }).await;
    assert_eq!(read(1_600_000_001).await, 1_600_000_001);
    change(AssetChange { name: None, taken_at: Some(Timestamp::from_secs(1_400_000_000)) }).await;
    change(AssetChange { name: Some("sea.jpg".into()), taken_at: None }).await;
    assert_eq!(read(1_600_000_002).await, 1_400_000_000);
}

/// A ready asset keeps its facts and its words, and nobody is told that it failed.
pub async fn what_cannot_be_read_again_stays_as_it_was(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["a!"]).await;
    make(&store, &fence, ids[0]).await;
    store.complete(&fence).await.unwrap();
    let fence = understand_again(&store, asset).await;
    let unreadable = Understood {
        facts: None,
        search_text: String::new(),
        taken_at: None,
        outcome: Some((AssetState::Quarantined, failure("decoder_crashed"))),
        events: vec![told(event_kinds::ASSET_QUARANTINED)],
        ..understood(Declared::default())
    };
    assert_eq!(store.record_facts(&fence, unreadable).await.unwrap(), Settled(None));
    let row = get(&store, asset).await;
    assert_eq!((row.state, row.failure), (AssetState::Ready, None));
    assert_eq!(row.facts.unwrap().read().unwrap(), facts());
    assert_eq!(count(&store, event_kinds::ASSET_QUARANTINED).await, 0);
    let query = SearchQuery { text: String::from("iphone"), ..SearchQuery::default() };
    assert_eq!(store.search(&all(), &query, &page(10, None)).await.unwrap().items.len(), 1);
}

/// `version_mismatch`: somebody replaced the recipe since it was read. Nothing is recorded.
pub async fn facts_of_another_recipe_are_refused(store: Store) {
    let library = library(&store).await;
    let asset = add(&store, library, 1).await.id;
    let understand = claim_one(&store, JobKind::Understand).await;
    let (_, old) = store.get_recipe(TENANT, library).await.unwrap().unwrap();
    let new = store.set_recipe(TENANT, library, &crate::Recipe::empty(), told("r")).await.unwrap();
    let by = |version| Understood { recipe_version: Some(version), ..understood(declare(asset, &["a!"])) };
    let refused = store.record_facts(&understand.fence(), by(old)).await;
    assert_fails(refused, ErrorKind::PreconditionFailed, "version_mismatch");
    assert_eq!(get(&store, asset).await.facts, None);
    assert!(store.list_renditions(asset).await.unwrap().is_empty());
    assert_eq!(job(&store, understand.id).await.state, JobState::Running);
    store.record_facts(&understand.fence(), by(new)).await.unwrap();
    assert_eq!(store.list_renditions(asset).await.unwrap().len(), 1);
}

/// `asset_not_found`.
pub async fn nothing_is_declared_for_a_missing_asset(store: Store) {
    let nobody = AssetId::new();
    let declared = store.declare_renditions(nobody, declare(nobody, &["a!"])).await;
    assert_fails(declared, ErrorKind::NotFound, "asset_not_found");
    assert!(store.claim(&claim("w", &ALL_KINDS, 10, HOUR)).await.unwrap().is_empty());
}

/// Of one asset by variant; of several in one go; of nobody none.
pub async fn renditions_are_listed(store: Store) {
    let library = library(&store).await;
    let mut assets = Vec::new();
    for seed in 0..3 {
        let asset = add(&store, library, seed).await.id;
        let understand = claim_one(&store, JobKind::Understand).await;
        store.record_facts(&understand.fence(), understood(declare(asset, &["b!", "a!"]))).await.unwrap();
        assets.push(asset);
    }
    let names: Vec<_> =
        store.list_renditions(assets[0]).await.unwrap().iter().map(|row| row.variant.to_string()).collect();
    assert_eq!(names, ["a", "b"]);
    let rows = store.list_renditions_of(&[assets[0], assets[2], AssetId::new()]).await.unwrap();
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.asset_id != assets[1]));
    assert!(store.list_renditions_of(&[]).await.unwrap().is_empty());
    assert!(store.list_renditions(AssetId::new()).await.unwrap().is_empty());
}

/// What came out is kept to the last digit.
pub async fn what_came_out_comes_back(store: Store) {
    let (asset, fence, ids) = rendering(&store, &["720p!"]).await;
    let out = RenditionInfo {
        content_type: "video/mp4".into(),
        width: Some(1280),
        height: Some(720),
        duration_ms: Some(5_000_000_000),
        codecs: Some("avc1.640028".into()),
        peak_bit_rate: Some(4_294_967_296),
        average_bit_rate: Some(1),
        frame_rate: Some(30_000.0 / 1_001.0),
        warnings: vec!["truncated".into(), "“quoted” \"twice\"".into()],
    };
    let big = crate::Part { size: 5_000_000_000, duration_us: 6_006_000, ..part(ids[0], 0, 1) };
    store.commit_part(&fence, ids[0], &big).await.unwrap();
    store.finish_rendition(&fence, finished(ids[0], Ok(out.clone()))).await.unwrap();
    let row = store.list_renditions(asset).await.unwrap().remove(0);
    assert_eq!((row.info, row.size), (Some(out), 5_000_000_000));
    assert_eq!(store.list_parts(ids[0]).await.unwrap(), [big]);
    assert!(row.created_at > Timestamp::from_secs(1_700_000_000));
}
