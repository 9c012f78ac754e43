//! Libraries, their members, and the queues.

use super::Media;
use crate::{
    Action, AssetId, Audience, AuditEntry, Error, Job, JobId, JobKind, JobState, Library, LibraryId, Member,
    MemberRole, NewEvent, Page, PageRequest, QueueStats, Resource, Result, StoreName, Topic, audit_actions,
    catalog::{AuditQuery, JobQuery, NewLibrary},
    event_kinds,
};
use serde_json::json;

impl Media {
    /// Adds a library, owned by the principal. Its name has 1 to 200 characters.
    ///
    /// # Errors
    /// `forbidden`; `invalid_name`.
    pub async fn create_library(&self, name: &str) -> Result<Library> {
        self.authorize(Action::CreateLibrary, Resource::Tenant).await?;
        self.add_library(LibraryId::new(), name).await
    }

    /// As [`create_library`](Self::create_library), under an id of the caller's choice.
    ///
    /// # Errors
    /// `forbidden`; `invalid_name`; `library_exists` (Conflict) when the id is taken.
    pub async fn create_library_with_id(&self, id: LibraryId, name: &str) -> Result<Library> {
        self.authorize(Action::CreateLibrary, Resource::Tenant).await?;
        self.add_library(id, name).await
    }

    async fn add_library(&self, id: LibraryId, name: &str) -> Result<Library> {
        let name = checked_name(name)?;
        let library = NewLibrary {
            id,
            tenant: self.principal().tenant,
            owner: self.principal().subject.clone(),
            recipe: self.engine().recipe().clone(),
            store: StoreName::DEFAULT,
            at: self.engine().now(),
            event: self.library_event(id, event_kinds::LIBRARY_CREATED, json!({ "name": name })),
            name,
        };
        let details = json!({ "name": library.name });
        let audited = self.audited(audit_actions::LIBRARY_CREATED, format!("library:{id}"), details);
        let library = audited.create_library(library).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(library)
    }

    /// A library that is visible.
    ///
    /// # Errors
    /// `library_not_found`.
    pub async fn library(&self, id: LibraryId) -> Result<Library> {
        let library = self.catalog().get_library(&self.visibility().await?, id).await?;
        library.ok_or_else(|| Error::not_found("library", id))
    }

    /// Visible libraries by name.
    ///
    /// # Errors
    /// `invalid_cursor`.
    pub async fn libraries(&self, page: &PageRequest) -> Result<Page<Library>> {
        self.catalog().list_libraries(&self.visibility().await?, page).await
    }

    /// Renames a library; with `expected`, only when that is its version.
    ///
    /// # Errors
    /// `library_not_found`; `forbidden`; `invalid_name`; `version_mismatch`.
    pub async fn rename_library(&self, id: LibraryId, name: &str, expected: Option<i64>) -> Result<Library> {
        self.authorize(Action::Manage, Resource::Library(id)).await?;
        let name = checked_name(name)?;
        let event = self.library_event(id, event_kinds::LIBRARY_UPDATED, json!({ "name": name }));
        let tenant = self.principal().tenant;
        let audited =
            self.audited(audit_actions::LIBRARY_RENAMED, format!("library:{id}"), json!({ "name": name }));
        let library = audited.rename_library(tenant, id, &name, expected, event).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(library)
    }

    /// Deletes a library that holds no asset, not even in the trash.
    ///
    /// # Errors
    /// `library_not_found`; `forbidden`; `library_not_empty`.
    pub async fn delete_library(&self, id: LibraryId) -> Result<()> {
        self.authorize(Action::Manage, Resource::Library(id)).await?;
        let event = self.library_event(id, event_kinds::LIBRARY_DELETED, json!({}));
        let audited = self.audited(audit_actions::LIBRARY_DELETED, format!("library:{id}"), json!({}));
        audited.delete_library(self.principal().tenant, id, event).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(())
    }

    /// The members of a library.
    ///
    /// # Errors
    /// `library_not_found`; `invalid_cursor`.
    pub async fn members(&self, id: LibraryId, page: &PageRequest) -> Result<Page<Member>> {
        self.authorize(Action::Read, Resource::Library(id)).await?;
        self.library(id).await?;
        self.catalog().list_members(self.principal().tenant, id, page).await
    }

    /// Adds a member, or changes a member's role. That the subject exists is for the caller to check.
    ///
    /// # Errors
    /// `library_not_found`; `forbidden`; `last_owner`; `invalid_subject`.
    pub async fn put_member(&self, id: LibraryId, subject: &str, role: MemberRole) -> Result<Member> {
        self.authorize(Action::Manage, Resource::Library(id)).await?;
        check_subject(subject)?;
        let event =
            self.library_event(id, event_kinds::MEMBER_ADDED, json!({ "subject": subject, "role": role }));
        let tenant = self.principal().tenant;
        let details = json!({ "subject": subject, "role": role });
        let audited = self.audited(audit_actions::MEMBER_ADDED, format!("library:{id}"), details);
        let member = audited.put_member(tenant, id, subject, role, event).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(member)
    }

    /// Removes a member; anybody may remove themselves. Succeeds when they are none.
    ///
    /// # Errors
    /// `library_not_found`; `forbidden`; `last_owner`; `invalid_subject`.
    pub async fn remove_member(&self, id: LibraryId, subject: &str) -> Result<()> {
        let action = if subject == self.principal().subject { Action::Read } else { Action::Manage };
        self.authorize(action, Resource::Library(id)).await?;
        check_subject(subject)?;
        let event = NewEvent {
            audience: Audience::Member(id, subject.to_owned()),
            ..self.library_event(id, event_kinds::MEMBER_REMOVED, json!({ "subject": subject }))
        };
        let details = json!({ "subject": subject });
        let audited = self.audited(audit_actions::MEMBER_REMOVED, format!("library:{id}"), details);
        audited.remove_member(self.principal().tenant, id, subject, event).await?;
        self.engine().bus().wake(Topic::Committed);
        Ok(())
    }

    /// The jobs of the tenant, newest first.
    ///
    /// # Errors
    /// `forbidden`; `invalid_cursor`.
    pub async fn jobs(&self, query: &JobQuery, page: &PageRequest) -> Result<Page<Job>> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        self.catalog().list_jobs(self.principal().tenant, query, page).await
    }

    /// How far the work on a visible asset has come, 0 to 1; None while nobody works on it.
    ///
    /// # Errors
    /// `asset_not_found`.
    pub async fn progress(&self, id: AssetId) -> Result<Option<f32>> {
        let asset = self.require(id).await?;
        let query = JobQuery { state: Some(JobState::Running), asset: Some(id), ..JobQuery::default() };
        let running = self.catalog().list_jobs(asset.tenant, &query, &PageRequest::first()).await?;
        Ok(running.items.iter().map(|job| job.progress).reduce(f32::min))
    }

    /// One job.
    ///
    /// # Errors
    /// `forbidden`; `job_not_found`.
    pub async fn job(&self, id: JobId) -> Result<Job> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        let job = self.catalog().get_job(self.principal().tenant, id).await?;
        job.ok_or_else(|| Error::not_found("job", id))
    }

    /// Calls a job off; what it was to make fails with the code `cancelled`. Returns false when it had
    /// ended before.
    ///
    /// # Errors
    /// `forbidden`; `job_not_found`.
    pub async fn cancel_job(&self, id: JobId) -> Result<bool> {
        let (engine, job) = (self.engine(), self.job(id).await?);
        let told = engine.asset_of(&job).await?.map(|asset| engine.settled_events(&asset));
        let audited = self.audited(audit_actions::JOB_CANCELLED, format!("job:{id}"), json!({}));
        let cancelled = audited.cancel(job.tenant, id, told).await?;
        engine.bus().wake(Topic::Committed);
        Ok(cancelled)
    }

    /// Queues a job again that was given up or called off.
    ///
    /// # Errors
    /// `forbidden`; `job_not_found`; `job_not_retryable`.
    pub async fn retry_job(&self, id: JobId) -> Result<Job> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        let audited = self.audited(audit_actions::JOB_RETRIED, format!("job:{id}"), json!({}));
        let job = audited.retry(self.principal().tenant, id).await?;
        self.engine().bus().wake(Topic::Jobs);
        Ok(job)
    }

    /// The audit trail of the tenant, newest first.
    ///
    /// # Errors
    /// `forbidden`; `invalid_cursor`.
    pub async fn audit(&self, query: &AuditQuery, page: &PageRequest) -> Result<Page<AuditEntry>> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        self.catalog().list_audit(self.principal().tenant, query, page).await
    }

    /// How full the queues are.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn queues(&self) -> Result<Vec<QueueStats>> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        self.catalog().queue_stats().await
    }

    /// Stops or resumes handing out jobs of a kind; what runs goes on.
    ///
    /// # Errors
    /// `forbidden`.
    pub async fn set_queue_paused(&self, kind: JobKind, paused: bool) -> Result<()> {
        self.authorize(Action::Operate, Resource::Tenant).await?;
        let action = if paused { audit_actions::QUEUE_PAUSED } else { audit_actions::QUEUE_RESUMED };
        self.audited(action, format!("queue:{}", kind.as_str()), json!({})).set_paused(kind, paused).await?;
        self.engine().bus().wake(Topic::Jobs);
        Ok(())
    }
}

fn check_subject(subject: &str) -> Result<()> {
    match subject.chars().count() {
        1..=255 => Ok(()),
        _ => Err(Error::invalid("invalid_subject", "a subject has 1 to 255 characters")),
    }
}

fn checked_name(name: &str) -> Result<String> {
    let harmless = name.chars().count() <= 200 && !name.chars().any(char::is_control);
    let name = name.trim();
    if name.is_empty() || !harmless {
        return Err(Error::invalid(
            "invalid_name",
            "a name has 1 to 200 characters and no control characters",
        ));
    }
    Ok(name.to_owned())
}
