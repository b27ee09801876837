//! Threads that do nothing but compare passwords with digests.
//!
//! A digest keeps a processor and 19 MiB busy for as long as hundreds of token requests take. So
//! there are few of these threads, they give way to all others where the system lets them, and
//! what waits for them is bounded.

use std::num::NonZeroUsize;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use argon2::Block;
use oauth_types::SecretText;
use tokio::sync::oneshot;

use super::belongs;

/// Sign-ins that wait for their turn. Whoever comes after them is asked to try again, which is
/// kinder than a minute's silence.
const MOST_WAITING: usize = 64;

/// Digests computed at once: half the processors, so that a flood of sign-ins leaves the other
/// half to everybody else.
fn at_once() -> usize {
    let processors = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    (processors / 2).clamp(1, 8)
}

/// How little the threads ask for, from 0 to 19: a tenth of what another thread gets when both
/// want the same processor, so that people still sign in on a busy server.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// A comparison to be made, and who waits for it.
struct Job {
    held: Arc<str>,
    password: SecretText,
    answer: oneshot::Sender<bool>,
}

/// Too many sign-ins wait already, or the threads are gone.
#[derive(Debug, thiserror::Error)]
#[error("too many sign-ins wait for their turn")]
pub(super) struct Busy;

/// The threads; they end when this is dropped.
pub(super) struct Digests(SyncSender<Job>);

impl Digests {
    /// Starts them.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start() -> io::Result<Self> {
        let (jobs, queue) = mpsc::sync_channel(MOST_WAITING);
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..at_once() {
            let queue = Arc::clone(&queue);
            let thread = thread::Builder::new().name("passwords".to_owned());
            thread.spawn(move || work(&queue))?;
        }
        Ok(Self(jobs))
    }

    /// Whether `password` is what `held`, a PHC string, was made of. When this is dropped, a
    /// comparison that has begun is made to its end, and one that has not never begins.
    ///
    /// # Errors
    /// [`Busy`].
    pub(super) async fn belongs(&self, held: Arc<str>, password: &str) -> Result<bool, Busy> {
        let (answer, answered) = oneshot::channel();
        let job = Job {
            held,
            password: SecretText::new(password),
            answer,
        };
        self.0.try_send(job).map_err(|_| Busy)?;
        answered.await.map_err(|_| Busy)
    }
}

fn work(queue: &Mutex<Receiver<Job>>) {
    give_way();
    // What a digest works in. An allocator would keep as much for every thread that ever made one.
    let mut memory: Vec<Block> = Vec::new();
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else {
            return;
        };
        if !job.answer.is_closed() {
            let belongs = belongs(&job.held, job.password.expose(), &mut memory);
            // Nobody may be waiting any more.
            let _ = job.answer.send(belongs);
        }
    }
}

/// Lets others go first. On Linux a priority is a thread's own; elsewhere it is the process's,
/// which is no business of ours.
fn give_way() {
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, NICE);
}
