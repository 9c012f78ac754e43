use super::{
    Group,
    assets::with_links,
    model::{AssetBody, Limit, PageBody, PageCursor, Suggestions, Text, Words},
    page,
    written::Written,
};
use crate::{State, caller::Caller, problem::problems};
use medianest_core::{LibraryId, MediaKind, catalog::SearchQuery};
use poem_openapi::{Object, OpenApi, param::Query, payload::Json};

pub(crate) struct SearchApi(pub(super) State);

/// Words to go on typing.
#[derive(Debug, Object)]
#[oai(rename = "Suggestions")]
struct SuggestionsBody {
    /// The most frequent first.
    items: Vec<String>,
}

problems! {
    SearchProblem: 401 403;
}

#[OpenApi(tag = "Group::Search")]
impl SearchApi {
    /// Visible assets that contain all words
    ///
    /// In their name, tags, camera or date; the last word also as a beginning. Newest first.
    #[oai(path = "/search", method = "get", operation_id = "search")]
    #[expect(clippy::too_many_arguments, reason = "they are the parameters of the operation")]
    async fn search(
        &self,
        caller: Caller,
        /// The words, at most 1000 characters. Nothing in them is syntax.
        q: Query<Words>,
        /// Only of this library.
        library_id: Query<Option<Text<LibraryId>>>,
        /// Only of this kind.
        kind: Query<Option<Text<MediaKind>>>,
        /// Whether to add signed URLs.
        #[oai(default)]
        links: Query<bool>,
        /// Rows at most; 50 when absent.
        limit: Query<Option<Limit>>,
        /// Where the page starts, as a previous page said.
        cursor: Query<Option<PageCursor>>,
    ) -> Result<Written<PageBody<AssetBody>>, SearchProblem> {
        let media = caller.media(&self.0);
        let query = SearchQuery {
            text: q.0.0,
            library: library_id.0.map(|library| library.0),
            kind: kind.0.map(|kind| kind.0),
        };
        let mut found = PageBody::of(media.search(&query, &page(limit.0, cursor.0)?).await?);
        if links.0 {
            with_links(&media, caller.session(), &mut found.items).await?;
        }
        Ok(Written(found))
    }

    /// Words that begin so
    #[oai(path = "/search/suggestions", method = "get", operation_id = "suggest")]
    async fn suggest(
        &self,
        caller: Caller,
        /// The beginning of a word, at most 1000 characters.
        prefix: Query<Words>,
        /// Words at most; 10 when absent.
        limit: Query<Option<Suggestions>>,
    ) -> Result<Json<SuggestionsBody>, SearchProblem> {
        let items = caller.media(&self.0).suggest(&prefix.0.0, limit.0.map_or(10, |limit| limit.0)).await?;
        Ok(Json(SuggestionsBody { items }))
    }
}
