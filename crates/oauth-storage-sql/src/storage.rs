//! The public face of a dialect: one tenant's view of all tables.

/// Declares a store over the tables of a server.
#[cfg(any(feature = "postgres", feature = "mysql"))]
macro_rules! storage {
    ($(#[$doc:meta])* $name:ident($driver:ty)) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name {
            tables: Tables<$driver>,
            found: std::sync::Arc<Found>,
        }

        impl $name {
            /// The same database as `tenant` sees it: only its own records, under keys that are
            /// its own.
            #[must_use]
            pub fn tenant(&self, tenant: &TenantId) -> Self {
                let found = std::sync::Arc::clone(&self.found);
                Self { tables: self.tables.tenant(tenant), found }
            }

            /// Where it is, `host:port/database`, without credentials.
            #[must_use]
            pub fn place(&self) -> &str {
                &self.found.place
            }

            /// The settings found at the start under which the server promises less than it
            /// should. Name them to whoever operates it.
            #[must_use]
            pub fn weaknesses(&self) -> &[Weakness] {
                &self.found.weaknesses
            }

            /// Waits for what is under way, then closes all connections, of every clone. Verbs
            /// that are called afterwards fail as unavailable.
            pub async fn close(&self) {
                self.tables.driver().close().await;
            }
        }

        $crate::storage::delegate! { $name, tables }
    };
}

/// Hands the seven tables of a store on to a field of it.
macro_rules! delegate {
    ($name:ident, $field:tt) => {
        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }

        impl oauth_storage::Storage for $name {
            fn grants(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::GrantRecord> {
                &self.$field
            }
            fn clients(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::ClientRecord> {
                &self.$field
            }
            fn subjects(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::SubjectRecord> {
                &self.$field
            }
            fn keys(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::KeyRingRecord> {
                &self.$field
            }
            fn consents(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::ConsentRecord> {
                &self.$field
            }
            fn replays(&self) -> &dyn oauth_storage::RecordStore<oauth_storage::ReplayRecord> {
                &self.$field
            }
            fn registrations(
                &self,
            ) -> &dyn oauth_storage::RecordStore<oauth_storage::RegistrationPageRecord> {
                &self.$field
            }
        }
    };
}

pub(crate) use delegate;
#[cfg(any(feature = "postgres", feature = "mysql"))]
pub(crate) use storage;
