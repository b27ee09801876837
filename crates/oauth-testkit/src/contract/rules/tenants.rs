//! Several issuers share a backend and never meet in it.

use oauth_storage::{ClientRecord, GrantRecord, Storage};
use oauth_types::ClientId;

use crate::contract::samples::{Sample, at, client, grant, retained};
use crate::contract::steps::{
    by_client, by_subject, change, each_kind, list, listed_ids, put, read, remove,
};
use crate::contract::{Backend, Trial, Verdict, ensure};

/// A tenant neither finds nor lists another's records: an identifier is worth something only to
/// the issuer that gave it.
pub fn tenants_see_only_their_own<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(one: &dyn Storage, other: &dyn Storage, number: u64) -> Verdict {
        put(one, R::sample(number)).await?;
        let found = R::table(other).find(R::sample(number).id()).await?;
        ensure!(
            found.is_none(),
            "a tenant finds another's {}",
            R::KIND.as_str()
        );
        Ok(())
    }
    trial.run(async {
        let (one, other) = (trial.tenant("one"), trial.tenant("One"));
        each_kind!(kind(&one, &other, 1));
        put(&other, grant(2)).await?;
        for by in [by_subject("alice"), by_client("app")] {
            let (mine, theirs) = (
                listed_ids(&one, &by, 10).await?,
                listed_ids(&other, &by, 10).await?,
            );
            ensure!(
                mine == [grant(1).id] && theirs == [grant(2).id],
                "a tenant lists another's"
            );
            ensure!(
                list(&trial.store(), &by, 10).await?.is_empty(),
                "a third lists them, too"
            );
        }
        Ok(())
    })
}

/// Each tenant may use any key, and writing it touches nobody else's record of that name.
pub fn tenants_have_keys_of_their_own<B: Backend>(trial: &Trial<B>) -> Verdict {
    async fn kind<R: Sample>(one: &dyn Storage, other: &dyn Storage) -> Verdict {
        let record = R::sample(1);
        let revision = put(one, record.clone().marked(1)).await?;
        let theirs = put(other, record.clone().marked(2)).await?;
        let revision = change(one, revision, record.clone().marked(3)).await?;
        let found = read::<R>(other, record.id()).await?;
        ensure!(
            found.revision == theirs && found.record.mark() == 2,
            "a tenant's replacement changed another's record"
        );
        remove::<R>(one, record.id(), revision).await?;
        let found = read::<R>(other, record.id()).await?;
        ensure!(
            found.revision == theirs,
            "a tenant's deletion changed another's record"
        );
        Ok(())
    }
    trial.run(async {
        let (one, other) = (trial.tenant("one"), trial.tenant("other"));
        each_kind!(kind(&one, &other));
        Ok(())
    })
}

/// A sweep forgets records of its own tenant only: tenants may keep theirs by different clocks.
pub fn tenants_sweep_only_their_own<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let (one, other) = (trial.tenant("one"), trial.tenant("other"));
        put(&one, retained(grant(1), -1)).await?;
        put(&other, retained(grant(2), -1)).await?;
        let mut swept = 0;
        for _ in 0..3 {
            swept += one.grants().sweep(at(0), 10).await?;
        }
        ensure!(swept == 1, "a tenant with one old record sweeps {swept}");
        read::<GrantRecord>(&other, &grant(2).id).await?;
        let swept = other.grants().sweep(at(0), 10).await?;
        ensure!(swept == 1, "the other tenant's sweep counts {swept}");
        Ok(())
    })
}

/// What one tenant deletes or sweeps stays with another that has the same keys: found, listed, and
/// with its own date.
pub fn tenants_keep_what_others_forget<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        let (one, other) = (trial.tenant("one"), trial.tenant("other"));
        let revision = put(&one, grant(1)).await?;
        put(&one, retained(grant(2), -1)).await?;
        for number in [1, 2] {
            put(&other, retained(grant(number), 50)).await?;
        }
        remove::<GrantRecord>(&one, &grant(1).id, revision).await?;
        let swept = one.grants().sweep(at(0), 10).await?;
        ensure!(swept == 1, "a tenant with one old record sweeps {swept}");
        let swept = other.grants().sweep(at(0), 10).await?;
        ensure!(swept == 0, "a tenant sweeps by another's dates");
        let mut both = [grant(1).id, grant(2).id];
        both.sort_unstable();
        for by in [by_subject("alice"), by_client("app")] {
            let (mine, theirs) = (
                listed_ids(&one, &by, 10).await?,
                listed_ids(&other, &by, 10).await?,
            );
            ensure!(
                mine.is_empty() && theirs == both,
                "after one tenant forgot two, {} are listed there, with the other {}",
                mine.len(),
                theirs.len()
            );
        }
        for id in &both {
            read::<GrantRecord>(&other, id).await?;
        }
        let swept = other.grants().sweep(at(51), 10).await?;
        ensure!(swept == 2, "a tenant with two old records sweeps {swept}");
        Ok(())
    })
}

/// Tenant and key are told apart even when their texts run together to the same: otherwise a
/// tenant picks its name so as to own another's clients.
pub fn tenant_and_key_are_not_run_together<B: Backend>(trial: &Trial<B>) -> Verdict {
    trial.run(async {
        for (mark, separator) in (1..).zip(["", ":", "/", "|", "\u{1f}", "-", ".", "}:{"]) {
            let pairs = [
                (format!("t{mark}"), format!("a{separator}b")),
                (format!("t{mark}{separator}a"), "b".to_owned()),
            ];
            for (at, (tenant, id)) in (0..).zip(&pairs) {
                put(&trial.tenant(tenant), client(id).marked(mark * 10 + at)).await?;
            }
            for (at, (tenant, id)) in (0..).zip(&pairs) {
                let id = ClientId::new(&**id);
                let found = read::<ClientRecord>(&trial.tenant(tenant), &id).await?;
                ensure!(
                    found.record.mark() == mark * 10 + at,
                    "tenant {tenant:?} finds another's record under {id}"
                );
            }
        }
        Ok(())
    })
}
