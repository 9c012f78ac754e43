use super::super::{Redis, error::unexpected, script::Script};
use medianest_core::{JobId, JobKind, Result, Runnable};
use std::time::Duration;

/// Ids that are read from the catalog at once, and that are there at most.
pub(super) const BATCH: u32 = 1_000;
/// With fewer left, more are read, where there are more.
const FEW: u32 = BATCH / 4;
/// What was read so long ago is read again: something more urgent may have come, or its time.
const FRESH: Duration = Duration::from_secs(2);
/// For so long after somebody began to read the catalog nobody else begins, unless there was more to read.
pub(super) const TURN: Duration = Duration::from_millis(50);

/// The ids in Redis: for each kind a sorted set, the most urgent first, and what is known of it.
pub(super) struct Queue {
    pub(super) redis: Redis,
    take: Script,
    turn: Script,
    fill: Script,
}

/// Whose turn it is to read the catalog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Ours,
    /// Somebody else's, who began this reading.
    Others(u64),
}

impl Queue {
    pub(super) fn new(redis: Redis) -> Self {
        Self {
            redis,
            // KEYS: ids, what was read. ARGV: at most so many, few. The score of each popped id is left out.
            take: Script::new(
                "local popped = redis.call('ZPOPMIN', KEYS[1], ARGV[1]) \
                 local left = redis.call('ZCARD', KEYS[1]) \
                 local ids = {} \
                 for n = 1, #popped, 2 do ids[#ids + 1] = popped[n] end \
                 local read = redis.call('GET', KEYS[2]) \
                 local more = left == 0 or not read or read == 'some' and left < tonumber(ARGV[2]) \
                 return {more and 1 or 0, ids}",
            ),
            // KEYS: turn, readings. ARGV: milliseconds.
            turn: Script::new(
                "if redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then \
                   redis.call('INCR', KEYS[2]) return false \
                 end \
                 return tonumber(redis.call('GET', KEYS[2]) or 0)",
            ),
            // KEYS: ids, what was read, turn. ARGV: whether that was all or some, for how many milliseconds
            // that is told, at most so many, then score and id of each. Where there is more, whoever wants it
            // need not wait for the end of this turn.
            fill: Script::new(
                "redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) \
                 if ARGV[1] == 'some' then redis.call('DEL', KEYS[3]) end \
                 if #ARGV == 3 then return 0 end \
                 local new = redis.call('ZADD', KEYS[1], unpack(ARGV, 4)) \
                 redis.call('ZREMRANGEBYRANK', KEYS[1], ARGV[3], -1) \
                 return new",
            ),
        }
    }

    /// The braces keep what belongs to a kind in one slot of a cluster.
    fn key(&self, kind: JobKind, name: &str) -> String {
        self.redis.key(format_args!("{{jobs:{}}}:{name}", kind.as_str()))
    }

    /// Takes ids away, the most urgent first; and whether more are wanted.
    pub(super) async fn take(&self, kind: JobKind, limit: u32) -> Result<(Vec<JobId>, bool)> {
        let (ids, read) = (self.key(kind, "ready"), self.key(kind, "read"));
        let limits = [limit.min(BATCH).to_string(), FEW.to_string()];
        let (wants_more, ids): (bool, Vec<String>) =
            self.take.run(&self.redis, &[&ids, &read], &[&limits[0], &limits[1]]).await?;
        let ids = ids.iter().map(|id| id.parse().map_err(|_| unexpected("ids of jobs")));
        Ok((ids.collect::<Result<_>>()?, wants_more))
    }

    /// Whether it is our turn to read the catalog.
    pub(super) async fn turn(&self, kind: JobKind) -> Result<Turn> {
        let (turn, readings) = (self.key(kind, "turn"), self.key(kind, "readings"));
        let millis = TURN.as_millis().to_string();
        let others: Option<u64> = self.turn.run(&self.redis, &[&turn, &readings], &[&millis]).await?;
        Ok(others.map_or(Turn::Ours, Turn::Others))
    }

    /// Adds what was read; returns how many of them were not there.
    pub(super) async fn fill(&self, kind: JobKind, jobs: &[Runnable]) -> Result<u64> {
        let [ids, read, turn] = ["ready", "read", "turn"].map(|name| self.key(kind, name));
        let how_many = if jobs.len() < BATCH as usize { "all" } else { "some" };
        let mut arguments = vec![how_many.to_owned(), FRESH.as_millis().to_string(), BATCH.to_string()];
        for job in jobs {
            arguments.extend([score(job).to_string(), job.id.to_string()]);
        }
        let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
        self.fill.run(&self.redis, &[&ids, &read, &turn], &arguments).await
    }
}

/// Orders jobs as the catalog does, to a sixteenth of a second: by priority, then by time. A score is a
/// double, which has 53 bits: 16 for the priority, 37 for the time, enough until the year 2242.
fn score(job: &Runnable) -> i64 {
    const SIXTEENTH: i64 = 1_000_000 / 16;
    let time = (job.run_at.as_micros().div_euclid(SIXTEENTH)).clamp(0, (1 << 37) - 1);
    -(i64::from(job.priority) << 37) + time
}

#[cfg(test)]
mod tests {
    use super::*;
    use medianest_core::Timestamp;

    #[test]
    fn scores_order_as_the_catalog_does() {
        let job = |priority, micros| Runnable {
            id: JobId::new(),
            priority,
            run_at: Timestamp::from_micros(micros),
        };
        let now = 1_800_000_000_000_000;
        let order = [
            job(i16::MAX, now),
            job(5, now),
            job(5, now + 100_000),
            job(0, 0),
            job(0, now),
            job(-1, i64::MIN),
            job(i16::MIN, now),
            job(i16::MIN, i64::MAX),
        ];
        for pair in order.windows(2) {
            assert!(score(&pair[0]) < score(&pair[1]), "{pair:?}");
        }
        for job in &order {
            #[expect(
                clippy::cast_precision_loss,
                clippy::cast_possible_truncation,
                reason = "that is the question"
            )]
            let through_a_double = score(job) as f64 as i64;
            assert_eq!(through_a_double, score(job));
        }
    }
}
