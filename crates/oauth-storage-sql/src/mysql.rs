//! MySQL and MariaDB.

mod error;
mod migrations;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use oauth_types::TenantId;
use sqlx::mysql::{MySqlArguments, MySqlConnectOptions, MySqlConnection, MySqlSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, Row as _};

use crate::connections::Open;
use crate::driver::{self, Row, Value};
use crate::server::error::{ConnectError, Failure};
use crate::server::settings::{Found, ServerSettings, Weakness, is_here};
use crate::server::{Connected, Server, first};
use crate::statements::Dialect;
use crate::storage::storage;
use crate::table::Tables;

storage! {
    /// A store in a MySQL or MariaDB database, as one tenant sees it. Clones share the
    /// connections.
    ///
    /// Needs a tokio runtime with its timer enabled, and to reach the primary. How durable an
    /// acknowledged write is, the server's settings say; [`Self::weaknesses`] names those that are
    /// weaker than they should be.
    MySqlStorage(Connected<MySql>)
}

impl MySqlStorage {
    /// Connects with the usual settings: [`Self::connect_with`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, ServerSettings::new()).await
    }

    /// Connects to `mysql://user:password@host:port/database`, as the tenant
    /// [`TenantId::single`], and makes the tables or brings them up to date; processes that do so
    /// at once wait for each other. Of the URL's parameters, `ssl-mode` and `ssl-ca` are the ones
    /// to know.
    ///
    /// # Errors
    /// See [`ConnectError`]. None of them says a password.
    pub async fn connect_with(url: &str, settings: ServerSettings) -> Result<Self, ConnectError> {
        let schemes = ["mysql://", "mariadb://"];
        if !schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Err(ConnectError::Url("it does not begin with mysql://".into()));
        }
        let options =
            MySqlConnectOptions::from_str(url).map_err(|why| ConnectError::Url(why.into()))?;
        if options.get_database().is_none() {
            return Err(ConnectError::Url("it names no database".into()));
        }
        let server = MySql {
            options: options.disable_statement_logging(),
            patience: settings.patience,
        };
        let found = Arc::new(Found {
            place: server.place(),
            weaknesses: server.prepare().await?,
        });
        let connected = Connected::new(server, settings.connections, settings.patience);
        let tables = Tables::new(connected, settings.entropy);
        Ok(Self { tables, found })
    }
}

/// How to connect.
struct MySql {
    options: MySqlConnectOptions,
    patience: Duration,
}

impl MySql {
    fn place(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or_default();
        format!("{}:{}/{database}", options.get_host(), options.get_port())
    }

    /// Looks at the server, brings the tables up to date, and says what is weak.
    async fn prepare(&self) -> Result<Vec<Weakness>, ConnectError> {
        let cannot_connect = |source| ConnectError::cannot_connect(self.place(), source);
        let mut connection = first(&self.options, self.patience)
            .await
            .map_err(cannot_connect)?;
        if is_replica(&mut connection).await.map_err(cannot_connect)? {
            return Err(ConnectError::NotPrimary {
                place: self.place(),
            });
        }
        let weaknesses = self
            .weaknesses(&mut connection)
            .await
            .map_err(cannot_connect)?;
        migrations::run(&mut connection, &self.place()).await?;
        connection.close().await.ok();
        Ok(weaknesses)
    }

    async fn weaknesses(
        &self,
        connection: &mut MySqlConnection,
    ) -> Result<Vec<Weakness>, sqlx::Error> {
        let mut found = Vec::new();
        let lost = "a crash of the server loses the last writes it acknowledged";
        let torn = "a power cut can destroy the database";
        let has_binary_log = is_on(&show(connection, "log_bin").await?);
        for (setting, good, means, counts) in [
            (
                "innodb_flush_log_at_trx_commit",
                &["1", "3"][..],
                lost,
                true,
            ),
            ("innodb_doublewrite", &["1", "ON"], torn, true),
            // Recovery goes by the binary log where there is one.
            ("sync_binlog", &["1"], lost, has_binary_log),
        ] {
            let value = show(connection, setting).await?;
            found.extend(Weakness::unless(good, setting, &value, means).filter(|_| counts));
        }
        let (mode, host) = (self.options.get_ssl_mode(), self.options.get_host());
        let is_verified = matches!(mode, MySqlSslMode::VerifyIdentity | MySqlSslMode::VerifyCa);
        let is_local = self.options.get_socket().is_some() || is_here(host);
        if !is_verified && !is_local {
            let value = format!("{mode:?}").to_lowercase();
            let means = "somebody on the way to the database can read and change everything";
            found.extend(Weakness::unless(&[], "ssl-mode", &value, means));
        }
        Ok(found)
    }
}

async fn show(
    connection: &mut MySqlConnection,
    variable: &'static str,
) -> Result<String, sqlx::Error> {
    let asked = AssertSqlSafe(format!("SELECT CAST(@@GLOBAL.{variable} AS CHAR)"));
    sqlx::query_scalar(asked).fetch_one(connection).await
}

async fn is_replica(connection: &mut MySqlConnection) -> Result<bool, sqlx::Error> {
    Ok(is_on(&show(connection, "read_only").await?))
}

/// A switch is a number in MySQL and a word in MariaDB, where some have more than two positions.
fn is_on(value: &str) -> bool {
    !["0", "OFF"].contains(&value)
}

impl Open for MySql {
    type Connection = MySqlConnection;
    const TRUSTED: Duration = Duration::from_secs(1);

    async fn open(&self) -> Result<MySqlConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        if is_replica(&mut connection).await? {
            // As after a failover to another server under the same name.
            return Err(sqlx::Error::Configuration("the server is a replica".into()));
        }
        // A little less than we wait, so that we hear what became of the statement. MariaDB reads
        // the first comment and MySQL the second.
        let limit = self.patience * 9 / 10;
        let (seconds, milliseconds) = (limit.as_secs_f64(), limit.as_millis());
        let set = format!(
            "SET SESSION innodb_lock_wait_timeout = {} \
             /*M! , SESSION max_statement_time = {seconds} */ \
             /*!50708 , SESSION max_execution_time = {milliseconds} */; \
             SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
            limit.as_secs().max(1)
        );
        connection
            .execute(sqlx::raw_sql(AssertSqlSafe(set)))
            .await?;
        Ok(connection)
    }

    async fn works(&self, connection: &mut MySqlConnection) -> bool {
        connection.ping().await.is_ok()
    }
}

impl Server for MySql {
    const DIALECT: Dialect = Dialect::MySql;
    type Arguments = MySqlArguments;

    fn arguments(values: &[Value<'_>]) -> Result<MySqlArguments, sqlx::error::BoxDynError> {
        driver::arguments(values)
    }

    async fn execute(
        connection: &mut MySqlConnection,
        statement: &'static str,
        arguments: MySqlArguments,
    ) -> Result<u64, sqlx::Error> {
        let done = connection
            .execute(sqlx::query_with(statement, arguments))
            .await?;
        Ok(done.rows_affected())
    }

    async fn fetch(
        connection: &mut MySqlConnection,
        statement: &'static str,
        arguments: MySqlArguments,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = connection
            .fetch_all(sqlx::query_with(statement, arguments))
            .await?;
        let row = |row: sqlx::mysql::MySqlRow| {
            // A binary column, but it holds text of ours.
            let id = String::from_utf8(row.try_get(0)?);
            Ok(Row {
                id: id.map_err(|why| sqlx::Error::Decode(why.into()))?,
                revision: row.try_get(1)?,
                doc: row.try_get(2)?,
            })
        };
        rows.into_iter().map(row).collect()
    }

    fn explain(error: &sqlx::Error) -> Failure {
        error::explain(error)
    }
}
