//! Redis: our store beside `GET` and one compare-and-set script over one connection of the same
//! crate.

use std::sync::Arc;
use std::time::Duration;

use oauth_storage::record::encode;
use oauth_storage_redis::RedisStorage;
use oauth_testkit::servers::{Durability, Redis};
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, AsyncConnectionConfig, Client, Script};

use super::drive::{Caller, beside, drive};
use super::ours::{self, Share, Store, Work, exchanges, fill, grant, lookups};
use super::rows::{Row, Rows};
use crate::Fallible;

const GRANTS: usize = 10_000;
const CALLERS: usize = 32;

/// Replaces a value whose first sixteen characters are still the revision.
const COMPARE_AND_SET: &str = r"
if redis.call('GETRANGE', KEYS[1], 0, 15) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
";

pub(crate) struct OnRedis {
    server: Redis,
    store: Store,
    bare: MultiplexedConnection,
}

impl OnRedis {
    pub(crate) async fn prepare() -> Fallible<Option<Self>> {
        let Some(server) = Redis::start(Durability::Durable) else {
            return Ok(None);
        };
        let store: Store = Arc::new(RedisStorage::connect(server.url()).await?);
        fill(&store, GRANTS).await?;
        let bare = bare_values(&server, GRANTS).await?;
        Ok(Some(Self {
            server,
            store,
            bare,
        }))
    }

    pub(crate) async fn round(&self, time: Duration, rows: &mut Rows) -> Fallible<()> {
        let server = Some(self.server.instance());
        let bare = |work| Bare::each(&self.bare, CALLERS, GRANTS, work);
        let row = Row {
            store: "Redis",
            what: "exchange",
            callers: CALLERS,
            limit: "`GET` + script",
            must: Some(0.85),
        };
        let ours = exchanges(&self.store, CALLERS, GRANTS);
        let bare_ones = bare(Work::Exchange);
        let (ours, limit) = beside(rows.rounds(row), ours, bare_ones, time, server).await?;
        rows.add(row, ours, limit);
        let row = Row {
            what: "lookup",
            limit: "`GET`",
            must: Some(0.9),
            ..row
        };
        let ours = lookups(&self.store, CALLERS, GRANTS);
        let bare_ones = bare(Work::Lookup);
        let (ours, limit) = beside(rows.rounds(row), ours, bare_ones, time, server).await?;
        rows.add(row, ours, limit);
        let row = Row {
            limit: "`GET`, read",
            must: None,
            ..row
        };
        let limit = drive(bare(Work::Reading), time, server).await?;
        rows.add(row, ours, limit);
        Ok(())
    }
}

fn key(number: usize) -> String {
    format!("bare:{number}")
}

pub(crate) struct Bare {
    connection: MultiplexedConnection,
    share: Share,
    script: Script,
    work: Work,
}

impl Bare {
    pub(crate) fn each(
        connection: &MultiplexedConnection,
        callers: usize,
        grants: usize,
        work: Work,
    ) -> Vec<Self> {
        let caller = |share| Self {
            connection: connection.clone(),
            share,
            script: Script::new(COMPARE_AND_SET),
            work,
        };
        let each = Share::each(callers, grants).into_iter();
        each.map(caller).collect()
    }
}

impl Caller for Bare {
    async fn call(&mut self) -> Fallible<()> {
        let key = key(self.share.next_number());
        let value: Vec<u8> = self.connection.get(&key).await?;
        let (revision, document) = value.split_at_checked(16).ok_or("a value is gone")?;
        match self.work {
            Work::Lookup => return Ok(()),
            Work::Reading => return ours::read(document),
            Work::Exchange => {}
        }
        let number = u64::from_str_radix(std::str::from_utf8(revision)?, 16)?;
        let next = [format!("{:016x}", number + 1).as_bytes(), document].concat();
        let mut asked = self.script.key(&key);
        asked.arg(revision).arg(next);
        let done: i64 = asked.invoke_async(&mut self.connection).await?;
        if done == 1 {
            Ok(())
        } else {
            Err("a value changed".into())
        }
    }
}

/// Values for the bare callers, at least so many, and a connection to ask for them.
pub(crate) async fn bare_values(server: &Redis, grants: usize) -> Fallible<MultiplexedConnection> {
    const AT_ONCE: usize = 1_000;
    let patient = AsyncConnectionConfig::new().set_response_timeout(None);
    let client = Client::open(server.url())?;
    let mut bare = client
        .get_multiplexed_async_connection_with_config(&patient)
        .await?;
    for first in (0..grants).step_by(AT_ONCE) {
        let mut many = redis::pipe();
        for number in first..grants.min(first + AT_ONCE) {
            let value = [b"0000000000000001", &*encode(&grant(number))?].concat();
            many.set(key(number), value).ignore();
        }
        many.query_async::<()>(&mut bare).await?;
    }
    Ok(bare)
}

/// A store of its own for so many grants. While it is filled nothing waits for the disk.
pub(crate) async fn grown(server: &Redis, grants: usize) -> Fallible<Store> {
    let settings = oauth_storage_redis::RedisSettings::new().prefix(format!("grown-{grants}"));
    let store: Store = Arc::new(RedisStorage::connect_with(server.url(), settings).await?);
    server.run(&["CONFIG", "SET", "appendfsync", "no"]);
    ours::fill(&store, grants).await?;
    server.run(&["CONFIG", "SET", "appendfsync", "always"]);
    Ok(store)
}
