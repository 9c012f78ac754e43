//! The suite of [`EventBus`].

use crate::{EventBus, Topic};
use futures::{FutureExt, StreamExt};
use std::sync::Arc;

/// Emits a test for each promise of [`EventBus`]; see [the module](crate::conformance).
#[macro_export]
macro_rules! event_bus_tests {
    ($name:ident, $make:expr) => {
        $crate::__conformance_tests! { $name, dyn $crate::EventBus, $make, bus {
            a_wake_up_reaches_every_subscriber,
            a_wake_up_of_before_is_not_lost_while_nobody_polls,
            topics_are_apart,
            a_subscriber_that_left_is_forgotten,
            waking_nobody_is_fine,
        } }
    };
}

/// Waking is for all who subscribed.
pub async fn a_wake_up_reaches_every_subscriber(bus: Arc<dyn EventBus>) {
    let mut subscribers: Vec<_> = (0..3).map(|_| bus.subscribe(Topic::Jobs)).collect();
    bus.wake(Topic::Jobs);
    for subscriber in &mut subscribers {
        assert_eq!(subscriber.next().await, Some(()));
    }
}

/// Wake-ups are kept for a subscriber that is busy, merged into at least one.
pub async fn a_wake_up_of_before_is_not_lost_while_nobody_polls(bus: Arc<dyn EventBus>) {
    let mut subscriber = bus.subscribe(Topic::Committed);
    for _ in 0..10_000 {
        bus.wake(Topic::Committed);
    }
    assert_eq!(subscriber.next().await, Some(()));
    bus.wake(Topic::Committed);
    assert_eq!(subscriber.next().await, Some(()));
}

/// Who waits for jobs is not woken for events.
pub async fn topics_are_apart(bus: Arc<dyn EventBus>) {
    for topic in Topic::ALL {
        let mut others: Vec<_> =
            Topic::ALL.iter().filter(|other| **other != topic).map(|other| bus.subscribe(*other)).collect();
        let mut subscriber = bus.subscribe(topic);
        bus.wake(topic);
        assert_eq!(subscriber.next().await, Some(()));
        for other in &mut others {
            assert!(other.next().now_or_never().is_none(), "{topic:?} woke who waits for something else");
        }
    }
}

/// The others go on as before.
pub async fn a_subscriber_that_left_is_forgotten(bus: Arc<dyn EventBus>) {
    let mut stays = bus.subscribe(Topic::Numbered);
    drop(bus.subscribe(Topic::Numbered));
    for _ in 0..3 {
        bus.wake(Topic::Numbered);
        assert_eq!(stays.next().await, Some(()));
    }
}

/// Nobody waits, nobody is woken.
pub async fn waking_nobody_is_fine(bus: Arc<dyn EventBus>) {
    for topic in Topic::ALL {
        bus.wake(topic);
    }
}
