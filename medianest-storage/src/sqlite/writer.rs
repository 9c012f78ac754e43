use super::copy;
use crate::{
    catalog::Command,
    sql::{Conn, error::from_sqlx, unavailable},
};
use futures::future::BoxFuture;
use medianest_core::{Error, Result};
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

/// Commands that may wait; more wait outside, in their callers.
const QUEUE: usize = 256;
/// Commands that are committed together, at most.
const GROUP: usize = 64;

/// The one writer. A command that finds it idle is committed at once; those that come while it commits
/// are the next group.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Task(Box<dyn Task>),
    /// Outside of any transaction.
    Copy(String, oneshot::Sender<Result<()>>),
    Close(oneshot::Sender<()>),
}

impl Writer {
    pub(super) fn start(connection: SqliteConnection) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE);
        tokio::spawn(write(connection, waiting));
        Self { queue }
    }

    /// Runs a command in the next group. Once it is queued, it happens also when the caller goes away.
    pub(super) async fn run<A, T>(&self, args: A, command: Command<A, T>) -> Result<T>
    where
        A: Send + Sync + 'static,
        T: Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let task = Waiting { args, command, result: None, answer };
        self.send(Message::Task(Box::new(task))).await?;
        answered.await.map_err(|_| unavailable())?
    }

    pub(super) async fn copy_to(&self, path: &str) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        self.send(Message::Copy(path.to_owned(), answer)).await?;
        answered.await.map_err(|_| unavailable())?
    }

    pub(super) async fn close(&self) {
        let (answer, answered) = oneshot::channel();
        if self.send(Message::Close(answer)).await.is_ok() {
            // An error says that somebody else closed it.
            let _ = answered.await;
        }
    }

    async fn send(&self, message: Message) -> Result<()> {
        self.queue.send(message).await.map_err(|_| unavailable())
    }
}

/// A command with its arguments, and who waits for it.
trait Task: Send {
    /// Runs the command; says whether it succeeded.
    fn run<'a>(&'a mut self, conn: &'a mut Conn<'_>) -> BoxFuture<'a, bool>;

    /// Tells the caller: what came out, unless the group could not be committed.
    fn answer(self: Box<Self>, committed: Result<(), &Error>);
}

struct Waiting<A, T> {
    args: A,
    command: Command<A, T>,
    result: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<A: Send + Sync, T: Send> Task for Waiting<A, T> {
    fn run<'a>(&'a mut self, conn: &'a mut Conn<'_>) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let result = (self.command)(conn, &self.args).await;
            let succeeded = result.is_ok();
            self.result = Some(result);
            succeeded
        })
    }

    fn answer(self: Box<Self>, committed: Result<(), &Error>) {
        let result = match (committed, self.result) {
            (Err(error), None | Some(Ok(_))) => Err(same(error)),
            (Ok(()), None) => Err(unavailable()),
            (_, Some(result)) => result,
        };
        // Whoever does not listen any more has gone away.
        let _ = self.answer.send(result);
    }
}

/// The error of a group, for each of its commands.
fn same(error: &Error) -> Error {
    Error::new(error.kind(), error.code().to_owned(), error.message().to_owned())
        .retry(error.retry_advice())
        .caused_by(error.report())
}

async fn write(mut connection: SqliteConnection, mut waiting: mpsc::Receiver<Message>) {
    while let Some(message) = waiting.recv().await {
        let mut next = Some(message);
        let mut group = Vec::new();
        while let Some(message) = next.take() {
            match message {
                Message::Task(task) => group.push(task),
                other => {
                    next = Some(other);
                    break;
                }
            }
            if group.len() < GROUP {
                next = waiting.try_recv().ok();
            }
        }
        if !group.is_empty() {
            commit(&mut connection, group).await;
        }
        match next {
            Some(Message::Copy(path, answer)) => {
                let _ = answer.send(copy(&mut connection, &path).await);
            }
            Some(Message::Close(answer)) => {
                waiting.close();
                if let Err(error) = connection.close().await {
                    tracing::warn!(%error, "closing the database failed");
                }
                let _ = answer.send(());
                return;
            }
            Some(Message::Task(_)) | None => {}
        }
    }
}

/// Commits a group: each command as a whole or not at all, those that succeeded together.
async fn commit(connection: &mut SqliteConnection, mut group: Vec<Box<dyn Task>>) {
    let committed = match run(connection, &mut group).await {
        Ok(()) => Ok(()),
        Err(error) => {
            // Fails when SQLite has rolled back by itself, which is as well.
            let _ = statement(connection, "ROLLBACK").await;
            Err(error)
        }
    };
    for task in group {
        task.answer(committed.as_ref().copied());
    }
}

async fn run(connection: &mut SqliteConnection, group: &mut [Box<dyn Task>]) -> Result<()> {
    statement(connection, "BEGIN IMMEDIATE").await?;
    let mut succeeded = 0;
    if let [alone] = group {
        succeeded += usize::from(alone.run(&mut Conn::Sqlite(connection)).await);
    } else {
        for task in group {
            statement(connection, "SAVEPOINT command").await?;
            if task.run(&mut Conn::Sqlite(connection)).await {
                succeeded += 1;
            } else {
                statement(connection, "ROLLBACK TO command").await?;
            }
            statement(connection, "RELEASE command").await?;
        }
    }
    // A command that fails alone leaves nothing to keep.
    statement(connection, if succeeded == 0 { "ROLLBACK" } else { "COMMIT" }).await
}

async fn statement(connection: &mut SqliteConnection, sql: &'static str) -> Result<()> {
    sqlx::query(sql).execute(connection).await.map(drop).map_err(from_sqlx)
}
