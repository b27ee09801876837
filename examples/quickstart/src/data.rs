//! Where records and the root secret are kept.

use std::error::Error;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use oauth_core::storage::{GrantType, Storage, TokenEndpointAuthMethod};
use oauth_core::types::env::OsEntropy;
use oauth_core::types::{ClientId, ResourceUri, SecretHash, SecretText};
use oauth_core::{PreregisteredClient, RateLimiter, RootSecret};
use oauth_storage_memory::MemoryStorage;
use oauth_storage_redis::RedisStorage;
use oauth_storage_sql::{MySqlStorage, PostgresStorage, SqliteStorage};

use crate::cli::Flags;

/// Where this example keeps what must outlive it.
const FOLDER: &str = ".quickstart";

/// An opened store.
pub(crate) struct Store {
    pub(crate) storage: Arc<dyn Storage>,
    /// Where it is, for people.
    pub(crate) place: String,
    /// What is weaker about it than it should be, for people.
    pub(crate) warnings: Vec<String>,
    /// Counts attempts for everybody who shares the store, if it can.
    pub(crate) limiter: Option<Arc<dyn RateLimiter>>,
}

/// Opens what `--data` names.
pub(crate) async fn open(data: &str) -> Result<Store, Box<dyn Error>> {
    if data == "memory" {
        let place = "in memory, gone when the server stops".to_owned();
        return Ok(Store::new(MemoryStorage::new(), place));
    }
    let file = match data.split_once(':') {
        Some(("sqlite", file)) => PathBuf::from(file.strip_prefix("//").unwrap_or(file)),
        Some(("postgres" | "postgresql", _)) => {
            let storage = PostgresStorage::connect(data).await?;
            let place = format!("PostgreSQL, {}", storage.place());
            return Ok(Store::new(storage.clone(), place).warning(storage.weaknesses()));
        }
        Some(("mysql" | "mariadb", _)) => {
            let storage = MySqlStorage::connect(data).await?;
            let place = format!("MySQL, {}", storage.place());
            return Ok(Store::new(storage.clone(), place).warning(storage.weaknesses()));
        }
        Some(("redis" | "rediss", _)) => {
            let storage = RedisStorage::connect(data).await?;
            let place = format!("Redis, {}", storage.place());
            let mut store = Store::new(storage.clone(), place).warning(storage.weaknesses());
            store.limiter = Some(Arc::new(storage));
            return Ok(store);
        }
        Some((scheme, rest)) if rest.starts_with("//") => {
            return Err(format!(
                "no records can be kept at {scheme}://; --data is a folder, `memory`, `sqlite:FILE`, \
                 or begins with postgres://, mysql://, redis:// or rediss://"
            )
            .into());
        }
        _ => Path::new(data).join("oauth.sqlite"),
    };
    if let Some(folder) = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        private_folder(folder)?;
    }
    let storage = SqliteStorage::open(&file).await?;
    Ok(Store::new(storage, file.display().to_string()))
}

impl Store {
    fn new(storage: impl Storage + 'static, place: String) -> Self {
        Self {
            storage: Arc::new(storage),
            place,
            warnings: Vec::new(),
            limiter: None,
        }
    }

    fn warning(mut self, weak: &[impl ToString]) -> Self {
        self.warnings = weak.iter().map(ToString::to_string).collect();
        self
    }
}

/// The root secret, with those that open the keys beside it.
pub(crate) fn root_secret(flags: &Flags) -> Result<RootSecret, Box<dyn Error>> {
    let mut root = current_root_secret(flags.root_secret_file.as_deref())?;
    if let Some(file) = &flags.new_root_secret_file {
        root = secret_in(file)?.opening(root);
    }
    for file in &flags.also_root_secret_file {
        root = root.opening(secret_in(file)?);
    }
    Ok(root)
}

fn secret_in(file: &Path) -> Result<RootSecret, Box<dyn Error>> {
    let text = fs::read_to_string(file)
        .map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    Ok(RootSecret::from_text(&text)?)
}

/// From the file named, from `OAUTH_ROOT_SECRET`, or made here for development.
fn current_root_secret(file: Option<&Path>) -> Result<RootSecret, Box<dyn Error>> {
    if let Some(file) = file {
        return secret_in(file);
    }
    if let Ok(text) = std::env::var("OAUTH_ROOT_SECRET") {
        return Ok(RootSecret::from_text(&text)?);
    }
    let file = Path::new(FOLDER).join("root-secret");
    if let Ok(text) = fs::read_to_string(&file) {
        return Ok(RootSecret::from_text(&text)?);
    }
    private_folder(Path::new(FOLDER))?;
    let secret = SecretText::generate(&OsEntropy)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(&file) {
        Ok(mut made) => {
            made.write_all(secret.expose().as_bytes())?;
            made.sync_all()?;
            println!("Made a root secret for development: {}", file.display());
            println!();
            Ok(RootSecret::from_text(secret.expose())?)
        }
        // Another process was first.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Ok(RootSecret::from_text(&fs::read_to_string(&file)?)?)
        }
        Err(error) => Err(format!("cannot write {}: {error}", file.display()).into()),
    }
}

fn private_folder(folder: &Path) -> Result<(), Box<dyn Error>> {
    if folder.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(folder)
        .map_err(|error| format!("cannot make the folder {}: {error}", folder.display()).into())
}

/// The confidential client whose secret everybody knows. Real ones get a generated secret, and
/// stand in configuration by its digest.
pub(crate) fn service_client(resource: &ResourceUri) -> PreregisteredClient {
    let mut client = PreregisteredClient::new(ClientId::new("service"));
    client.token_endpoint_auth_method = TokenEndpointAuthMethod::ClientSecretBasic;
    client.client_secrets = vec![SecretHash::of(b"service-secret")];
    client.grant_types = vec![GrantType::ClientCredentials];
    client.introspects = vec![resource.clone()];
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A mistyped address becomes no folder of that name.
    #[tokio::test]
    async fn an_unknown_kind_of_store_is_refused() {
        let refused = open("postgras://user:secret@127.0.0.1/app").await;
        let said = refused.err().unwrap().to_string();
        assert!(said.contains("postgras://;"), "{said}");
        assert!(!said.contains("secret"), "{said}");
        assert!(!Path::new("postgras:").exists());
    }
}
