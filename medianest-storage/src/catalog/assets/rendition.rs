use super::{
    super::{events, jobs, stores},
    asset,
    library::to_json,
    settle,
};
use crate::sql::{Conn, Query, Row, Value};
use medianest_core::{
    AssetId, Error, Fence, Fingerprint, Part, Rendition, RenditionId, RenditionState, Result, StoreName,
    VariantName,
    catalog::{FinishedRendition, Settled},
};
use std::{collections::HashMap, time::Duration};

pub(super) fn read(row: &Row) -> Result<Rendition> {
    read_columns(&mut row.columns())
}

fn read_columns(columns: &mut crate::sql::Columns<'_>) -> Result<Rendition> {
    Ok(Rendition {
        id: columns.get()?,
        tenant: columns.get()?,
        asset_id: columns.get()?,
        variant: columns.word(|name| VariantName::new(name).ok())?,
        definition: columns.json()?,
        fingerprint: Fingerprint::from_stored(columns.get::<String>()?),
        required: columns.get()?,
        state: columns.word(RenditionState::parse)?,
        failure: columns.failure()?,
        info: columns.maybe_json()?,
        size: columns.get()?,
        store: columns.get()?,
        created_at: columns.get()?,
    })
}

fn not_found(id: RenditionId) -> Error {
    Error::not_found("rendition", id)
}

pub(super) async fn list(conn: &mut Conn<'_>, assets: &[AssetId]) -> Result<Vec<Rendition>> {
    let rows = conn.all(
        sql!("SELECT " RENDITION " FROM medianest_renditions WHERE asset_id" (any "$1")
             " AND state <> 'tombstoned' ORDER BY asset_id, variant, created_at, id"),
        vec![assets.iter().copied().collect()],
    );
    rows.await?.iter().map(read).collect()
}

/// Of these assets, what is ready in another store than this.
pub(in super::super) async fn ready_elsewhere(
    conn: &mut Conn<'_>,
    assets: &[AssetId],
    store: &StoreName,
) -> Result<Vec<Rendition>> {
    let rows = conn.all(
        sql!("SELECT " RENDITION " FROM medianest_renditions WHERE asset_id" (any "$1")
             " AND state = 'ready' AND store <> $2 ORDER BY asset_id, variant"),
        vec![assets.iter().copied().collect(), store.into()],
    );
    rows.await?.iter().map(read).collect()
}

pub(super) async fn ready(
    conn: &mut Conn<'_>,
    asset: AssetId,
    variant: &VariantName,
) -> Result<Option<Rendition>> {
    let row = conn.one(
        sql!("SELECT " RENDITION " FROM medianest_renditions \
              WHERE asset_id = $1 AND variant = $2 AND state = 'ready'"),
        args![asset, variant.as_str()],
    );
    row.await?.as_ref().map(read).transpose()
}

pub(super) async fn served(
    conn: &mut Conn<'_>,
    asset: AssetId,
    id: RenditionId,
) -> Result<Option<Rendition>> {
    // What was replaced before it was ready has no info.
    let row = conn.one(
        sql!("SELECT " RENDITION " FROM medianest_renditions WHERE id = $1 AND asset_id = $2 \
              AND state IN ('ready', 'tombstoned') AND purging = FALSE AND info IS NOT NULL"),
        args![id, asset],
    );
    row.await?.as_ref().map(read).transpose()
}

fn read_part(row: &Row) -> Result<Part> {
    let mut columns = row.columns();
    Ok(Part {
        ordinal: columns.get()?,
        key: columns.get()?,
        size: columns.get()?,
        duration_us: columns.get()?,
    })
}

pub(super) async fn parts(conn: &mut Conn<'_>, rendition: RenditionId) -> Result<Vec<Part>> {
    let rows = conn.all(
        "SELECT ordinal, key, size, duration_us FROM medianest_parts WHERE rendition_id = $1 ORDER BY ordinal",
        args![rendition],
    );
    rows.await?.iter().map(read_part).collect()
}

pub(super) async fn part(conn: &mut Conn<'_>, rendition: RenditionId, ordinal: u32) -> Result<Option<Part>> {
    let row = conn.one(
        "SELECT ordinal, key, size, duration_us FROM medianest_parts WHERE rendition_id = $1 AND ordinal = $2",
        args![rendition, ordinal],
    );
    row.await?.as_ref().map(read_part).transpose()
}

pub(super) async fn open(
    conn: &mut Conn<'_>,
    fence: &Fence,
    ids: &[RenditionId],
) -> Result<Vec<(Rendition, u32)>> {
    jobs::check_fence(conn, fence).await?;
    let rows = conn
        .all(
            sql!("SELECT " RENDITION ", (SELECT count(*) FROM medianest_parts WHERE rendition_id = id) \
                  FROM medianest_renditions WHERE id" (any "$1") " AND job_id = $2 AND state = 'pending'"),
            vec![ids.iter().copied().collect(), fence.job.into()],
        )
        .await?;
    let mut open = HashMap::with_capacity(rows.len());
    for row in rows {
        let mut columns = row.columns();
        let rendition = read_columns(&mut columns)?;
        open.insert(rendition.id, (rendition, columns.get()?));
    }
    Ok(ids.iter().filter_map(|id| open.remove(id)).collect())
}

pub(super) async fn commit_part(
    conn: &mut Conn<'_>,
    fence: &Fence,
    rendition: RenditionId,
    part: &Part,
) -> Result<()> {
    let job = jobs::lock_fence(conn, fence).await?;
    let tenant = lock_pending(conn, fence, rendition).await?;
    let added = conn
        .run(
            "INSERT INTO medianest_parts (rendition_id, ordinal, tenant, key, size, duration_us) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
            args![rendition, part.ordinal, tenant, &part.key, part.size, part.duration_us],
        )
        .await?;
    if added > 0 {
        conn.run(
            "UPDATE medianest_renditions SET size = size + $2 WHERE id = $1",
            args![rendition, part.size],
        )
        .await?;
        if job.crashes > 0 {
            jobs::forget_crashes(conn, fence.job).await?;
        }
    }
    Ok(())
}

/// A rendition that this job still has to make; its tenant.
async fn lock_pending(
    conn: &mut Conn<'_>,
    fence: &Fence,
    id: RenditionId,
) -> Result<medianest_core::TenantId> {
    let row = conn.one(
        sql!("SELECT tenant FROM medianest_renditions WHERE id = $1 AND job_id = $2 AND state = 'pending'" LOCK),
        args![id, fence.job],
    );
    row.await?.ok_or_else(|| not_found(id))?.value()
}

pub(super) async fn finish(
    conn: &mut Conn<'_>,
    fence: &Fence,
    finished: &FinishedRendition,
) -> Result<Settled> {
    let job = jobs::lock_fence(conn, fence).await?;
    let asset = job.asset_id.ok_or_else(|| not_found(finished.id))?;
    let state = asset::lock(conn, asset).await?.ok_or_else(|| not_found(finished.id))?;
    lock_pending(conn, fence, finished.id).await?;
    match &finished.outcome {
        Ok(info) => {
            conn.run(
                sql!("UPDATE medianest_renditions SET state = 'tombstoned', purge_after = " NOW " + $3 \
                      WHERE asset_id = $1 AND state = 'ready' \
                      AND variant = (SELECT variant FROM medianest_renditions WHERE id = $2)"),
                args![asset, finished.id, finished.retention],
            )
            .await?;
            conn.run(
                "UPDATE medianest_renditions SET state = 'ready', info = $2 WHERE id = $1",
                args![finished.id, to_json(info)?],
            )
            .await?;
            stores::note_rendition(conn, asset, finished.id).await?;
        }
        Err(failure) => {
            conn.run(
                "UPDATE medianest_renditions SET state = 'failed', failure_code = $2, failure_message = $3 \
                 WHERE id = $1",
                args![finished.id, &failure.code, &failure.message],
            )
            .await?;
        }
    }
    events::emit(conn, std::slice::from_ref(&finished.event)).await?;
    settle::settle(conn, asset, state, finished.at, &finished.settled_events).await
}

/// Tombstones all renditions of an asset.
pub(super) async fn tombstone_all(conn: &mut Conn<'_>, asset: AssetId, retention: Duration) -> Result<()> {
    conn.run(
        sql!("UPDATE medianest_renditions SET state = 'tombstoned', purge_after = " NOW " + $2 \
              WHERE asset_id = $1 AND state <> 'tombstoned'"),
        args![asset, retention],
    )
    .await
    .map(drop)
}

/// Tombstones what was declared before and is not ready, of these variants or of all. Bytes that a
/// worker is still writing go when its lease has run out. Returns the jobs that were to make them.
pub(super) async fn replace_open(
    conn: &mut Conn<'_>,
    asset: AssetId,
    variants: Option<Vec<&VariantName>>,
) -> Result<Vec<medianest_core::JobId>> {
    let mut query = Query::new(
        conn.dialect(),
        sql!("UPDATE medianest_renditions SET state = 'tombstoned', purge_after = coalesce((SELECT lease_until \
              FROM medianest_jobs j WHERE j.id = job_id AND j.state = 'running' AND j.period = 0), " NOW ") WHERE asset_id = "),
    );
    query.bind(asset).push(" AND state IN ('pending', 'failed')");
    if let Some(variants) = variants {
        query.push(" AND variant IN (");
        for (index, variant) in variants.iter().enumerate() {
            query.push(if index == 0 { "" } else { ", " }).bind(variant.as_str());
        }
        query.push(")");
    }
    query.push(" RETURNING job_id");
    let mut jobs = query.all(conn).await?.iter().map(Row::value).collect::<Result<Vec<_>>>()?;
    jobs.sort_unstable();
    jobs.dedup();
    Ok(jobs)
}

/// Declares renditions, `pending`.
pub(super) async fn insert(
    conn: &mut Conn<'_>,
    tenant: medianest_core::TenantId,
    asset: AssetId,
    declared: &medianest_core::catalog::Declared,
) -> Result<()> {
    let at = declared.at;
    let mut rows = Vec::with_capacity(declared.renditions.len());
    for new in &declared.renditions {
        rows.push(args![
            new.id,
            tenant,
            asset,
            new.job,
            new.variant.as_str(),
            to_json(&new.definition)?,
            new.fingerprint.as_str(),
            new.required,
            Value::from(at),
            asset,
        ]);
    }
    for group in crate::sql::groups(rows) {
        let mut query = Query::new(
            conn.dialect(),
            "INSERT INTO medianest_renditions (id, tenant, asset_id, job_id, variant, definition, fingerprint, \
             required, created_at, store, state, size, purging) VALUES ",
        );
        query.rows(
            sql!("$, $, $, $, $, $, $, $, coalesce($, " NOW "), (SELECT l.store FROM medianest_assets a \
                  JOIN medianest_libraries l ON l.id = a.library_id WHERE a.id = $), 'pending', 0, FALSE"),
            group,
        );
        query.run(conn).await?;
    }
    Ok(())
}
