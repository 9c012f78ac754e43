//! Finding assets by words.
//!
//! The index holds, for each asset that is not in the trash, a set of tokens: its words, the short
//! beginnings of its words, its library and its kind, each after a mark of its tenant. So one look into
//! the index answers words, visibility and kind at once, and no tenant pays for another's words. Rows
//! stand in the order in which assets were put in, so that the newest are found first, without sorting.

mod find;
#[cfg(feature = "postgres")]
mod look_back;
mod tokens;

use super::{Backend, SqlCatalog};
use crate::sql::Conn;
use async_trait::async_trait;
use futures::FutureExt;
use medianest_core::{
    Asset, AssetId, LibraryId, MediaKind, Page, PageRequest, Result, TenantId, Visibility,
    catalog::{SearchIndex, SearchQuery},
};

#[async_trait]
impl<B: Backend> SearchIndex for SqlCatalog<B> {
    async fn search(
        &self,
        visible: &Visibility,
        query: &SearchQuery,
        page: &PageRequest,
    ) -> Result<Page<Asset>> {
        self.read_replica((visible.clone(), query.clone(), page.clone()), |c, (visible, query, page)| {
            find::search(c, visible, query, page).boxed()
        })
        .await
    }

    async fn suggest(&self, visible: &Visibility, prefix: &str, limit: u32) -> Result<Vec<String>> {
        self.read_replica((visible.clone(), prefix.to_owned(), limit), |c, (visible, prefix, limit)| {
            find::suggest(c, visible, prefix, *limit).boxed()
        })
        .await
    }
}

/// Brings the index up to date with the row of an asset.
pub(super) async fn index(conn: &mut Conn<'_>, asset: AssetId) -> Result<()> {
    let row = conn
        .one(
            "SELECT seq, tenant, library_id, kind, trashed, name, search_text FROM medianest_assets WHERE id = $1",
            args![asset],
        )
        .await?;
    let Some(row) = row else { return Ok(()) };
    let mut columns = row.columns();
    let (seq, tenant): (i64, TenantId) = (columns.get()?, columns.get()?);
    let (library, kind): (LibraryId, Option<MediaKind>) =
        (columns.get()?, columns.maybe_word(MediaKind::parse)?);
    if columns.get()? {
        return forget(conn, asset).await;
    }
    let words = tokens::words(&columns.get::<String>()?, &columns.get::<String>()?);
    let tokens = tokens::of_asset(tenant, library, kind, &words);
    conn.run(
        sql!({
            "INSERT OR REPLACE INTO medianest_search (rowid, words) VALUES ($1, $2)" |
            "INSERT INTO medianest_search (seq, words) VALUES ($1, array_to_tsvector(string_to_array($2, ' '))) \
             ON CONFLICT (seq) DO UPDATE SET words = excluded.words"
        }),
        args![seq, tokens.join(" ")],
    )
    .await
    .map(drop)
}

/// Takes an asset out of the index.
pub(super) async fn forget(conn: &mut Conn<'_>, asset: AssetId) -> Result<()> {
    conn.run(
        sql!("DELETE FROM medianest_search WHERE " { "rowid" | "seq" }
             " = (SELECT seq FROM medianest_assets WHERE id = $1)"),
        args![asset],
    )
    .await
    .map(drop)
}
