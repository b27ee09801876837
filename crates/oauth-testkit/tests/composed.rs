//! A store composed of two keeps the whole contract, and each kind where it was sent.

use std::sync::Arc;

use oauth_storage::{ComposedStorage, Storage};
use oauth_storage_memory::MemoryStorage;
use oauth_testkit::block_on;
use oauth_testkit::contract::Backend;
use oauth_testkit::contract::samples::{Sample, client, grant};
use oauth_types::TenantId;

/// Every second kind in the one, the others in the other.
struct Two(MemoryStorage, MemoryStorage);

impl Backend for Two {
    type Store = ComposedStorage;
    fn tenant(&self, tenant: &TenantId) -> ComposedStorage {
        let (one, other) = (self.0.tenant(tenant), self.1.tenant(tenant));
        ComposedStorage {
            grants: Arc::new(one.clone()),
            subjects: Arc::new(one.clone()),
            consents: Arc::new(one.clone()),
            registrations: Arc::new(one),
            ..ComposedStorage::of(other)
        }
    }
}

async fn two() -> Two {
    Two(MemoryStorage::new(), MemoryStorage::new())
}

oauth_testkit::storage_contract!(two);

/// One request for each kind, and where it arrived.
#[test]
fn each_kind_lies_in_the_backend_that_was_named_for_it() {
    async fn kind<R: Sample>(kept: &dyn Storage, elsewhere: &dyn Storage) {
        let id = R::sample(1).id().clone();
        assert!(
            R::table(kept).find(&id).await.unwrap().is_some(),
            "{:?}",
            R::KIND
        );
        assert!(
            R::table(elsewhere).find(&id).await.unwrap().is_none(),
            "{:?}",
            R::KIND
        );
    }
    let empty = || Arc::new(MemoryStorage::new());
    let [
        grants,
        clients,
        subjects,
        keys,
        consents,
        replays,
        registrations,
    ] = std::array::from_fn(|_| empty());
    let composed = ComposedStorage {
        grants: grants.clone(),
        clients: clients.clone(),
        subjects: subjects.clone(),
        keys: keys.clone(),
        consents: consents.clone(),
        replays: replays.clone(),
        registrations: registrations.clone(),
    };
    block_on(async {
        composed.grants().insert(grant(1)).await.unwrap();
        composed.clients().insert(client("client-1")).await.unwrap();
        composed.subjects().insert(Sample::sample(1)).await.unwrap();
        composed.keys().insert(Sample::sample(1)).await.unwrap();
        composed.consents().insert(Sample::sample(1)).await.unwrap();
        composed.replays().insert(Sample::sample(1)).await.unwrap();
        composed
            .registrations()
            .insert(Sample::sample(1))
            .await
            .unwrap();
        kind::<oauth_storage::GrantRecord>(&grants, &clients).await;
        kind::<oauth_storage::ClientRecord>(&clients, &grants).await;
        kind::<oauth_storage::SubjectRecord>(&subjects, &grants).await;
        kind::<oauth_storage::KeyRingRecord>(&keys, &grants).await;
        kind::<oauth_storage::ConsentRecord>(&consents, &grants).await;
        kind::<oauth_storage::ReplayRecord>(&replays, &grants).await;
        kind::<oauth_storage::RegistrationPageRecord>(&registrations, &grants).await;
    });
}
