use super::{JobBody, Name, Text, VariantsBody};
use medianest_core::{Library, LibraryId, Member, MemberRole, StoreName, Timestamp, catalog::LibraryStore};
use poem_openapi::Object;
use serde::Serialize;

/// A named set of assets with members.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Library")]
pub(crate) struct LibraryBody {
    /// Its id.
    pub(crate) id: Text<LibraryId>,
    /// Shown name.
    pub(crate) name: String,
    /// Grows with each change; also the `ETag`.
    pub(crate) version: i64,
    /// When it was made.
    pub(crate) created_at: Text<Timestamp>,
    /// When it last changed.
    pub(crate) updated_at: Text<Timestamp>,
}

/// A library to be added, or its new name.
#[derive(Debug, Object)]
#[oai(rename = "LibraryChange", deny_unknown_fields)]
pub(crate) struct LibraryChangeBody {
    /// Shown name, 1 to 200 characters.
    pub(crate) name: Name,
}

/// Where the media of a library is kept.
#[derive(Debug, Object)]
#[oai(rename = "LibraryStore", skip_serializing_if_is_none)]
pub(crate) struct LibraryStoreBody {
    /// The store that new media goes to.
    store: Text<StoreName>,
    /// Whether all media is there.
    complete: bool,
    /// The last job that moved it, or moves it.
    job: Option<JobBody>,
}

/// The store to keep the media of a library in.
#[derive(Debug, Object)]
#[oai(rename = "LibraryStoreChange", deny_unknown_fields)]
pub(crate) struct LibraryStoreChangeBody {
    /// Its name in the configuration.
    pub(crate) store: Text<StoreName>,
}

impl From<LibraryStore> for LibraryStoreBody {
    fn from(found: LibraryStore) -> Self {
        Self { store: found.store.into(), complete: found.complete, job: found.job.map(Into::into) }
    }
}

/// Somebody who sees a library.
#[derive(Debug, Object)]
#[oai(rename = "Member")]
pub(crate) struct MemberBody {
    /// The subject of the principal: the id of a user, or the host's.
    subject: String,
    /// What they may do.
    role: Text<MemberRole>,
    /// Since when.
    added_at: Text<Timestamp>,
}

/// What a member may do.
#[derive(Debug, Object)]
#[oai(rename = "MemberChange", deny_unknown_fields)]
pub(crate) struct MemberChangeBody {
    /// `viewer`, `contributor`, `editor` or `owner`; each may do what those before it may.
    pub(crate) role: Text<MemberRole>,
}

/// What is derived from the assets of a library: an object of variants by name.
#[derive(Debug, Object, Serialize)]
#[oai(rename = "Recipe", deny_unknown_fields)]
pub(crate) struct RecipeBody {
    /// The variants by name: at most 32, with names of 1 to 32 of `a-z 0-9 - _`, the first a letter or digit.
    pub(crate) variants: VariantsBody,
}

/// What applying a recipe found and did.
#[derive(Debug, Object)]
#[oai(rename = "RecipeApplied")]
pub(crate) struct RecipeAppliedBody {
    /// Assets that were looked at.
    pub(crate) assets: u64,
    /// Renditions that are up to date.
    pub(crate) fresh: u64,
    /// Renditions that are made because they are missing, stale or failed.
    pub(crate) declared: u64,
}

impl From<Library> for LibraryBody {
    fn from(library: Library) -> Self {
        Self {
            id: library.id.into(),
            name: library.name,
            version: library.version,
            created_at: library.created_at.into(),
            updated_at: library.updated_at.into(),
        }
    }
}

impl From<Member> for MemberBody {
    fn from(member: Member) -> Self {
        Self { subject: member.subject, role: member.role.into(), added_at: member.added_at.into() }
    }
}
