//! Sign-in with the person's own browser, which comes back to a port of this computer.

mod browser;
mod page;
mod paste;
mod serve;

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use oauth_client::types::SecretText;
use oauth_client::{UserAgent, UserAgentError, Visit};
use tokio::net::TcpListener;

use paste::Pasted;
use serve::{Expected, serve};

/// Where browsers come back to.
const PATH: &str = "/callback";

/// Opens the system's browser and receives its answer on a loopback address.
///
/// The listener is bound to 127.0.0.1 (::1 where there is no IPv4), on a port that is free, from
/// [`UserAgent::begin`] until the answer is there, the time is over, or the future is dropped. It
/// answers anybody on this computer: only a request to the path of the redirect with the `state` of
/// this sign-in counts as the answer, and whatever else comes (a tab's icon, a connection opened
/// ahead, another sign-in's answer) is turned away and does no harm.
///
/// Where no browser can be opened, or on another computer, the address is shown, and what the person
/// pastes back counts as well.
///
/// Spec: RFC 8252 §7.3, §8.3.
#[derive(Clone)]
pub struct Loopback {
    program: Arc<str>,
    port: u16,
    limit: Duration,
    open: Opener,
    tell: Arc<dyn Fn(Notice<'_>) + Send + Sync>,
    pasted: Option<Pasted>,
}

type Opener = Arc<dyn Fn(&str) -> std::io::Result<()> + Send + Sync>;

/// What the person has to know.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Notice<'a> {
    /// A browser was opened at this address. It holds no secret but is not for logs: `state` is in it.
    Opened(&'a str),
    /// Nothing could be opened: they open this address themselves.
    OpenThis(&'a str),
    /// What was pasted is not the answer of this sign-in.
    NotTheAnswer,
}

impl Loopback {
    /// Signs people in for a program of this name, which the closing page shows.
    pub fn new(program: impl Into<Arc<str>>) -> Self {
        Self {
            program: program.into(),
            port: 0,
            limit: Duration::from_secs(300),
            open: Arc::new(browser::open),
            tell: Arc::new(|notice| say(&notice)),
            pasted: None,
        }
    }

    /// Listens on this port, for clients whose redirect URI was registered by hand at a server that
    /// compares ports. Default: any that is free (RFC 8252 §7.3).
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// How long the person may take. Default: five minutes.
    #[must_use]
    pub const fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Opens addresses with this. Default: the system's browser. An error is no failure: then the
    /// person is asked to open it.
    #[must_use]
    pub fn open_with(
        mut self,
        open: impl Fn(&str) -> std::io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        self.open = Arc::new(open);
        self
    }

    /// Opens nothing: the address is shown.
    #[must_use]
    pub fn without_browser(self) -> Self {
        self.open_with(|_| Err(std::io::ErrorKind::Unsupported.into()))
    }

    /// Tells the person with this. Default: on standard error.
    #[must_use]
    pub fn tell(mut self, tell: impl Fn(Notice<'_>) + Send + Sync + 'static) -> Self {
        self.tell = Arc::new(tell);
        self
    }

    /// Takes lines from here, too: the address at which a browser on another computer ended, or its
    /// query. A thread reads them from now on and ends with the last line; nothing else can read
    /// from there any more.
    #[must_use]
    pub fn paste_from(mut self, lines: impl std::io::BufRead + Send + 'static) -> Self {
        self.pasted = Some(Pasted::reading(lines));
        self
    }
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loopback")
            .field("program", &self.program)
            .field("port", &self.port)
            .field("limit", &self.limit)
            .finish_non_exhaustive()
    }
}

fn say(notice: &Notice<'_>) {
    match notice {
        Notice::Opened(url) => {
            eprintln!("A browser was opened to sign in. If none appears, open:\n\n    {url}\n");
        }
        Notice::OpenThis(url) => eprintln!("To sign in, open this address:\n\n    {url}\n"),
        Notice::NotTheAnswer => eprintln!("That is not the answer of this sign-in."),
    }
}

#[async_trait]
impl UserAgent for Loopback {
    async fn begin(&self) -> Result<Box<dyn Visit>, UserAgentError> {
        let listener = bind(self.port)
            .await
            .map_err(|error| UserAgentError::Unavailable(error.into()))?;
        let address = listener
            .local_addr()
            .map_err(|error| UserAgentError::Unavailable(error.into()))?;
        Ok(Box::new(Waiting {
            redirect_uri: format!("http://{address}{PATH}"),
            address,
            listener,
            how: self.clone(),
        }))
    }
}

/// One loopback address, by its number: names may lead elsewhere (RFC 8252 §8.3).
async fn bind(port: u16) -> std::io::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Err(error),
        Err(_) => TcpListener::bind((Ipv6Addr::LOCALHOST, port)).await,
        bound => bound,
    }
}

struct Waiting {
    redirect_uri: String,
    address: SocketAddr,
    listener: TcpListener,
    how: Loopback,
}

#[async_trait]
impl Visit for Waiting {
    fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    async fn visit(self: Box<Self>, url: &str) -> Result<SecretText, UserAgentError> {
        let Self {
            address,
            listener,
            how,
            ..
        } = *self;
        let expected = Arc::new(Expected::of(url, address, &how.program));
        match (how.open)(url) {
            Ok(()) => (how.tell)(Notice::Opened(url)),
            Err(_) => (how.tell)(Notice::OpenThis(url)),
        }
        let pasted = async {
            match &how.pasted {
                Some(pasted) => {
                    let unsuited = || (how.tell)(Notice::NotTheAnswer);
                    pasted.answer(&expected, unsuited).await
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            answer = serve(&listener, &expected) => Ok(answer),
            answer = pasted => Ok(answer),
            () = tokio::time::sleep(how.limit) => Err(UserAgentError::TimedOut),
        }
    }
}
