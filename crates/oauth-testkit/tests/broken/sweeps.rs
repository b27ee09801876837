//! Sweeping, with its faults.

use oauth_storage::Delete;

use super::*;

impl BrokenStore {
    pub(super) async fn sweep_wrongly<R: Sample>(
        &self,
        now: Timestamp,
        limit: usize,
    ) -> Result<usize, StorageError> {
        let table = self.table::<R>();
        match self.fault {
            Fault::NeverSweeps => Ok(0),
            Fault::SweepsTheLastSecond => {
                let later = Timestamp::from_unix(now.as_unix().saturating_add(1));
                table.sweep(later, limit).await
            }
            Fault::SweepsWhatHasNoDate => {
                for record in self.ever::<R>().into_iter().filter(|_| now >= DOOMSDAY) {
                    if record.retain_until().is_none()
                        && let Some(found) = table.find(record.id()).await?
                    {
                        table.delete(record.id(), found.revision).await?;
                        return Ok(1);
                    }
                }
                table.sweep(now, limit).await
            }
            Fault::SweepsWithoutBound => table.sweep(now, usize::MAX).await,
            Fault::CachesPerView => {
                self.cache.lock().unwrap().clear();
                table.sweep(now, limit).await
            }
            Fault::SweepsByTheFirstDate => {
                dawdle();
                let mut swept = 0;
                for record in self.ever::<R>() {
                    let is_due = record.retain_until().is_some_and(|date| date < now);
                    if let Some(found) = table.find(record.id()).await?
                        && is_due
                        && swept < limit
                    {
                        let answer = table.delete(record.id(), found.revision).await?;
                        swept += usize::from(answer == Delete::Deleted);
                    }
                }
                Ok(swept)
            }
            Fault::SweepsByTheLatestClock => {
                let latest = {
                    let mut latest = self.notes.latest.lock().unwrap();
                    let latest = latest.entry(R::KIND.as_str()).or_insert(now);
                    *latest = now.max(*latest);
                    *latest
                };
                table.sweep(latest, limit).await
            }
            Fault::DatesOutliveRecords => {
                let old = std::mem::take(&mut *self.notes.deleted.lock().unwrap());
                for id in old.iter().filter(|old| old.retain_until < now) {
                    if let Some(found) = self.inner.grants().find(&id.id).await? {
                        let (id, revision) = (&id.id, found.revision);
                        self.inner.grants().delete(id, revision).await?;
                    }
                }
                table.sweep(now, limit).await
            }
            Fault::OneIndexForAllTenants => {
                let mut due = self.ever::<R>();
                due.retain(|record| record.retain_until().is_some_and(|date| date < now));
                for record in due {
                    self.forget_for_all(name::<R>(record.id()));
                }
                table.sweep(now, limit).await
            }
            Fault::SweepLooksFirst | Fault::SweepCountsForOthers | Fault::Tears(Verb::Sweep) => {
                let mut due = Vec::new();
                for record in self.ever::<R>() {
                    if let Some(found) = table.find(record.id()).await?
                        && found.record.retain_until().is_some_and(|date| date < now)
                        && due.len() < limit
                    {
                        due.push(found);
                    }
                }
                let mut swept = 0;
                for found in due {
                    let id = found.record.id();
                    if self.fault == Fault::SweepCountsForOthers {
                        dawdle();
                        table.delete(id, found.revision).await?;
                        swept += 1;
                    } else if self.fault == Fault::SweepLooksFirst {
                        dawdle();
                        if let Some(found) = table.find(id).await? {
                            let answer = table.delete(id, found.revision).await?;
                            swept += usize::from(answer == Delete::Deleted);
                        }
                    } else {
                        self.hide(name::<R>(id));
                        pause().await;
                        let answer = table.delete(id, found.revision).await?;
                        swept += usize::from(answer == Delete::Deleted);
                        self.unhide(&name::<R>(id));
                    }
                }
                Ok(swept)
            }
            Fault::SweepsAllTenants => {
                let views = self.shared.views.lock().unwrap().clone();
                let mut swept = 0;
                for (_, view) in views {
                    swept += R::table(&view).sweep(now, limit - swept).await?;
                }
                Ok(swept)
            }
            _ => table.sweep(now, limit).await,
        }
    }
}
