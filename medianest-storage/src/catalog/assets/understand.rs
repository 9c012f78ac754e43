use super::{
    super::{events, jobs, search},
    asset, library, rendition, settle,
};
use crate::sql::Conn;
use medianest_core::{
    AssetId, AssetState, Error, ErrorKind, Fence, Result, StoredFacts, TenantId,
    catalog::{Declared, Settled, Understood},
};

pub(super) async fn record(conn: &mut Conn<'_>, fence: &Fence, understood: &Understood) -> Result<Settled> {
    // Without an asset there is nothing to record on: it was deleted, and the job called off.
    let asset = jobs::check_fence(conn, fence).await?.asset_id.ok_or_else(Error::fenced)?;
    // Jobs first, then the asset: the order that all commands lock in.
    jobs::lock_of(conn, asset).await?;
    let job = jobs::lock_fence(conn, fence).await?;
    if job.called_off {
        return Err(Error::new(ErrorKind::Cancelled, "cancelled", "the job was called off"));
    }
    let state = asset::lock(conn, asset).await?.ok_or_else(Error::fenced)?;
    if let Some(version) = understood.recipe_version {
        library::hold_recipe(conn, asset, version).await?;
    }
    store(conn, asset, understood).await?;

    let declared = &understood.declared;
    let replaced = rendition::replace_open(conn, asset, None).await?;
    jobs::call_off_idle(conn, &replaced).await?;
    rendition::insert(conn, job.tenant, asset, declared).await?;
    jobs::insert(conn, &declared.jobs).await?;
    jobs::finish(conn, fence).await?;
    search::index(conn, asset).await?;

    match &understood.outcome {
        // It stays ready with what was read and made before.
        Some(_) if state == AssetState::Ready => Ok(Settled(None)),
        Some((outcome, failure)) => {
            events::emit(conn, &understood.events).await?;
            settle::set_state(conn, asset, *outcome, Some(failure), declared.at).await?;
            Ok(Settled((*outcome != state).then_some(*outcome)))
        }
        None => {
            events::emit(conn, &understood.events).await?;
            let at = declared.at.unwrap_or(understood.settled_events.ready.at);
            settle::settle(conn, asset, state, at, &understood.settled_events).await
        }
    }
}

async fn store(conn: &mut Conn<'_>, asset: AssetId, understood: &Understood) -> Result<()> {
    let facts = understood.facts.as_ref();
    conn.run(
        sql!("UPDATE medianest_assets SET facts = coalesce($2, facts), kind = coalesce($3, kind), \
              taken_at = CASE WHEN taken_at_set THEN taken_at ELSE coalesce($4, taken_at) END, \
              search_text = coalesce($5, search_text), version = version + 1, \
              updated_at = coalesce($6, " NOW ") WHERE id = $1"),
        args![
            asset,
            facts.map(StoredFacts::of).transpose()?.as_ref().map(StoredFacts::json),
            facts.map(|facts| facts.kind.as_str()),
            understood.taken_at,
            facts.map(|_| understood.search_text.as_str()),
            understood.declared.at,
        ],
    )
    .await?;
    conn.run(
        "UPDATE medianest_blobs SET content_type = $2 \
         WHERE id = (SELECT blob_id FROM medianest_assets WHERE id = $1) AND content_type <> $2",
        args![asset, &understood.content_type],
    )
    .await
    .map(drop)
}

pub(super) async fn declare(conn: &mut Conn<'_>, asset: AssetId, declared: &Declared) -> Result<()> {
    // Jobs first, then the asset: the order that all commands lock in.
    jobs::lock_of(conn, asset).await?;
    let row = conn
        .one(sql!("SELECT tenant, state FROM medianest_assets WHERE id = $1" LOCK), args![asset])
        .await?
        .ok_or_else(|| Error::not_found("asset", asset))?;
    let mut columns = row.columns();
    let (tenant, state): (TenantId, AssetState) = (columns.get()?, columns.word(AssetState::parse)?);
    if declared.understand_again && state != AssetState::Ready {
        settle::set_state(conn, asset, AssetState::Processing, None, declared.at).await?;
    }
    if !declared.renditions.is_empty() {
        let variants = declared.renditions.iter().map(|new| &new.variant).collect();
        let replaced = rendition::replace_open(conn, asset, Some(variants)).await?;
        jobs::call_off_idle(conn, &replaced).await?;
        rendition::insert(conn, tenant, asset, declared).await?;
    }
    jobs::insert(conn, &declared.jobs).await
}
