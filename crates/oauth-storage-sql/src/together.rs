//! Work that comes while other work is being done, and is then done together.
//!
//! Whoever finds nobody at work begins at once, alone; nothing waits for company, and no timer
//! runs. What comes meanwhile is the next round.

use std::collections::VecDeque;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::finish::finish;

/// The most that is done in one round: the rest must not wait for ever.
const ROUND: usize = 256;

/// Does several jobs at once, and answers each.
pub(crate) trait Work: Send + Sync + 'static {
    type Job: Send + 'static;

    fn work(&self, round: Vec<Asked<Self::Job>>) -> impl Future<Output = ()> + Send;
}

/// A job, and whom to tell.
pub(crate) struct Asked<J> {
    pub(crate) job: J,
    number: u64,
    reply: oneshot::Sender<Result<u64, StorageError>>,
}

impl<J> Asked<J> {
    pub(crate) fn answer(self, answer: Result<u64, StorageError>) {
        // Whoever has gone does not want to know.
        self.reply.send(answer).ok();
    }
}

pub(crate) struct Together<W: Work>(Arc<Shared<W>>);

struct Shared<W: Work> {
    work: W,
    queue: Mutex<Queue<W::Job>>,
}

struct Queue<J> {
    waiting: VecDeque<Asked<J>>,
    next: u64,
    is_led: bool,
}

impl<W: Work> Together<W> {
    pub(crate) fn new(work: W) -> Self {
        let queue = Mutex::new(Queue {
            waiting: VecDeque::new(),
            next: 0,
            is_led: false,
        });
        Self(Arc::new(Shared { work, queue }))
    }

    pub(crate) fn work(&self) -> &W {
        &self.0.work
    }

    /// Does a job, alone or with others. It is given up if it was not begun within `patience`.
    pub(crate) async fn ask(&self, job: W::Job, patience: Duration) -> Result<u64, StorageError> {
        let (reply, mut answer) = oneshot::channel();
        let (number, leads) = {
            let queue = &mut *self.0.queue();
            let number = queue.next;
            queue.next += 1;
            queue.waiting.push_back(Asked { job, number, reply });
            (number, !std::mem::replace(&mut queue.is_led, true))
        };
        if leads {
            let lead = Lead {
                shared: Arc::clone(&self.0),
                is_held: true,
            };
            finish(async move {
                lead.round().await;
                if let Some(lead) = lead.goes_on() {
                    tokio::spawn(lead.go_on_until_idle());
                }
            })
            .await;
        } else if let Ok(answered) = timeout(patience, &mut answer).await {
            return answered.unwrap_or_else(|_| Err(StorageErrorKind::Indeterminate.into()));
        } else if self.0.withdraw(number) {
            let why = "the writes before this one took too long";
            return Err(StorageError::new(StorageErrorKind::Unavailable, why));
        }
        // Begun, so it will be answered, unless the runtime ends first.
        answer
            .await
            .unwrap_or_else(|_| Err(StorageErrorKind::Indeterminate.into()))
    }
}

impl<W: Work> Shared<W> {
    fn queue(&self) -> MutexGuard<'_, Queue<W::Job>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a job back that was not begun.
    fn withdraw(&self, number: u64) -> bool {
        let waiting = &mut self.queue().waiting;
        let at = waiting.iter().position(|asked| asked.number == number);
        at.and_then(|at| waiting.remove(at)).is_some()
    }
}

/// The right to work, which one has at a time.
struct Lead<W: Work> {
    shared: Arc<Shared<W>>,
    is_held: bool,
}

impl<W: Work> Lead<W> {
    async fn round(&self) {
        let round: Vec<_> = {
            let waiting = &mut self.shared.queue().waiting;
            let length = waiting.len().min(ROUND);
            waiting.drain(..length).collect()
        };
        // What nobody waits for any more is not begun.
        let wanted = round.into_iter().filter(|asked| !asked.reply.is_closed());
        let wanted: Vec<_> = wanted.collect();
        if !wanted.is_empty() {
            self.shared.work.work(wanted).await;
        }
    }

    /// The right to go on, if there is something to do; otherwise it is given up in the same
    /// moment, so that nobody waits for a leader that has gone.
    fn goes_on(mut self) -> Option<Self> {
        {
            let queue = &mut *self.shared.queue();
            queue.is_led = !queue.waiting.is_empty();
            self.is_held = queue.is_led;
        }
        self.is_held.then_some(self)
    }

    async fn go_on_until_idle(self) {
        let mut lead = Some(self);
        while let Some(leads) = lead {
            leads.round().await;
            lead = leads.goes_on();
        }
    }
}

/// When the runtime ends in the middle, nobody is left to do what waits.
impl<W: Work> Drop for Lead<W> {
    fn drop(&mut self) {
        if self.is_held {
            let left = {
                let queue = &mut *self.shared.queue();
                queue.is_led = false;
                std::mem::take(&mut queue.waiting)
            };
            for asked in left {
                let why = "the runtime ended before this write began";
                asked.answer(Err(StorageError::new(StorageErrorKind::Unavailable, why)));
            }
        }
    }
}
