//! Listing, with its faults.

use oauth_storage::{Filter, Kind, Listed, Page, Versioned};
use oauth_types::{ClientId, Subject};

use super::*;

impl BrokenStore {
    pub(super) async fn list_wrongly<R: Sample>(
        &self,
        by: &Filter,
        page: &Page,
    ) -> Result<Listed<R>, StorageError> {
        match self.fault {
            Fault::ListsBySubjectOnly if matches!(by, Filter::Client(_)) => {
                return Ok(Listed {
                    items: Vec::new(),
                    next: None,
                });
            }
            Fault::PagesIgnoreTheLimit => {
                let page = Page {
                    after: page.after.clone(),
                    limit: page.limit.max(10),
                };
                return self.table::<R>().list(by, &page).await;
            }
            Fault::PagesSkip | Fault::PagesRepeat | Fault::PagesByOffset => {
                dawdle();
                let mut all = self.table::<R>().list(by, &Page::first(1000)).await?.items;
                let skip: usize = page.after.as_ref().map_or(0, |at| at.parse().unwrap());
                let items: Vec<_> = all.drain(..).skip(skip).take(page.limit).collect();
                let next = match self.fault {
                    Fault::PagesSkip => skip + items.len() + 1,
                    Fault::PagesRepeat => skip + (items.len() - usize::from(items.len() > 1)),
                    _ => skip + items.len(),
                };
                let next = (items.len() == page.limit).then(|| next.to_string());
                return Ok(Listed { items, next });
            }
            Fault::ListsGrantsOnly if R::KIND != Kind::Grant => {
                return Ok(Listed {
                    items: Vec::new(),
                    next: None,
                });
            }
            _ => {}
        }
        let mut listed = self.table::<R>().list(by, page).await?;
        match self.fault {
            Fault::FoldsListings(fold) => {
                let (exact, folded) = match by {
                    Filter::Subject(by) => (by.as_str(), format!("s {}", fold.of(by.as_str()))),
                    Filter::Client(by) => (by.as_str(), format!("c {}", fold.of(by.as_str()))),
                    _ => return Ok(listed),
                };
                let alike = self.notes.alike.lock().unwrap().get(&folded).cloned();
                let others = alike
                    .unwrap_or_default()
                    .into_iter()
                    .filter(|(name, _)| name != exact);
                for id in others.flat_map(|(_, ids)| ids) {
                    let found = id.parse().ok().map(|id| now(self.table::<R>().find(&id)));
                    if let Some(found) = found.transpose()?.flatten()
                        && listed.items.len() < page.limit
                    {
                        listed.items.push(found);
                    }
                }
            }
            Fault::OneIndexForAll if page.after.is_none() => {
                let other = match by {
                    Filter::Subject(by) => Filter::Client(ClientId::new(by.as_str())),
                    Filter::Client(by) => Filter::Subject(Subject::new(by.as_str())),
                    _ => return Ok(listed),
                };
                listed
                    .items
                    .extend(self.table::<R>().list(&other, page).await?.items);
                listed.items.truncate(page.limit);
            }
            // Not on the smallest pages, so that it depends on no race.
            Fault::ListsWhatIsDeleted if page.limit > 2 && listed.next.is_none() => {
                let deleted = self.notes.deleted.lock().unwrap();
                for record in deleted.iter() {
                    let document = oauth_storage::record::encode(record)?;
                    let is_listed = matches!(by, Filter::Subject(by) if record.subject == *by);
                    if let Ok(record) = oauth_storage::record::decode::<R>(&document)
                        && is_listed
                        && listed.items.len() < page.limit
                    {
                        let (revision, record) = (Revision::new(0), Arc::new(record));
                        listed.items.push(Versioned { revision, record });
                    }
                }
            }
            Fault::ListsByTheFirstOwner => {
                listed
                    .items
                    .retain(|item| match self.first::<R>(item.record.id()) {
                        Some(first) => first.subject() == item.record.subject(),
                        None => true,
                    });
            }
            Fault::ListsAllTenants if page.after.is_none() => {
                let views = self.shared.views.lock().unwrap().clone();
                for (_, view) in views.iter().filter(|(tenant, _)| *tenant != self.tenant) {
                    listed
                        .items
                        .extend(R::table(view).list(by, page).await?.items);
                    listed.items.truncate(page.limit);
                }
            }
            Fault::OneIndexForAllTenants => {
                let forgotten = self.shared.forgotten.lock().unwrap();
                let by_others = |item: &Versioned<R>| {
                    let name = name::<R>(item.record.id());
                    let mut forgotten = forgotten.iter();
                    forgotten.any(|(tenant, gone)| *tenant != self.tenant && *gone == name)
                };
                listed.items.retain(|item| !by_others(item));
            }
            Fault::ListLags | Fault::Tears(_) | Fault::HidesWhileReplacing => {
                let hidden = self.notes.hidden.lock().unwrap();
                listed
                    .items
                    .retain(|item| !hidden.contains(&name::<R>(item.record.id())));
            }
            Fault::RevisionRestarts => {
                let revisions = self.notes.revisions.lock().unwrap();
                // Deleted meanwhile: no longer known, and no longer to be shown.
                listed.items.retain_mut(|item| {
                    let known = revisions.get(&name::<R>(item.record.id()));
                    let at = known.and_then(|known| {
                        known
                            .iter()
                            .position(|known| *known == item.revision.number())
                    });
                    item.revision = Revision::new(at.map_or(0, |at| at as u64 + 1));
                    at.is_some()
                });
            }
            _ => {}
        }
        Ok(listed)
    }
}
