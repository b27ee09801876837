//! What a dialect's driver does for the table: run one statement.

use std::future::Future;

use oauth_storage::StorageError;
use sqlx::{Arguments, Encode, Type};

use crate::statements::{Dialect, Statements};

/// A value for a placeholder.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Text(&'a str),
    Number(i64),
    MaybeNumber(Option<i64>),
}

/// Values as a dialect sends them.
pub(crate) fn arguments<A>(values: &[Value<'_>]) -> Result<A, sqlx::error::BoxDynError>
where
    A: Arguments + Default,
    for<'q> &'q str: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> i64: Encode<'q, A::Database> + Type<A::Database>,
    for<'q> Option<i64>: Encode<'q, A::Database> + Type<A::Database>,
{
    let mut arguments = A::default();
    for value in values {
        match *value {
            Value::Text(text) => arguments.add(text)?,
            Value::Number(number) => arguments.add(number)?,
            Value::MaybeNumber(number) => arguments.add(number)?,
        }
    }
    Ok(arguments)
}

/// A row of `id, revision, doc`.
pub(crate) struct Row {
    pub(crate) id: String,
    pub(crate) revision: i64,
    pub(crate) doc: String,
}

/// Runs single statements, each in a transaction of its own, and says what its failures mean.
pub(crate) trait Driver: Send + Sync + 'static {
    const DIALECT: Dialect;

    /// Runs a statement that writes, once, and answers the number of affected rows: none for an
    /// insertion under a key that is taken.
    ///
    /// Fails with `Indeterminate` as soon as the statement may have been carried out.
    fn write(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Runs [`Statements::replace`].
    fn replace(
        &self,
        statements: &'static Statements,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<u64, StorageError>> + Send {
        self.write(&statements.replace, values)
    }

    /// Deletes at most `limit` rows whose date lies before `before`, in slices of which each is
    /// whole or was not begun ([`Pace`](crate::pace::Pace)). Fails only if nothing is gone.
    fn sweep(
        &self,
        statements: &'static Statements,
        tenant: &str,
        before: i64,
        limit: u64,
    ) -> impl Future<Output = Result<u64, StorageError>> + Send;

    /// Runs a statement that reads what was last acknowledged.
    fn read(
        &self,
        statement: &'static str,
        values: &[Value<'_>],
    ) -> impl Future<Output = Result<Vec<Row>, StorageError>> + Send;
}
