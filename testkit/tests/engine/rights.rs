//! Nobody sees or does what they may not.

use crate::support::{nest, nest_with};
use futures::{StreamExt, stream};
use medianest_core::{
    Action, AssetId, Authorizer, Clock, Engine, Error, ErrorKind, JobKind, Media, MediaProcessor, MemberRole,
    NewEvent, PageRequest, Principal, Resource, Result, SystemClock, TenantId, Upload, Visibility,
    catalog::{AssetQuery, Catalog, SearchQuery},
    engine::MembershipAuthorizer,
};
use std::sync::{Arc, Mutex};

async fn titles(media: &Media) -> usize {
    let listed = media.list(&AssetQuery::default(), &PageRequest::first()).await.unwrap().items.len();
    let query = SearchQuery { text: String::from("lighthouse"), ..SearchQuery::default() };
    assert_eq!(media.search(&query, &PageRequest::first()).await.unwrap().items.len(), listed);
    listed
}

#[tokio::test]
async fn members_see_and_do_what_their_role_allows() {
    let nest = nest().await;
    let owner = nest.engine.acting_as(Principal::user("ann"));
    let guest = nest.engine.acting_as(Principal::user("bob"));
    let library = owner.create_library("Holidays").await.unwrap().id;
    let upload = || Upload::from_bytes("a.jpg", "image lighthouse").into_library(library);
    let asset = owner.ingest(upload()).await.unwrap().id;
    nest.work().await;

    assert_eq!((titles(&owner).await, titles(&guest).await), (1, 0));
    assert!(guest.get(asset).await.unwrap().is_none());
    assert_eq!(guest.ingest(upload()).await.unwrap_err().code(), "library_not_found");
    assert_eq!(guest.trash(asset).await.unwrap_err().code(), "asset_not_found");
    assert_eq!(guest.apply_recipe(library).await.unwrap_err().code(), "library_not_found");
    let content = guest.content(asset, &"content".parse().unwrap()).await.unwrap_err();
    assert_eq!(content.code(), "asset_not_found");

    owner.put_member(library, "bob", MemberRole::Viewer).await.unwrap();
    assert_eq!(titles(&guest).await, 1);
    assert_eq!(guest.ingest(upload()).await.unwrap_err().kind(), ErrorKind::Forbidden);
    owner.put_member(library, "bob", MemberRole::Contributor).await.unwrap();
    guest.ingest(upload()).await.unwrap();
    assert_eq!(guest.trash(asset).await.unwrap_err().kind(), ErrorKind::Forbidden);
    owner.put_member(library, "bob", MemberRole::Editor).await.unwrap();
    guest.trash(asset).await.unwrap();
    assert_eq!(guest.rename_library(library, "Mine", None).await.unwrap_err().kind(), ErrorKind::Forbidden);

    assert_eq!(owner.remove_member(library, "ann").await.unwrap_err().code(), "last_owner");
    guest.remove_member(library, "bob").await.unwrap();
    assert_eq!(titles(&guest).await, 0);
}

/// Nobody makes libraries here.
#[derive(Debug)]
struct Closed;

#[async_trait::async_trait]
impl Authorizer for Closed {
    async fn authorize(&self, _: &Principal, action: Action, _: &Resource) -> medianest_core::Result<()> {
        assert_eq!(action, Action::CreateLibrary);
        Err(Error::new(ErrorKind::Forbidden, "forbidden", "nobody makes libraries here"))
    }

    async fn visibility(&self, principal: &Principal) -> medianest_core::Result<Visibility> {
        Ok(Visibility::all(principal.tenant))
    }
}

#[tokio::test]
async fn ones_own_library_is_made_by_who_may() {
    let nest = nest_with(|builder| builder.authorizer(Closed)).await;
    let ann = nest.engine.acting_as(Principal::user("ann"));
    assert_eq!(ann.own_library().await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert!(ann.libraries(&PageRequest::first()).await.unwrap().items.is_empty());
}

#[tokio::test]
async fn who_has_left_their_own_library_neither_sees_nor_fills_it() {
    let nest = nest().await;
    let ann = nest.engine.acting_as(Principal::user("ann"));
    let own = ann.own_library().await.unwrap().id;
    assert_eq!(ann.own_library().await.unwrap().id, own);
    ann.put_member(own, "bob", MemberRole::Owner).await.unwrap();
    ann.remove_member(own, "ann").await.unwrap();
    assert_eq!(ann.own_library().await.unwrap_err().code(), "own_library_left");
    let upload = Upload::from_bytes("a.jpg", "image x");
    assert_eq!(ann.ingest(upload).await.unwrap_err().code(), "own_library_left");
}

#[tokio::test]
async fn tenants_never_meet() {
    let nest = nest().await;
    let asset = nest.put("image lighthouse").await;
    let stranger = nest.engine.acting_as(Principal::system(TenantId::new()));
    assert!(stranger.get(asset.id).await.unwrap().is_none());
    assert_eq!(titles(&stranger).await, 0);
    stranger.ingest(Upload::from_bytes("a.jpg", "image lighthouse")).await.unwrap();
    nest.work().await;
    assert_eq!(titles(&stranger).await, 1);
    let originals = nest.keys().await.iter().filter(|key| key.starts_with("o/")).count();
    assert_eq!(originals, 2, "bytes are never shared between tenants");
}

#[tokio::test]
async fn queues_are_for_operators() {
    let nest = nest().await;
    let user = nest.engine.acting_as(Principal::user("ann"));
    assert_eq!(user.queues().await.unwrap_err().kind(), ErrorKind::Forbidden);
    assert_eq!(
        nest.engine.acting_as(Principal::admin("root")).queues().await.unwrap().len(),
        JobKind::ALL.len()
    );
}

#[tokio::test]
async fn an_upload_ends_with_the_right_to_it() {
    let nest = nest().await;
    let owner = nest.engine.acting_as(Principal::user("ann"));
    let guest = nest.engine.acting_as(Principal::user("bob"));
    let library = owner.create_library("Holidays").await.unwrap().id;
    owner.put_member(library, "bob", MemberRole::Contributor).await.unwrap();
    let removing = owner.clone();
    let body = stream::once(async move {
        removing.remove_member(library, "bob").await?;
        Ok("image x".into())
    });
    let upload = Upload::from_stream("a.jpg", body.boxed()).into_library(library);
    assert_eq!(guest.ingest(upload).await.unwrap_err().code(), "library_not_found");
    assert_eq!(titles(&owner).await, 0);
    assert!(nest.keys().await.is_empty());
}

/// Restores an asset while somebody is being allowed to delete it.
#[derive(Debug)]
struct Restoring {
    members: MembershipAuthorizer,
    catalog: Arc<dyn Catalog>,
    asset: Mutex<Option<AssetId>>,
}

#[async_trait::async_trait]
impl Authorizer for Restoring {
    async fn authorize(&self, principal: &Principal, action: Action, resource: &Resource) -> Result<()> {
        let asset = self.asset.lock().unwrap().take();
        if let (Some(asset), Resource::Library(library)) = (asset, resource) {
            let (all, at) = (Visibility::all(principal.tenant), SystemClock.now());
            let data = serde_json::json!({});
            let event = NewEvent::in_library(principal.tenant, *library, "asset.restored", at, data);
            self.catalog.set_trashed(&all, asset, false, event).await?;
        }
        self.members.authorize(principal, action, resource).await
    }

    async fn visibility(&self, principal: &Principal) -> Result<Visibility> {
        self.members.visibility(principal).await
    }
}

#[tokio::test]
async fn what_was_restored_meanwhile_is_not_said_to_be_deleted() {
    let nest = nest().await;
    let asset = nest.put("image x").await;
    nest.engine.as_system().trash(asset.id).await.unwrap();
    let restoring = Restoring {
        members: MembershipAuthorizer::new(nest.catalog.clone()),
        catalog: nest.catalog.clone(),
        asset: Mutex::new(Some(asset.id)),
    };
    let processor: Arc<dyn MediaProcessor> = nest.processor.clone();
    let engine = Engine::builder()
        .catalog(nest.catalog.clone())
        .blobs(nest.blobs.clone())
        .processor(processor)
        .authorizer(restoring)
        .build()
        .unwrap();
    let refused = engine.as_system().delete(asset.id).await.unwrap_err();
    assert_eq!(refused.code(), "asset_not_trashed");
    assert_eq!(nest.engine.as_system().require(asset.id).await.unwrap().trashed_at, None);
}
