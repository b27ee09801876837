//! One server, and the connections to it that all callers share.
//!
//! Each connection has a keeper, a task that makes it, works on it, and makes it again when it is
//! lost. Callers never connect: while a server is down they are told so at once, and the keeper
//! goes on trying.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, Value};
use tokio::sync::{Notify, watch};

use crate::dial::Dialling;
use crate::error::Failure;
use crate::scripts::Request;
use crate::settings::Address;

/// How long a keeper waits after it failed to connect: at first, and at the most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));

/// A server.
pub(crate) struct Node {
    pub(crate) address: Address,
    patience: Duration,
    is_private: bool,
    lines: Vec<watch::Receiver<State>>,
    turn: AtomicUsize,
    /// Over all lines.
    answers: AtomicU64,
}

/// What becomes of one connection.
#[derive(Clone)]
enum State {
    /// It is being made, and whoever needs it may wait for that.
    Connecting,
    Up(Line),
    /// It could not be made, or nothing came through it.
    Down(Arc<str>),
}

/// A connection that works.
#[derive(Clone)]
struct Line {
    connection: MultiplexedConnection,
    health: Arc<Health>,
}

#[derive(Default)]
struct Health {
    answers: AtomicU64,
    given_up: Notify,
}

impl Node {
    /// Begins to connect. Must be called inside a tokio runtime, which has to go on for as long
    /// as the node is used.
    pub(crate) fn new(address: Address, dialling: &Arc<Dialling>) -> Arc<Self> {
        let line = |_| {
            let (state, line) = watch::channel(State::Connecting);
            tokio::spawn(keep(address.clone(), Arc::clone(dialling), state));
            line
        };
        let lines = (0..dialling.connections).map(line).collect();
        Arc::new(Self {
            is_private: dialling.is_encrypted() || address.is_here(),
            address,
            patience: dialling.patience,
            lines,
            turn: AtomicUsize::new(0),
            answers: AtomicU64::new(0),
        })
    }

    /// Whether nobody else can listen.
    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }

    /// Sends a request, once, or tells why that cannot be.
    pub(crate) async fn send(&self, request: &Request, asking: bool) -> Result<Value, Failure> {
        let mut line = self.line().await?;
        match self.send_over(&mut line, &request.command, asking).await {
            // The server has done nothing yet, and will know the script from now on.
            Err(Failure::Refused(error)) if error.code() == Some("NOSCRIPT") => {
                match request.in_full() {
                    Some(full) => self.send_over(&mut line, &full, asking).await,
                    None => Err(Failure::Refused(error)),
                }
            }
            answer => answer,
        }
    }

    async fn send_over(
        &self,
        line: &mut Line,
        command: &Cmd,
        asking: bool,
    ) -> Result<Value, Failure> {
        let Line { connection, health } = line;
        let answers = || {
            let line = health.answers.load(Ordering::Relaxed);
            (line, self.answers.load(Ordering::Relaxed))
        };
        let before = answers();
        let sent = async {
            if !asking {
                return connection.send_packed_command(command).await;
            }
            // What is asked for has to follow at once, with nobody else's command in between.
            let mut both = redis::pipe();
            both.cmd("ASKING").ignore().add_command(command.clone());
            let mut values = connection.send_packed_commands(&both, 0, 2).await?;
            Ok(values.pop().unwrap_or_default())
        };
        match tokio::time::timeout(self.patience, sent).await {
            Ok(answer) => {
                health.answers.fetch_add(1, Ordering::Relaxed);
                self.answers.fetch_add(1, Ordering::Relaxed);
                answer.and_then(whole).map_err(|error| match error.code() {
                    Some(code) => {
                        if code == "READONLY" {
                            // It follows another by now: whoever connects anew may find that one.
                            health.given_up.notify_one();
                        }
                        Failure::Refused(error)
                    }
                    None => Failure::NoAnswer(error.to_string()),
                })
            }
            Err(_) => {
                // If others were answered meanwhile, only this was slow.
                let after = answers();
                if after.0 == before.0 {
                    health.given_up.notify_one();
                }
                if after.1 == before.1 {
                    self.give_up();
                }
                Err(Failure::NoAnswer("time ran out".to_owned()))
            }
        }
    }

    fn give_up(&self) {
        for line in &self.lines {
            if let State::Up(line) = &*line.borrow() {
                line.health.given_up.notify_one();
            }
        }
    }

    /// A connection that works, in turn. Waits only for one that is being made after the last was
    /// lost, and for no longer than one attempt takes.
    async fn line(&self) -> Result<Line, Failure> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let lines = || (0..self.lines.len()).map(|at| &self.lines[(turn + at) % self.lines.len()]);
        for line in lines() {
            if let State::Up(line) = &*line.borrow() {
                return Ok(line.clone());
            }
        }
        let waiting = lines().find(|line| matches!(*line.borrow(), State::Connecting));
        let Some(line) = waiting.or_else(|| lines().next()) else {
            return Err(Failure::NotSent("there is no connection".to_owned()));
        };
        let mut line = line.clone();
        let known = line
            .wait_for(|state| !matches!(state, State::Connecting))
            .await;
        match known.as_deref() {
            Ok(State::Up(line)) => Ok(line.clone()),
            Ok(State::Down(why)) => Err(Failure::NotSent(format!("{}: {why}", self.address))),
            Ok(State::Connecting) | Err(_) => Err(Failure::NotSent(
                "the runtime of this store has ended".to_owned(),
            )),
        }
    }
}

/// An answer, unless it says that something went wrong.
fn whole(answer: Value) -> redis::RedisResult<Value> {
    match answer {
        Value::ServerError(error) => Err(error.into()),
        answer => Ok(answer),
    }
}

/// Makes a connection again and again, until nobody can use it any more.
async fn keep(address: Address, dialling: Arc<Dialling>, state: watch::Sender<State>) {
    let mut pause = PAUSES.0;
    loop {
        let made = tokio::select! {
            made = dialling.connect(&address) => made,
            () = state.closed() => return,
        };
        match made {
            Ok((connection, work)) => {
                pause = PAUSES.0;
                let health = Arc::new(Health::default());
                let line = Line {
                    connection,
                    health: Arc::clone(&health),
                };
                if let State::Down(_) = state.send_replace(State::Up(line)) {
                    tracing::info!("Redis at {address} is back");
                }
                let next = tokio::select! {
                    () = work => State::Connecting,
                    () = health.given_up.notified() => State::Down("it does not answer, or follows another".into()),
                    () = state.closed() => return,
                };
                if let State::Down(why) = &next {
                    tracing::warn!("Redis at {address} is down: {why}");
                }
                state.send_replace(next);
            }
            Err(why) => {
                let why: Arc<str> = why.into();
                let was = state.send_replace(State::Down(Arc::clone(&why)));
                if !matches!(was, State::Down(_)) {
                    tracing::warn!("Redis at {address} is down: {why}");
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    () = state.closed() => return,
                }
                pause = (pause * 2).min(PAUSES.1);
            }
        }
    }
}
