//! SQLite: our store beside a loop on one thread that puts what waits into one transaction, and
//! beside one update for each commit.

use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use oauth_storage::record::encode;
use oauth_storage_sql::{SqliteSettings, SqliteStorage};
use oauth_types::env::{Clock, SystemClock};
use rusqlite::{Connection, params};
use sqlx::ConnectOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use tokio::sync::oneshot;

use super::drive::{Caller, drive};
use super::ours::{Share, Store, Write, fill, grant, lookups};
use super::rows::{Row, Rows};
use crate::Fallible;

const GRANTS: usize = 10_000;
const READERS: usize = 4;
const FIND: &str = "SELECT id, revision, doc FROM grants WHERE tenant = ?1 AND id = ?2";
/// As the store writes a grant that keeps its date.
const REPLACE: &str = "UPDATE grants SET doc = ?1, revision = revision + 1 WHERE tenant = ?2 AND \
                       id = ?3 AND revision = ?4";
/// What the store's own connections are given.
const SETTINGS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                        PRAGMA cache_size = -32768";

/// A folder that goes when it is dropped.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn make(name: &str) -> Fallible<Self> {
        let folder =
            std::env::temp_dir().join(format!("oauth-bench-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder)?;
        Ok(Self(folder))
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

pub(crate) async fn open(file: PathBuf) -> Fallible<Store> {
    let patient = SqliteSettings::new().patience(Duration::from_secs(30));
    Ok(Arc::new(
        SqliteStorage::open_with(file, patient.readers(READERS)).await?,
    ))
}

pub(crate) struct OnSqlite {
    store: Store,
    folder: Folder,
}

impl OnSqlite {
    pub(crate) async fn prepare() -> Fallible<Self> {
        let folder = Folder::make("sqlite")?;
        let store = open(folder.file("ours")).await?;
        fill(&store, GRANTS).await?;
        let bare = open(folder.file("bare")).await?;
        fill(&bare, GRANTS).await?;
        Ok(Self { store, folder })
    }

    pub(crate) async fn round(&self, time: Duration, rows: &mut Rows) -> Fallible<()> {
        let row = Row {
            store: "SQLite",
            what: "write",
            callers: 1,
            limit: "one update a commit",
            must: None,
        };
        let ours = drive(Write::each(&self.store, 1).await?, time, None).await?;
        let lone = Lone(
            Bare::open(self.folder.file("bare"))?.anew()?,
            Update::first(0)?,
        );
        rows.add(row, ours, drive(vec![lone], time, None).await?);
        for callers in [32, 256] {
            let row = Row {
                callers,
                limit: "group commit",
                must: Some(0.85),
                ..row
            };
            let ours = drive(Write::each(&self.store, callers).await?, time, None).await?;
            let bare = Bare::open(self.folder.file("bare"))?.anew()?;
            let bare = Grouped::each(bare, callers)?;
            rows.add(row, ours, drive(bare, time, None).await?);
        }
        let row = Row {
            what: "lookup",
            callers: READERS,
            limit: "sqlx",
            must: Some(0.9),
            ..row
        };
        let ours = drive(lookups(&self.store, READERS, GRANTS), time, None).await?;
        let bare = readings(&self.folder.file("ours"), READERS, GRANTS).await?;
        rows.add(row, ours, drive(bare, time, None).await?);
        Ok(())
    }
}

/// A connection without anything around it.
struct Bare(Connection);

impl Bare {
    fn open(file: PathBuf) -> Fallible<Self> {
        let connection = Connection::open(file)?;
        connection.execute_batch(SETTINGS)?;
        Ok(Self(connection))
    }

    /// Every caller begins at the first revision.
    fn anew(self) -> Fallible<Self> {
        self.0.execute("UPDATE grants SET revision = 1", [])?;
        Ok(self)
    }

    fn update(&self, row: &Update) -> Fallible<()> {
        let mut statement = self.0.prepare_cached(REPLACE)?;
        let values = params![row.doc, "default", row.id, row.revision];
        match statement.execute(values)? {
            1 => Ok(()),
            _ => Err("a row changed".into()),
        }
    }

    /// Until nobody is left to ask: what waits, in one transaction.
    fn serve(&self, asked: &mpsc::Receiver<Asked>) -> Fallible<()> {
        while let Ok(first) = asked.recv() {
            let round: Vec<_> = std::iter::once(first).chain(asked.try_iter()).collect();
            self.0.execute_batch("BEGIN IMMEDIATE")?;
            for (row, _) in &round {
                self.update(row)?;
            }
            self.0.execute_batch("COMMIT")?;
            for (row, answer) in round {
                answer.send(row).ok();
            }
        }
        Ok(())
    }
}

pub(crate) type Asked = (Update, oneshot::Sender<Update>);

/// What a caller writes.
pub(crate) struct Update {
    id: String,
    revision: i64,
    doc: String,
}

impl Update {
    fn first(number: usize) -> Fallible<Self> {
        let grant = grant(number);
        Ok(Self {
            id: grant.id.to_string(),
            revision: 1,
            doc: String::from_utf8(encode(&grant)?)?,
        })
    }
}

struct Lone(Bare, Update);

impl Caller for Lone {
    async fn call(&mut self) -> Fallible<()> {
        self.0.update(&self.1)?;
        self.1.revision += 1;
        Ok(())
    }
}

struct Grouped(mpsc::Sender<Asked>, Option<Update>);

/// A thread that writes for all who ask.
fn serve(bare: Bare) -> mpsc::Sender<Asked> {
    let (ask, asked) = mpsc::channel();
    std::thread::spawn(move || {
        if let Err(error) = bare.serve(&asked) {
            eprintln!("the bare loop ended: {error}");
        }
    });
    ask
}

impl Grouped {
    fn each(bare: Bare, callers: usize) -> Fallible<Vec<Self>> {
        let ask = serve(bare);
        let row = |number| Ok(Self(ask.clone(), Some(Update::first(number)?)));
        (0..callers).map(row).collect()
    }
}

impl Caller for Grouped {
    async fn call(&mut self) -> Fallible<()> {
        let (reply, answer) = oneshot::channel();
        let row = self.1.take().ok_or("the bare loop ended")?;
        self.0.send((row, reply))?;
        let mut row = answer.await?;
        row.revision += 1;
        self.1 = Some(row);
        Ok(())
    }
}

/// A caller with a reading connection of its own.
pub(crate) struct Reading(SqliteConnection, Share);

impl Reading {
    async fn find(&mut self) -> Fallible<Update> {
        let id = self.1.next_id().to_string();
        let found = sqlx::query_as::<_, (String, i64, String)>(FIND);
        let found = found.bind("default").bind(id).fetch_one(&mut self.0);
        let (id, revision, doc) = found.await?;
        Ok(Update { id, revision, doc })
    }
}

impl Caller for Reading {
    async fn call(&mut self) -> Fallible<()> {
        self.find().await.map(drop)
    }
}

/// Callers that read on connections of their own.
pub(crate) async fn readings(file: &Path, callers: usize, grants: usize) -> Fallible<Vec<Reading>> {
    let mut all = Vec::with_capacity(callers);
    for share in Share::each(callers, grants) {
        let options = SqliteConnectOptions::new().filename(file);
        let connection = options.disable_statement_logging().connect().await?;
        all.push(Reading(connection, share));
    }
    Ok(all)
}

/// One read on a connection of one's own, and one update by the thread that writes for all.
pub(crate) struct Exchanging(Reading, mpsc::Sender<Asked>);

impl Caller for Exchanging {
    async fn call(&mut self) -> Fallible<()> {
        let row = self.0.find().await?;
        let (reply, answer) = oneshot::channel();
        self.1.send((row, reply))?;
        answer.await.map(drop).map_err(Into::into)
    }
}

/// Callers that exchange as the store does, with no store.
pub(crate) async fn exchanges(
    file: &Path,
    callers: usize,
    grants: usize,
) -> Fallible<Vec<Exchanging>> {
    let ask = serve(Bare::open(file.to_owned())?);
    let readings = readings(file, callers, grants).await?.into_iter();
    Ok(readings.map(|it| Exchanging(it, ask.clone())).collect())
}

/// Adds expired grants until there are so many or the time is up, as copies of one that is there.
pub(crate) fn expire(file: PathBuf, number: usize, time: Duration) -> Fallible<usize> {
    const AT_ONCE: usize = 25_000;
    let connection = Connection::open(file)?;
    connection.execute_batch("PRAGMA synchronous = OFF")?;
    let expired = SystemClock.now().as_unix() - 1_000_000;
    let until = tokio::time::Instant::now() + time;
    let mut made = 0;
    while made < number && tokio::time::Instant::now() < until {
        let last = number.min(made + AT_ONCE);
        connection.execute_batch(&format!(
            "INSERT INTO grants WITH RECURSIVE count (n) AS (SELECT {made} + 1 UNION ALL \
             SELECT n + 1 FROM count WHERE n < {last}) SELECT tenant, hex(randomblob(16)), 1, \
             subject, client, {expired} - n % 500000, doc FROM count, \
             (SELECT * FROM grants ORDER BY id DESC LIMIT 1)"
        ))?;
        made = last;
    }
    connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?;
    Ok(made)
}
