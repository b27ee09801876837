//! Proves that a storage backend keeps what [`oauth_storage`] promises in its name.
//!
//! How to write one, which traps there are, and what a failing rule points at is told in
//! `docs/storage-authors.md`; `examples/custom-store` is a whole store to copy. This page is about
//! running the rules.
//!
//! **Hand out views of tenants** under [`Backend`], and a fresh, empty backend:
//!
//! ```
//! use oauth_storage_memory::MemoryStorage; // yours, here
//! use oauth_testkit::contract::Backend;
//! use oauth_types::TenantId;
//!
//! struct Fresh(MemoryStorage);
//!
//! impl Backend for Fresh {
//!     type Store = MemoryStorage;
//!     fn tenant(&self, tenant: &TenantId) -> MemoryStorage {
//!         self.0.tenant(tenant)
//!     }
//! }
//!
//! async fn fresh_store() -> Fresh {
//!     Fresh(MemoryStorage::new())
//! }
//!
//! oauth_testkit::storage_contract!(fresh = fresh_store, block_on = oauth_testkit::block_on);
//! # fn main() {}
//! ```
//!
//! **Put that into an integration test.** It expands to one `#[test]` for each function of
//! [`rules`], whose documentation says what the rule is for. Each runs on a backend of its own, so
//! `fresh_store` should hand out a new schema, prefix or file every time and clean up when the
//! backend is dropped. `block_on` runs a future to its end on the calling thread and is called
//! from many threads at once; for a driver that needs tokio, let it enter one multi-threaded
//! runtime that all tests share.
//!
//! When the backend is a server that may not be there, let `fresh_store` answer
//! `Option<Fresh>`: `None` skips the rule and says so, and with `OAUTH_REQUIRE_BACKENDS=1` in the
//! environment it fails instead, so that no pipeline is ever green and empty.
//!
//! # What the rules cannot show
//!
//! They race threads of one process for a fraction of a second. That an acknowledged write
//! survives a crash or a failover is for a test of your own, and for how the database is set up.
//!
//! The rules themselves are tested: each of them is failed by some deliberately broken store, and
//! each of those fails exactly the rules that are named for it.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Barrier;

use oauth_storage::{Storage, StorageError};
use oauth_types::TenantId;

pub mod rules;
pub mod samples;
pub(crate) mod steps;

/// A backend under test, empty when it is handed out.
pub trait Backend: Send + Sync + 'static {
    /// One tenant's view.
    type Store: Storage + Clone + Send + Sync + 'static;

    /// A new view of the backend, as this tenant sees it.
    fn tenant(&self, tenant: &TenantId) -> Self::Store;
}

/// What `fresh` may answer: a backend, or an `Option` of one for servers that may be missing.
pub trait Fresh {
    /// The backend.
    type Backend: Backend;
    /// The backend, unless it is missing.
    fn present(self) -> Option<Self::Backend>;
}

impl<B: Backend> Fresh for B {
    type Backend = B;
    fn present(self) -> Option<B> {
        Some(self)
    }
}

impl<B: Backend> Fresh for Option<B> {
    type Backend = B;
    fn present(self) -> Option<B> {
        self
    }
}

/// Runs a future to its end on the calling thread.
pub type BlockOn = fn(Pin<&mut (dyn Future<Output = ()> + '_)>);

/// One rule's verdict.
pub type Verdict = Result<(), Violation>;

/// A rule, by name.
pub type Rule<B> = (&'static str, fn(&Trial<B>) -> Verdict);

/// How a store broke a rule.
#[derive(Debug)]
pub struct Violation(String);

impl Violation {
    /// Broken in this way.
    pub fn new(how: impl Into<String>) -> Self {
        Self(how.into())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A healthy store does not fail.
impl From<StorageError> for Violation {
    fn from(error: StorageError) -> Self {
        let mut text = format!("the store failed: {error}");
        let mut source = std::error::Error::source(&error);
        while let Some(cause) = source {
            text = format!("{text}: {cause}");
            source = cause.source();
        }
        Self(text)
    }
}

/// Breaks off a rule unless the condition holds.
macro_rules! ensure {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err($crate::contract::Violation::new(format!($($text)+)));
        }
    };
}
pub(crate) use ensure;

/// A backend and the means to run a rule on it.
pub struct Trial<B> {
    backend: B,
    block_on: BlockOn,
}

impl<B: Backend> Trial<B> {
    /// Tries a fresh backend.
    pub fn new(backend: B, block_on: BlockOn) -> Self {
        Self { backend, block_on }
    }

    /// A new view of the backend as the tenant sees it that most rules use.
    pub fn store(&self) -> B::Store {
        self.backend.tenant(&TenantId::single())
    }

    /// A new view of the backend as some tenant sees it.
    pub fn tenant(&self, tenant: &str) -> B::Store {
        self.backend.tenant(&TenantId::new(tenant))
    }

    /// Runs a future to its end.
    ///
    /// # Panics
    /// When the executor returns before that.
    pub fn run<F: Future>(&self, future: F) -> F::Output {
        let mut output = None;
        {
            let mut future = pin!(async { output = Some(future.await) });
            (self.block_on)(future.as_mut());
        }
        let Some(output) = output else {
            panic!("block_on returned before the future ended");
        };
        output
    }

    /// Runs `racers` futures at once, each on a thread and a view of its own, and answers their
    /// results in order.
    ///
    /// # Errors
    /// A violation found by any of them, or a panic in one.
    pub fn race<T, F>(
        &self,
        racers: usize,
        racer: impl Fn(usize, B::Store) -> F + Sync,
    ) -> Result<Vec<T>, Violation>
    where
        T: Send,
        F: Future<Output = Result<T, Violation>>,
    {
        let start = Barrier::new(racers);
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..racers)
                .map(|number| {
                    let (store, start, racer) = (self.store(), &start, &racer);
                    scope.spawn(move || {
                        start.wait();
                        self.run(racer(number, store))
                    })
                })
                .collect();
            let join = |thread: std::thread::ScopedJoinHandle<'_, Result<T, Violation>>| {
                thread
                    .join()
                    .unwrap_or_else(|_| Err(Violation::new("the store panicked")))
            };
            threads.into_iter().map(join).collect()
        })
    }
}

impl<B> fmt::Debug for Trial<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Trial")
    }
}

/// Runs one rule as a test; what [`storage_contract!`](crate::storage_contract) expands to.
///
/// # Panics
/// When the rule is broken, or the backend is missing and required.
pub fn check<F: Fresh>(
    name: &str,
    rule: fn(&Trial<F::Backend>) -> Verdict,
    fresh: impl Future<Output = F>,
    block_on: BlockOn,
) {
    crate::canary::watch();
    let mut made = None;
    block_on(pin!(async { made = Some(fresh.await) }).as_mut());
    match made.and_then(Fresh::present) {
        Some(backend) => {
            if let Err(violation) = rule(&Trial::new(backend, block_on)) {
                panic!("the store breaks the rule `{name}`: {violation}");
            }
        }
        None if std::env::var_os("OAUTH_REQUIRE_BACKENDS").is_some_and(|value| value == "1") => {
            panic!("the backend is missing, and OAUTH_REQUIRE_BACKENDS=1 asks for it");
        }
        None => eprintln!("skipped `{name}`: the backend is missing"),
    }
}

/// Expands to one `#[test]` for each rule of the storage contract: see
/// [`contract`](crate::contract).
///
/// `fresh` names an `async fn()` that answers a [`Backend`](crate::contract::Backend);
/// `block_on` names a function that runs a future to its end, [`block_on`](crate::block_on) when
/// it is left out.
#[macro_export]
macro_rules! storage_contract {
    (fresh = $fresh:path, block_on = $block_on:path $(,)?) => {
        $crate::__storage_rules! { __storage_tests $fresh, $block_on }
    };
    ($fresh:path) => {
        $crate::storage_contract! { fresh = $fresh, block_on = $crate::block_on }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __storage_tests {
    ({ $fresh:path, $block_on:path } $($rule:ident)*) => {
        $(
            #[test]
            fn $rule() {
                $crate::contract::check(
                    stringify!($rule),
                    $crate::contract::rules::$rule,
                    $fresh(),
                    |future| $block_on(future),
                );
            }
        )*
    };
}
