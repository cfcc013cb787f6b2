//! Making a connection, in libpq's order: place by place, with TLS and without as `sslmode` has it.
//!
//! The pool's sessions are synchronous and the tailer's is not, so there are two ways in; which attempt comes next, and
//! what a failure means, is decided in one.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use futures_util::Stream;
use futures_util::stream::poll_fn;
use rand::seq::SliceRandom;
use tokio_postgres::config::{ChannelBinding as Binding, SslMode as Wire, TargetSessionAttrs};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls, Socket};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{explain, tls};
use crate::config::{Address, ChannelBinding, Host, Place, SslMode};
use crate::error::{Error, Result};

/// What a connection brings besides answers. It must be polled for the client to get on, and ends with the connection.
pub type Messages = Pin<Box<dyn Stream<Item = std::result::Result<AsyncMessage, tokio_postgres::Error>> + Send>>;

/// Attempts of callers that may block, at once: more than pool and command make together, unless most of them hang.
const CONNECTING_MOST: usize = 32;

/// Connects, for a caller that may block. What the database remarks (its notices) is logged for a person if `notices`, else only
/// for who looks for faults: a VACUUM that another forestalls is a warning to it.
pub fn connect_blocking(address: &Address, notices: bool) -> Result<postgres::Client> {
    let mut attempts = Attempts::new(address);
    while let Some(attempt) = attempts.next() {
        let mut config = postgres::Config::from(attempt.config.clone());
        if notices {
            config.notice_callback(|notice| tracing::info!("{}", notice.message()));
        } else {
            config.notice_callback(|notice| tracing::debug!("{}: {}", notice.severity(), notice.message()));
        }
        match within(address.connect_timeout, config, attempt.tls.clone()) {
            Some(Ok(client)) => return Ok(client),
            Some(Err(error)) => attempts.failed(&attempt, error),
            None => attempts.gave_no_answer(&attempt, address.connect_timeout.unwrap_or_default()),
        }
    }
    Err(attempts.error())
}

/// Makes a connection on a thread of its own: the synchronous crate bounds the socket's connect alone, and a server that
/// accepts and then is mute would keep the caller for ever. None where the time is up; the thread then stays until the
/// server says something or the connection is cut, so there are never more than [`CONNECTING_MOST`] of them.
fn within(
    limit: Option<Duration>,
    config: postgres::Config,
    tls: Option<MakeRustlsConnect>,
) -> Option<std::result::Result<postgres::Client, postgres::Error>> {
    static CONNECTING: AtomicUsize = AtomicUsize::new(0);
    let connect = move || match tls {
        Some(tls) => config.connect(tls),
        None => config.connect(NoTls),
    };
    let Some(limit) = limit else { return Some(connect()) };
    if CONNECTING.fetch_add(1, Ordering::Relaxed) >= CONNECTING_MOST {
        CONNECTING.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        _ = sender.send(connect());
        CONNECTING.fetch_sub(1, Ordering::Relaxed);
    });
    receiver.recv_timeout(limit).ok()
}

/// Connects, for a caller that must not block. `limit` bounds each attempt.
pub async fn connect(address: &Address, limit: Duration) -> Result<(Client, Messages)> {
    let mut attempts = Attempts::new(address);
    while let Some(attempt) = attempts.next() {
        let connecting = async {
            Ok(match attempt.tls.clone() {
                Some(tls) => attempt.config.connect(tls).await.map(|(client, connection)| (client, messages(connection)))?,
                None => attempt.config.connect(NoTls).await.map(|(client, connection)| (client, messages(connection)))?,
            })
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(Ok(connected)) => return Ok(connected),
            Ok(Err(error)) => attempts.failed(&attempt, error),
            Err(_) => attempts.gave_no_answer(&attempt, limit),
        }
    }
    Err(attempts.error())
}

fn messages<T>(mut connection: Connection<Socket, T>) -> Messages
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    Box::pin(poll_fn(move |context| connection.poll_message(context)))
}

/// One try at one place.
pub struct Attempt {
    pub place: Place,
    pub config: tokio_postgres::Config,
    /// None without TLS.
    pub tls: Option<MakeRustlsConnect>,
}

/// What is still to be tried, and what went wrong so far.
struct Attempts<'a> {
    address: &'a Address,
    /// A place, and whether with TLS.
    left: VecDeque<(Place, bool)>,
    failures: Vec<Error>,
}

impl Attempts<'_> {
    fn new(address: &Address) -> Attempts<'_> {
        let mut places = address.places.clone();
        if address.shuffled {
            places.shuffle(&mut rand::rng());
        }
        let left = places.into_iter().flat_map(|place| {
            let with_tls: &[bool] = match (&place.host, address.tls.mode) {
                (Host::Socket(_), _) | (_, SslMode::Disable) => &[false],
                (_, SslMode::Allow) => &[false, true],
                (_, SslMode::Prefer) => &[true, false],
                (_, SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull) => &[true],
            };
            with_tls.iter().map(move |with_tls| (place.clone(), *with_tls))
        });
        Attempts { address, left: left.collect(), failures: Vec::new() }
    }

    fn next(&mut self) -> Option<Attempt> {
        loop {
            let (place, with_tls) = self.left.pop_front()?;
            match with_tls.then(|| tls::connector(&self.address.tls)).transpose() {
                Ok(tls) => return Some(Attempt { config: config(self.address, &place, with_tls), place, tls }),
                Err(error) => {
                    self.warn_of_downgrade(&place, &error);
                    self.failures.push(error);
                }
            }
        }
    }

    /// As libpq has it: what cannot be reached is not tried in another way, and a server that does not let us in is the
    /// last that is asked, unless it only is not ready yet.
    fn failed(&mut self, attempt: &Attempt, error: tokio_postgres::Error) {
        const CANNOT_CONNECT_NOW: &str = "57P03";
        let refused = error.as_db_error().is_some_and(|error| error.code().code() != CANNOT_CONNECT_NOW);
        let another_way = self.left.front().is_some_and(|(place, _)| *place == attempt.place);
        if explain::is_out_of_reach(&error) {
            self.left.retain(|(place, _)| *place != attempt.place);
        } else if refused && !another_way {
            self.left.clear();
        }
        let has_no_tls = explain::has_no_tls(&error);
        let error = explain::failure(error, self.address, attempt);
        if attempt.tls.is_some() && !has_no_tls {
            self.warn_of_downgrade(&attempt.place, &error);
        }
        self.failures.push(error);
    }

    fn gave_no_answer(&mut self, attempt: &Attempt, limit: Duration) {
        let detail = format!("the database cannot be reached: {} gave no answer within {limit:?}", attempt.place);
        self.failures.push(Error::unavailable(detail, Duration::ZERO));
    }

    /// With `prefer`, whoever can break TLS gets a connection without: that is what it means, but it is said.
    fn warn_of_downgrade(&self, place: &Place, error: &Error) {
        if self.address.tls.mode == SslMode::Prefer && self.left.front().is_some_and(|(next, _)| next == place) {
            tracing::warn!("going on without TLS, for sslmode is prefer: {error}");
        }
    }

    /// All that went wrong, as one.
    fn error(mut self) -> Error {
        let Some(last) = self.failures.pop() else { return Error::internal("the database has no address") };
        let mut details: Vec<String> = self.failures.into_iter().map(|error| error.detail).collect();
        details.push(last.detail.clone());
        Error { detail: details.join("; "), ..last }
    }
}

fn config(address: &Address, place: &Place, with_tls: bool) -> tokio_postgres::Config {
    let mut config = tokio_postgres::Config::new();
    match &place.host {
        Host::Socket(directory) => _ = config.host_path(directory),
        Host::Network { address, .. } => {
            if let Some(address) = address {
                config.hostaddr(*address);
            }
            // The name that TLS asks for.
            config.host(place.host.to_string());
        }
    }
    config.port(place.port).user(&address.user).dbname(&address.database).application_name(&address.application_name);
    if let Some(password) = address.password(place) {
        config.password(password);
    }
    if let Some(options) = &address.options {
        config.options(options);
    }
    if let Some(timeout) = address.connect_timeout {
        config.connect_timeout(timeout);
    }
    if address.read_write {
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
    }
    let silence = &address.silence;
    config
        .ssl_mode(if with_tls { Wire::Require } else { Wire::Disable })
        .channel_binding(match address.channel_binding {
            ChannelBinding::Disable => Binding::Disable,
            ChannelBinding::Prefer => Binding::Prefer,
            ChannelBinding::Require => Binding::Require,
        })
        .keepalives(silence.keepalives)
        .keepalives_idle(silence.idle)
        .keepalives_interval(silence.interval)
        .keepalives_retries(silence.count)
        .tcp_user_timeout(silence.user_timeout);
    config
}
