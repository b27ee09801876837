//! PostgreSQL.

mod error;
mod migrations;

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use oauth_types::TenantId;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgConnection, PgSslMode};
use sqlx::{ConnectOptions, Connection, Executor, Row as _};

use crate::connections::Open;
use crate::driver::{self, Row, Value};
use crate::server::error::{ConnectError, Failure};
use crate::server::settings::{Found, ServerSettings, Weakness, is_here};
use crate::server::{Connected, Server, first};
use crate::statements::Dialect;
use crate::storage::storage;
use crate::table::Tables;

storage! {
    /// A store in a PostgreSQL database, as one tenant sees it. Clones share the connections.
    ///
    /// Needs a tokio runtime with its timer enabled, and to reach the primary: in a pooler's
    /// session mode at the most. How durable an acknowledged write is, the server's settings say;
    /// [`Self::weaknesses`] names those that are weaker than they should be.
    PostgresStorage(Connected<Postgres>)
}

impl PostgresStorage {
    /// Connects with the usual settings: [`Self::connect_with`].
    ///
    /// # Errors
    /// See [`ConnectError`].
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, ServerSettings::new()).await
    }

    /// Connects to `postgres://user:password@host:port/database`, as the tenant
    /// [`TenantId::single`], and makes the tables or brings them up to date; processes that do so
    /// at once wait for each other. Of the URL's parameters, `sslmode` and `sslrootcert` are the
    /// ones to know.
    ///
    /// # Errors
    /// See [`ConnectError`]. None of them says a password.
    pub async fn connect_with(url: &str, settings: ServerSettings) -> Result<Self, ConnectError> {
        if !["postgres://", "postgresql://"]
            .iter()
            .any(|scheme| url.starts_with(scheme))
        {
            return Err(ConnectError::Url(
                "it does not begin with postgres://".into(),
            ));
        }
        let options =
            PgConnectOptions::from_str(url).map_err(|why| ConnectError::Url(why.into()))?;
        let options = options
            .application_name("oauth")
            .disable_statement_logging();
        let server = Postgres {
            options,
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
struct Postgres {
    options: PgConnectOptions,
    patience: Duration,
}

impl Postgres {
    fn place(&self) -> String {
        let options = &self.options;
        let database = options.get_database().unwrap_or(options.get_username());
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
        let encoding = show(&mut connection, "server_encoding")
            .await
            .map_err(cannot_connect)?;
        if encoding != "UTF8" {
            let place = self.place();
            return Err(ConnectError::Encoding { place, encoding });
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
        connection: &mut PgConnection,
    ) -> Result<Vec<Weakness>, sqlx::Error> {
        let mut found = Vec::new();
        let lost = "a crash of the server loses the last writes it acknowledged";
        let torn = "a power cut can destroy the database";
        for (setting, good, means) in [
            // What comes after `on` waits for replicas too; `local` does not.
            (
                "synchronous_commit",
                &["on", "remote_apply", "local"][..],
                lost,
            ),
            ("fsync", &["on"], torn),
            ("full_page_writes", &["on"], torn),
        ] {
            let value = show(connection, setting).await?;
            found.extend(Weakness::unless(good, setting, &value, means));
        }
        let (mode, host) = (self.options.get_ssl_mode(), self.options.get_host());
        let is_verified = matches!(mode, PgSslMode::VerifyFull | PgSslMode::VerifyCa);
        let is_local = self.options.get_socket().is_some() || is_here(host);
        if !is_verified && !is_local {
            let value = format!("{mode:?}").to_lowercase();
            let means = "somebody on the way to the database can read and change everything";
            found.extend(Weakness::unless(&[], "sslmode", &value, means));
        }
        Ok(found)
    }
}

async fn show(connection: &mut PgConnection, setting: &str) -> Result<String, sqlx::Error> {
    let asked = sqlx::query_scalar("SELECT current_setting($1)").bind(setting);
    asked.fetch_one(connection).await
}

async fn is_replica(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let asked = sqlx::query_scalar("SELECT pg_is_in_recovery()");
    asked.fetch_one(connection).await
}

impl Open for Postgres {
    type Connection = PgConnection;
    const TRUSTED: Duration = Duration::from_secs(1);

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let mut connection = self.options.connect().await?;
        // A little less than we wait, so that we hear what became of the statement.
        let limit = (self.patience * 9 / 10).as_millis().max(1).to_string();
        let set = sqlx::query_scalar(
            "SELECT pg_is_in_recovery() FROM set_config('statement_timeout', $1, false) a, \
             set_config('default_transaction_isolation', 'read committed', false) b, \
             set_config('idle_in_transaction_session_timeout', $1, false) c",
        );
        let is_replica: bool = set
            .bind(limit)
            .persistent(false)
            .fetch_one(&mut connection)
            .await?;
        if is_replica {
            // As after a failover to another server under the same name.
            return Err(sqlx::Error::Configuration("the server is a replica".into()));
        }
        Ok(connection)
    }

    async fn works(&self, connection: &mut PgConnection) -> bool {
        connection.ping().await.is_ok()
    }
}

impl Server for Postgres {
    const DIALECT: Dialect = Dialect::Postgres;
    type Arguments = PgArguments;

    fn arguments(values: &[Value<'_>]) -> Result<PgArguments, sqlx::error::BoxDynError> {
        driver::arguments(values)
    }

    async fn execute(
        connection: &mut PgConnection,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<u64, sqlx::Error> {
        let done = connection
            .execute(sqlx::query_with(statement, arguments))
            .await?;
        Ok(done.rows_affected())
    }

    async fn fetch(
        connection: &mut PgConnection,
        statement: &'static str,
        arguments: PgArguments,
    ) -> Result<Vec<Row>, sqlx::Error> {
        let rows = connection
            .fetch_all(sqlx::query_with(statement, arguments))
            .await?;
        let row = |row: sqlx::postgres::PgRow| {
            Ok(Row {
                id: row.try_get(0)?,
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
