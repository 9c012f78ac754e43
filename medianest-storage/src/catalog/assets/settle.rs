use super::super::events;
use crate::sql::Conn;
use medianest_core::{
    AssetId, AssetState, Failure, Result, Timestamp,
    catalog::{Settled, SettledEvents},
};

/// Brings an asset, which the caller has locked, to what its required renditions say: `ready` once all
/// are there, `failed` when one failed and none is pending. What is `ready` or `quarantined` stays.
pub(in super::super) async fn settle(
    conn: &mut Conn<'_>,
    asset: AssetId,
    state: AssetState,
    at: Timestamp,
    told: &SettledEvents,
) -> Result<Settled> {
    if matches!(state, AssetState::Ready | AssetState::Quarantined) {
        return Ok(Settled(None));
    }
    // Pending before failed: the first row decides.
    let worst = conn
        .one(
            "SELECT state, failure_code, failure_message FROM medianest_renditions \
             WHERE asset_id = $1 AND required AND state IN ('pending', 'failed') \
             ORDER BY state DESC, variant LIMIT 1",
            args![asset],
        )
        .await?;
    let failure = match worst {
        None => None,
        Some(row) => {
            let mut columns = row.columns();
            if columns.get::<String>()? == "pending" {
                return Ok(Settled(None));
            }
            columns.failure()?
        }
    };
    let (settled, event) = match failure {
        None => (AssetState::Ready, &told.ready),
        Some(_) => (AssetState::Failed, &told.failed),
    };
    if settled == state {
        return Ok(Settled(None));
    }
    set_state(conn, asset, settled, failure.as_ref(), Some(at)).await?;
    events::emit(conn, std::slice::from_ref(event)).await?;
    Ok(Settled(Some(settled)))
}

/// Changes the state of an asset.
pub(in super::super) async fn set_state(
    conn: &mut Conn<'_>,
    asset: AssetId,
    state: AssetState,
    failure: Option<&Failure>,
    at: Option<Timestamp>,
) -> Result<()> {
    conn.run(
        sql!("UPDATE medianest_assets SET state = $2, failure_code = $3, failure_message = $4, \
              version = version + 1, updated_at = coalesce($5, " NOW ") WHERE id = $1"),
        args![
            asset,
            state.as_str(),
            failure.map(|failure| failure.code.as_str()),
            failure.map(|failure| failure.message.as_str()),
            at,
        ],
    )
    .await
    .map(drop)
}
