//! What can happen between a store and its server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How a [`Proxy`] treats what comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// All of it goes through.
    Through,
    /// Each answer is kept back so long.
    Slowly(Duration),
    /// Requests go through, but each so-manieth answer is thrown away, and its connection with it:
    /// whoever asked cannot know what became of it.
    Losing {
        /// Every how manieth.
        every: usize,
    },
    /// Nothing: connections are closed, and so is each that comes.
    Nothing,
}

/// A port that leads to another port of this machine, with trouble on the way. It closes when it
/// is dropped.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    way: Arc<Way>,
}

#[derive(Debug)]
struct Way {
    target: u16,
    passing: Mutex<Passing>,
    open: Mutex<Vec<[TcpStream; 2]>>,
    answers: AtomicUsize,
    is_closed: AtomicBool,
}

impl Proxy {
    /// A proxy before this port, through which all goes at first.
    ///
    /// # Panics
    /// When there is no free port.
    pub fn before(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let way = Arc::new(Way {
            target,
            passing: Mutex::new(Passing::Through),
            open: Mutex::new(Vec::new()),
            answers: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&way);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if accepting.is_closed.load(Ordering::SeqCst) {
                    return;
                }
                // One that cannot be carried is closed.
                Way::carry(&accepting, client).ok();
            }
        });
        Self { port, way }
    }

    /// The same URL, by way of this proxy.
    pub fn url(&self, url: &str) -> String {
        let (from, to) = (format!(":{}", self.way.target), format!(":{}", self.port));
        url.replace(&from, &to)
    }

    /// What becomes of everything from now on.
    pub fn passes(&self, passing: Passing) {
        *lock(&self.way.passing) = passing;
        if passing == Passing::Nothing {
            self.way.cut();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.way.is_closed.store(true, Ordering::SeqCst);
        self.way.cut();
        // Wakes up whoever accepts.
        TcpStream::connect(("127.0.0.1", self.port)).ok();
    }
}

impl Way {
    fn carry(this: &Arc<Self>, client: TcpStream) -> std::io::Result<()> {
        if *lock(&this.passing) == Passing::Nothing {
            return Ok(());
        }
        let server = TcpStream::connect(("127.0.0.1", this.target))?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let (mut asking, mut asked) = (client.try_clone()?, server.try_clone()?);
        lock(&this.open).push([client.try_clone()?, server.try_clone()?]);
        std::thread::spawn(move || {
            std::io::copy(&mut asking, &mut asked).ok();
            asked.shutdown(Shutdown::Write).ok();
        });
        let this = Arc::clone(this);
        std::thread::spawn(move || {
            this.answer(&server, &client).ok();
            for end in [client, server] {
                end.shutdown(Shutdown::Both).ok();
            }
        });
        Ok(())
    }

    fn answer(&self, mut server: &TcpStream, mut client: &TcpStream) -> std::io::Result<()> {
        let mut bytes = [0; 65536];
        while let read @ 1.. = server.read(&mut bytes)? {
            let passing = *lock(&self.passing);
            match passing {
                Passing::Through => {}
                Passing::Slowly(time) => std::thread::sleep(time),
                Passing::Losing { every } => {
                    let answers = self.answers.fetch_add(1, Ordering::SeqCst) + 1;
                    if answers.is_multiple_of(every) {
                        return Ok(());
                    }
                }
                Passing::Nothing => return Ok(()),
            }
            client.write_all(&bytes[..read])?;
        }
        Ok(())
    }

    fn cut(&self) {
        for end in lock(&self.open).drain(..).flatten() {
            end.shutdown(Shutdown::Both).ok();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
