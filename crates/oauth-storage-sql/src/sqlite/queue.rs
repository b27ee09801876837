//! Work that waits for threads.
//!
//! SQLite is called, not asked: each connection lives on a thread of its own, which takes what
//! waits. Nothing waits for company, and no timer runs but the one of whoever is tired of waiting.

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use oauth_storage::{StorageError, StorageErrorKind};
use tokio::sync::{oneshot, watch};
use tokio::time::{Instant, timeout};

/// A job, and whom to tell.
pub(super) struct Asked<J, A> {
    pub(super) job: J,
    pub(super) reply: Reply<A>,
    number: u64,
}

/// Whoever waits for an answer.
pub(super) struct Reply<A>(oneshot::Sender<Result<A, StorageError>>);

impl<A> Reply<A> {
    pub(super) fn answer(self, answer: Result<A, StorageError>) {
        // Whoever has gone does not want to know.
        self.0.send(answer).ok();
    }
}

/// Where jobs wait, first come, first served.
pub(super) struct Queue<J, A> {
    state: Mutex<State<J, A>>,
    wake: Condvar,
}

struct State<J, A> {
    waiting: VecDeque<Asked<J, A>>,
    next: u64,
    /// Threads that wait for a job: nobody else has to be woken up, which is a system call.
    idle: usize,
    is_closed: bool,
}

impl<J, A> Queue<J, A> {
    fn new() -> Self {
        Self {
            state: Mutex::new(State {
                waiting: VecDeque::new(),
                next: 0,
                idle: 0,
                is_closed: false,
            }),
            wake: Condvar::new(),
        }
    }

    /// Its number; `None` when the queue is closed.
    fn put(&self, job: J, reply: Reply<A>) -> Option<u64> {
        let mut state = self.state();
        if state.is_closed {
            return None;
        }
        let number = state.next;
        state.next += 1;
        state.waiting.push_back(Asked { job, reply, number });
        let someone_waits = state.idle > 0;
        drop(state);
        if someone_waits {
            self.wake.notify_one();
        }
        Some(number)
    }

    /// Takes a job back that was not begun.
    fn withdraw(&self, number: u64) -> bool {
        let waiting = &mut self.state().waiting;
        let at = waiting.iter().position(|asked| asked.number == number);
        at.and_then(|at| waiting.remove(at)).is_some()
    }

    /// Waits for work, but not beyond `until`, and moves at most `most` jobs that somebody still
    /// waits for into `into`. False once the queue is closed and empty.
    pub(super) fn take(
        &self,
        into: &mut Vec<Asked<J, A>>,
        most: usize,
        until: Option<Instant>,
    ) -> bool {
        let mut state = self.state();
        loop {
            while into.len() < most {
                let Some(asked) = state.waiting.pop_front() else {
                    break;
                };
                // What nobody waits for any more is not begun.
                if !asked.reply.0.is_closed() {
                    into.push(asked);
                }
            }
            if !into.is_empty() {
                return true;
            }
            if state.is_closed {
                return false;
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if left.is_some_and(|left| left.is_zero()) {
                return true;
            }
            state.idle += 1;
            state = match left {
                None => self
                    .wake
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(left) => {
                    let waited = self.wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
            state.idle -= 1;
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.state().is_closed
    }

    fn close(&self) {
        self.state().is_closed = true;
        self.wake.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State<J, A>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Threads that take jobs from one queue. They end when this is dropped, what waits being done
/// before.
pub(super) struct Workers<J, A> {
    queue: Arc<Queue<J, A>>,
    /// Each thread holds a receiver.
    alive: watch::Sender<()>,
    /// What it means that a thread ended in the middle of a job.
    lost: StorageErrorKind,
}

impl<J: Send + 'static, A: Send + 'static> Workers<J, A> {
    /// Starts a thread for each of `works`.
    pub(super) fn start<W>(works: Vec<W>, name: &str, lost: StorageErrorKind) -> io::Result<Self>
    where
        W: FnOnce(&Queue<J, A>) + Send + 'static,
    {
        let (alive, is_alive) = watch::channel(());
        let workers = Self {
            queue: Arc::new(Queue::new()),
            alive,
            lost,
        };
        for work in works {
            let (queue, is_alive) = (Arc::clone(&workers.queue), is_alive.clone());
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || {
                    work(&queue);
                    drop(is_alive);
                })?;
        }
        Ok(workers)
    }

    /// Has a job done. It is given up if it was not begun within `patience`.
    pub(super) async fn ask(&self, job: J, patience: Duration) -> Result<A, StorageError> {
        let unavailable = |why: &'static str| StorageError::new(StorageErrorKind::Unavailable, why);
        let (reply, mut answer) = oneshot::channel();
        let number = self
            .queue
            .put(job, Reply(reply))
            .ok_or_else(|| unavailable("the store is closed"))?;
        let answered = match timeout(patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if self.queue.withdraw(number) => {
                return Err(unavailable("what came before this took too long"));
            }
            // Begun, so it will be answered.
            Err(_) => answer.await,
        };
        answered.unwrap_or_else(|_| Err(self.lost.into()))
    }

    /// Takes no more jobs, and waits until those that were taken are done and the threads gone.
    pub(super) async fn close(&self) {
        self.queue.close();
        self.alive.closed().await;
    }
}

impl<J, A> Drop for Workers<J, A> {
    fn drop(&mut self) {
        self.queue.close();
    }
}
