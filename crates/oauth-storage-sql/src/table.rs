//! The contract, once for all dialects and all kinds of record.

use std::sync::Arc;

use async_trait::async_trait;
use oauth_storage::record::{decode, encode};
use oauth_storage::{
    ClientRecord, ConsentRecord, Delete, Filter, GrantRecord, Insert, KeyRingRecord, Listed, Page,
    Record, RecordStore, RegistrationPageRecord, Replace, ReplayRecord, Revision, Storage,
    StorageError, StorageErrorKind, SubjectRecord, Versioned,
};
use oauth_types::env::Entropy;
use oauth_types::{TenantId, Timestamp};

use crate::driver::{Driver, Row, Value};
use crate::key;
use crate::statements::{self, Statements};

/// The most records one page answers, whatever is asked for.
const PAGE: usize = 1000;

/// All tables of one database, as one tenant sees them.
pub(crate) struct Tables<D> {
    driver: Arc<D>,
    entropy: Arc<dyn Entropy>,
    tenant: Arc<str>,
}

impl<D> Tables<D> {
    pub(crate) fn new(driver: D, entropy: Arc<dyn Entropy>) -> Self {
        Self {
            driver: Arc::new(driver),
            entropy,
            tenant: column_of(&TenantId::single()),
        }
    }

    pub(crate) fn tenant(&self, tenant: &TenantId) -> Self {
        Self {
            tenant: column_of(tenant),
            ..self.clone()
        }
    }

    pub(crate) fn driver(&self) -> &D {
        &self.driver
    }

    /// A first revision that the key has never had: 62 random bits, counted up from there.
    fn first_revision(&self) -> Result<i64, StorageError> {
        let mut bytes = [0; 8];
        self.entropy
            .fill(&mut bytes)
            .map_err(|error| StorageError::new(StorageErrorKind::Unavailable, error))?;
        Ok((u64::from_le_bytes(bytes) >> 2).cast_signed())
    }
}

impl<D> Clone for Tables<D> {
    fn clone(&self) -> Self {
        let (driver, entropy) = (Arc::clone(&self.driver), Arc::clone(&self.entropy));
        Self {
            driver,
            entropy,
            tenant: Arc::clone(&self.tenant),
        }
    }
}

fn column_of(tenant: &TenantId) -> Arc<str> {
    key::column(tenant.as_str()).into()
}

/// Seconds as a signed column holds them. The end of time is the same for both.
fn seconds(at: Timestamp) -> i64 {
    i64::try_from(at.as_unix()).unwrap_or(i64::MAX)
}

fn revision_of(row: &Row) -> Revision {
    Revision::new(row.revision.cast_unsigned())
}

fn statements_for<D: Driver, R: Record>() -> Result<&'static Statements, StorageError> {
    statements::of(D::DIALECT, R::KIND).ok_or_else(|| {
        StorageError::new(
            StorageErrorKind::Unavailable,
            "there is no table for this kind of record",
        )
    })
}

/// The columns beside a document.
struct Columns<'a> {
    doc: String,
    retain_until: Option<i64>,
    subject: std::borrow::Cow<'a, str>,
    client: std::borrow::Cow<'a, str>,
}

impl<'a> Columns<'a> {
    fn of<R: Record>(record: &'a R) -> Result<Self, StorageError> {
        let doc = String::from_utf8(encode(record)?)
            .map_err(|error| StorageError::new(StorageErrorKind::Corrupt, error))?;
        Ok(Self {
            doc,
            retain_until: record.retain_until().map(seconds),
            subject: key::optional(record.subject().map(|subject| subject.as_str())),
            client: key::optional(record.client().map(|client| client.as_str())),
        })
    }
}

impl<D: Driver> Tables<D> {
    async fn row(
        &self,
        statements: &'static Statements,
        id: &str,
    ) -> Result<Option<Row>, StorageError> {
        let values = [Value::Text(&self.tenant), Value::Text(id)];
        Ok(self.driver.read(&statements.find, &values).await?.pop())
    }
}

#[async_trait]
impl<D: Driver, R: Record> RecordStore<R> for Tables<D> {
    async fn insert(&self, record: R) -> Result<Insert, StorageError> {
        let id = record.id().to_string();
        let (id, columns) = (key::column(&id), Columns::of(&record)?);
        let values = [
            Value::Text(&self.tenant),
            Value::Text(&id),
            Value::Number(self.first_revision()?),
            Value::Text(&columns.subject),
            Value::Text(&columns.client),
            Value::MaybeNumber(columns.retain_until),
            Value::Text(&columns.doc),
        ];
        let inserted = self
            .driver
            .write(&statements_for::<D, R>()?.insert, &values)
            .await?;
        Ok(if inserted == 1 {
            Insert::Inserted
        } else {
            Insert::Exists
        })
    }

    async fn find(&self, id: &R::Id) -> Result<Option<Versioned<R>>, StorageError> {
        let text = id.to_string();
        let Some(row) = self
            .row(statements_for::<D, R>()?, &key::column(&text))
            .await?
        else {
            return Ok(None);
        };
        let record: R = decode(row.doc.as_bytes())?;
        // A document that was moved to another key by hand, or a digest that stands for another.
        if record.id() != id {
            let why = "a document lies under the key of another";
            return Err(StorageError::new(StorageErrorKind::Corrupt, why));
        }
        Ok(Some(Versioned {
            revision: revision_of(&row),
            record: Arc::new(record),
        }))
    }

    async fn replace(&self, expected: Revision, record: R) -> Result<Replace, StorageError> {
        let statements = statements_for::<D, R>()?;
        let id = record.id().to_string();
        let (id, columns) = (key::column(&id), Columns::of(&record)?);
        let (tenant, id) = (Value::Text(&self.tenant), Value::Text(&id));
        let (subject, client) = (Value::Text(&columns.subject), Value::Text(&columns.client));
        let (doc, date) = (
            Value::Text(&columns.doc),
            Value::MaybeNumber(columns.retain_until),
        );
        let revision = Value::Number(expected.number().cast_signed());
        let stays = [doc, date, tenant, id, revision, subject, client];
        let moves = [doc, date, subject, client, tenant, id, revision];
        let replaced = Replace::Replaced(Revision::new(expected.number() + 1));
        if self.driver.replace(statements, &stays).await? == 1 {
            return Ok(replaced);
        }
        // Nothing changed. Somebody was faster, or the record is listed elsewhere from now on; the
        // second write is as conditional as the first, so together they are still one.
        let values = [tenant, id];
        match self.driver.read(&statements.find, &values).await?.pop() {
            None => return Ok(Replace::Missing),
            Some(row) if revision_of(&row) != expected => return Ok(Replace::Conflict),
            Some(_) => {}
        }
        if self.driver.write(&statements.relist, &moves).await? == 1 {
            return Ok(replaced);
        }
        let is_there = !self
            .driver
            .read(&statements.find, &values)
            .await?
            .is_empty();
        Ok(if is_there {
            Replace::Conflict
        } else {
            Replace::Missing
        })
    }

    async fn delete(&self, id: &R::Id, expected: Revision) -> Result<Delete, StorageError> {
        let statements = statements_for::<D, R>()?;
        let text = id.to_string();
        let id = key::column(&text);
        let revision = Value::Number(expected.number().cast_signed());
        let values = [Value::Text(&self.tenant), Value::Text(&id), revision];
        if self.driver.write(&statements.delete, &values).await? == 1 {
            return Ok(Delete::Deleted);
        }
        let is_there = self.row(statements, &id).await?.is_some();
        Ok(if is_there {
            Delete::Conflict
        } else {
            Delete::Missing
        })
    }

    async fn list(&self, by: &Filter, page: &Page) -> Result<Listed<R>, StorageError> {
        let statements = statements_for::<D, R>()?;
        let (statement, under) = match by {
            Filter::Subject(subject) => (&statements.by_subject, key::column(subject.as_str())),
            Filter::Client(client) => (&statements.by_client, key::column(client.as_str())),
            _ => {
                let why = "there is no index for this filter";
                return Err(StorageError::new(StorageErrorKind::Unavailable, why));
            }
        };
        let limit = page.limit.clamp(1, PAGE);
        let values = [
            Value::Text(&self.tenant),
            Value::Text(&under),
            Value::Text(page.after.as_deref().unwrap_or_default()),
            // One more tells whether there is a next page.
            Value::Number(limit as i64 + 1),
        ];
        let mut rows = self.driver.read(statement, &values).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let mut items = Vec::with_capacity(rows.len());
        for row in &rows {
            let record = Arc::new(decode(row.doc.as_bytes())?);
            items.push(Versioned {
                revision: revision_of(row),
                record,
            });
        }
        let next = if more {
            rows.pop().map(|row| row.id)
        } else {
            None
        };
        Ok(Listed { items, next })
    }

    async fn sweep(&self, now: Timestamp, limit: usize) -> Result<usize, StorageError> {
        let (statements, limit) = (statements_for::<D, R>()?, limit as u64);
        let swept = self
            .driver
            .sweep(statements, &self.tenant, seconds(now), limit)
            .await?;
        Ok(usize::try_from(swept).unwrap_or(usize::MAX))
    }
}

impl<D: Driver> Storage for Tables<D> {
    fn grants(&self) -> &dyn RecordStore<GrantRecord> {
        self
    }
    fn clients(&self) -> &dyn RecordStore<ClientRecord> {
        self
    }
    fn subjects(&self) -> &dyn RecordStore<SubjectRecord> {
        self
    }
    fn keys(&self) -> &dyn RecordStore<KeyRingRecord> {
        self
    }
    fn consents(&self) -> &dyn RecordStore<ConsentRecord> {
        self
    }
    fn replays(&self) -> &dyn RecordStore<ReplayRecord> {
        self
    }
    fn registrations(&self) -> &dyn RecordStore<RegistrationPageRecord> {
        self
    }
}
