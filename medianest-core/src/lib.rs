//! The words, traits and engine of [MediaNest](https://github.com/medianest/medianest): a
//! media-management engine to embed.
//!
//! This crate names no backend and no codec. Put it together with `medianest-storage` (SQLite,
//! PostgreSQL, object storage) and `medianest-media` (FFmpeg, images), or with your own.
//!
//! # Features
//!
//! | feature | brings |
//! |---|---|
//! | (none) | words, limits, traits |
//! | `engine` | `Engine`: ingest, jobs, renditions, events, delivery, search, trash, reclaim |
//! | `auth` | passwords, sessions and tokens, for hosts without users of their own |
//! | `http` | delivery, direct upload and events as a framework-neutral `tower::Service` |
//! | `conformance` | the suites that prove a backend |

mod asset;
mod audit;
#[cfg(feature = "auth")]
pub mod auth;
mod authorizer;
mod blob_store;
mod bus;
mod cache;
pub mod catalog;
#[cfg(feature = "conformance")]
pub mod conformance;
mod dispatcher;
#[cfg(feature = "engine")]
pub mod engine;
mod error;
mod event;
mod file_name;
#[cfg(feature = "http")]
pub mod http;
mod id;
mod job;
mod limits;
mod media;
mod multipart;
mod page;
mod presign;
mod principal;
mod processor;
mod rate_limiter;
mod recent;
mod recipe;
mod rendition;
mod store_name;
mod stored_facts;
mod time;

pub use self::time::{Clock, ManualClock, SystemClock, Timestamp};
pub use asset::{Asset, AssetState, Blob, BlobKey, Library, Member, MemberRole, Sha256};
pub use audit::{ANONYMOUS, AuditEntry, NewAudit, Origin, actions as audit_actions};
pub use authorizer::Authorizer;
pub use blob_store::{BlobMeta, BlobStore, BlobStoreExt, ByteStream, MemoryBlobs, blob_not_found};
pub use bus::{EventBus, MemoryBus, Topic};
pub use bytes;
pub use cache::{Cache, LARGEST_CACHED, MemoryCache};
pub use dispatcher::{CatalogDispatcher, Dispatcher};
#[cfg(feature = "engine")]
pub use engine::{Engine, EngineOptions, Media, Upload};
pub use error::{Error, ErrorKind, Failure, Result, Retry};
pub use event::{Audience, Cursor, Event, EventBacklog, NewEvent, kinds as event_kinds};
pub use file_name::FileName;
pub use id::{
    AssetId, AuditId, BlobId, EventId, IntentId, JobId, LibraryId, RenditionId, SessionId, TenantId, UserId,
};
pub use job::{Fence, Job, JobKind, JobPayload, JobState, NewJob, QueueStats, Runnable};
pub use limits::Limits;
pub use media::{Camera, Captured, Facts, Location, MediaKind, MediaType, Stream, StreamKind, Tags};
pub use multipart::{
    LONGEST_PRESIGNED, Multipart, MultipartId, PartRequest, PartRules, PartUrl, SentPart, StoredPart,
};
pub use page::{Page, PageRequest};
pub use presign::{Capabilities, Presign, PresignedHeaders};
pub use principal::{ADMIN, Action, Principal, Resource, USER, Visibility, VisibleLibraries};
pub use processor::{ByteSource, MediaProcessor, NewPart, PartSink, RenderTask};
pub use rate_limiter::{Allowance, MemoryLimits, Rate, RateLimiter};
pub use recipe::{
    AudioVariant, Fingerprint, ImageFormat, ImageVariant, Recipe, Resize, ResizeMode, Variant, VariantName,
    VideoPreset, VideoVariant, WaveformVariant,
};
pub use rendition::{Part, Rendition, RenditionInfo, RenditionState};
pub use store_name::StoreName;
pub use stored_facts::StoredFacts;
pub use uuid;
