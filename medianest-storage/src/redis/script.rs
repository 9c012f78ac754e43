use super::{Redis, error::UNKNOWN_SCRIPT};
use medianest_core::Result;
use redis::{Cmd, FromRedisValue, cmd};

/// A script, which runs as a whole on the server that has its keys; all of these are in one slot.
#[derive(Debug)]
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs it; a server that does not know it yet is sent the text.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        redis: &Redis,
        keys: &[&str],
        arguments: &[&str],
    ) -> Result<T> {
        match redis.ask(&command("EVALSHA", &self.hash, keys, arguments)).await {
            Err(error) if error.code() == UNKNOWN_SCRIPT => {
                redis.ask(&command("EVAL", self.text, keys, arguments)).await
            }
            answer => answer,
        }
    }
}

fn command(name: &str, script: &str, keys: &[&str], arguments: &[&str]) -> Cmd {
    let mut command = cmd(name);
    command.arg(script).arg(keys.len()).arg(keys).arg(arguments);
    command
}
