//! The suite of [`AuditLog`](crate::catalog::AuditLog).

use super::fixture::*;
use crate::{
    AuditEntry, JobKind, NewAudit, Origin, Principal, TenantId, Timestamp, audit_actions,
    catalog::{Aging, AuditQuery},
};
use std::time::Duration;

fn entry(actor: &str, action: &'static str, at: Timestamp) -> NewAudit {
    let origin = Origin { request_id: Some("r1".into()), address: Some([192, 0, 2, 7].into()) };
    NewAudit::by(&Principal::user(actor), action, "queue:render", &origin, at).with("n", 7)
}

async fn listed(store: &Store, query: AuditQuery) -> Vec<AuditEntry> {
    store.list_audit(TENANT, &query, &page(100, None)).await.unwrap().items
}

async fn all(store: &Store) -> Vec<AuditEntry> {
    listed(store, AuditQuery::default()).await
}

/// As it was made, and once, in any period.
pub async fn a_command_is_recorded_along_with_what_it_does(store: Store) {
    for paused in [true, false] {
        let (at, action) = (now(), audit_actions::QUEUE_PAUSED);
        let new = entry("olga", action, at);
        store.audited(new.clone()).set_paused(JobKind::Render, paused).await.unwrap();
        let recorded = all(&store).await.remove(0);
        let expected = AuditEntry {
            id: new.id,
            actor: "olga".into(),
            action: action.into(),
            target: "queue:render".into(),
            data: serde_json::json!({ "n": 7 }),
            request_id: Some("r1".into()),
            address: Some("192.0.2.7".into()),
            at,
        };
        assert_eq!(recorded, expected);
        let stats = store.queue_stats().await.unwrap();
        assert!(stats.iter().any(|queue| queue.kind == JobKind::Render && queue.paused == paused));
        store.begin_period(Aging::Audit, Duration::ZERO).await.unwrap();
    }
    assert_eq!(all(&store).await.len(), 2);
}

/// A command that fails, one that answers that nothing changed, and one that only reads.
pub async fn what_did_not_happen_is_not_recorded(store: Store) {
    let audited = store.audited(entry("olga", audit_actions::JOB_CANCELLED, now()));
    assert!(audited.cancel(TENANT, crate::JobId::new(), None).await.is_err());
    let job = super::jobs::queue(&store, JobKind::Render).await;
    audited.get_job(TENANT, job).await.unwrap();
    assert!(all(&store).await.is_empty());
    assert!(audited.cancel(TENANT, job, None).await.unwrap());
    assert_eq!(all(&store).await.len(), 1);
    let again = store.audited(entry("olga", audit_actions::JOB_CANCELLED, now()));
    assert!(!again.cancel(TENANT, job, None).await.unwrap());
    assert_eq!(all(&store).await.len(), 1);
}

/// Newest first, by pages, of the tenant alone.
pub async fn entries_are_listed_by_what_was_asked_for(store: Store) {
    let begun = now() - HOUR;
    let at = |n: u32| begun + Duration::from_secs(n.into());
    for n in 0..9 {
        let actor = if n % 3 == 0 { "vera" } else { "olga" };
        let action = if n % 2 == 0 { audit_actions::QUEUE_PAUSED } else { audit_actions::QUEUE_RESUMED };
        // Two at the same moment.
        store.record(entry(actor, action, at(n.min(7)))).await.unwrap();
    }
    let elsewhere = NewAudit { tenant: TenantId::new(), ..entry("vera", audit_actions::QUEUE_PAUSED, at(3)) };
    store.record(elsewhere).await.unwrap();

    let everything = all(&store).await;
    assert_eq!(everything.len(), 9);
    assert!(everything.windows(2).all(|two| (two[0].at, two[0].id) > (two[1].at, two[1].id)));
    let paged = pages(2, |page| {
        let store = store.clone();
        async move { store.list_audit(TENANT, &AuditQuery::default(), &page).await }
    });
    assert_eq!(paged.await, everything);

    let vera = AuditQuery { actor: Some("vera".into()), ..AuditQuery::default() };
    assert_eq!(listed(&store, vera.clone()).await.len(), 3);
    let paused = AuditQuery { action: Some(audit_actions::QUEUE_PAUSED.into()), ..vera };
    assert_eq!(listed(&store, paused).await.len(), 2);
    let between = AuditQuery { from: Some(at(2)), before: Some(at(5)), ..AuditQuery::default() };
    let between: Vec<_> = listed(&store, between).await.into_iter().map(|entry| entry.at).collect();
    assert_eq!(between, [at(4), at(3), at(2)]);
    if let Some(forged) = forged_page(10, "????".into()) {
        assert!(store.list_audit(TENANT, &AuditQuery::default(), &forged).await.is_err());
    }
}

/// One by one, and with their period.
pub async fn old_entries_are_trimmed(store: Store) {
    for hours in [1, 2, 50, 60, 70] {
        store.record(entry("olga", audit_actions::QUEUE_PAUSED, now() - HOUR * hours)).await.unwrap();
    }
    assert_eq!(store.trim_audit(40 * HOUR, 2).await.unwrap(), 2);
    assert_eq!(store.trim_audit(40 * HOUR, 2).await.unwrap(), 1);
    assert_eq!(all(&store).await.len(), 2);
    if store.begin_period(Aging::Audit, Duration::ZERO).await.unwrap() {
        store.record(entry("vera", audit_actions::QUEUE_PAUSED, now())).await.unwrap();
        store.begin_period(Aging::Audit, Duration::ZERO).await.unwrap();
        a_moment().await;
        while store.end_period(Aging::Audit, Duration::ZERO).await.unwrap() {}
        assert!(all(&store).await.iter().all(|entry| entry.actor != "vera"));
    }
}
