//! The sockets that clients come by: TCP or unix, opened here or handed over by whoever started the server.
//!
//! A socket that was handed over (systemd's socket activation, sd_listen_fds(3)) outlives the server: who connects while no
//! server runs waits in its queue, and the next server finds him there.

use std::env;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use listenfd::ListenFd;
use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Config;
use crate::error::{Error, Result};

/// Where a client can reach the server.
#[derive(Clone, Debug)]
pub enum Address {
    Tcp(SocketAddr),
    /// None for a socket without a name in the file system.
    Unix(Option<PathBuf>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Address::Tcp(address) => write!(f, "http://{address}"),
            Address::Unix(Some(path)) => write!(f, "the socket {}", path.display()),
            Address::Unix(None) => f.write_str("a socket without a name"),
        }
    }
}

/// A socket that was handed over, before there is a runtime.
pub enum HandedOver {
    Tcp(std::net::TcpListener),
    Unix(std::os::unix::net::UnixListener),
}

/// The sockets that were handed over; none where nobody did. To be called while there is one thread: what says so in the
/// environment is removed, so that no child believes that they are its own.
pub fn handed_over() -> Result<Vec<HandedOver>> {
    // Without it, whose they are is not said: they may have been left open by an ancestor.
    if env::var_os("LISTEN_PID").is_none() {
        return Ok(Vec::new());
    }
    let mut sockets = ListenFd::from_env();
    (0..sockets.len()).map(|place| take(&mut sockets, place)).collect()
}

fn take(sockets: &mut ListenFd, place: usize) -> Result<HandedOver> {
    let wrong = |what: &str| {
        Error::bad_request(format!(
            "descriptor {} was handed over to be listened on, but {what}: a stream socket is needed, ListenStream= in a systemd unit",
            3 + place
        ))
    };
    let (socket, listens) = match sockets.take_tcp_listener(place) {
        Ok(Some(socket)) => {
            let listens = sockopt::socket_acceptconn(&socket);
            (HandedOver::Tcp(socket), listens)
        }
        _ => {
            let socket = sockets.take_unix_listener(place).map_err(|error| wrong(&error.to_string()))?;
            let socket = socket.ok_or_else(|| wrong("it is not there"))?;
            let listens = sockopt::socket_acceptconn(&socket);
            (HandedOver::Unix(socket), listens)
        }
    };
    match listens {
        Ok(true) => Ok(socket),
        Ok(false) => Err(wrong("it does not listen")),
        Err(error) => Err(wrong(&error.to_string())),
    }
}

/// A listening socket.
pub struct Listener {
    socket: Socket,
    pub address: Address,
    /// Whether it goes on listening when this process has ended.
    outlives_us: bool,
}

enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub async fn accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(stream, _)| Stream::Tcp(stream)),
            Socket::Unix(socket) => socket.accept().await.map(|(stream, _)| Stream::Unix(stream)),
        }
    }

    /// Who has connected and was not accepted yet, for a socket that is about to be closed, which would reset them.
    pub fn left_in_queue(self) -> impl Iterator<Item = Stream> {
        // The runtime may not have heard of them: the kernel is asked.
        let socket = match self.socket {
            Socket::Tcp(socket) if !self.outlives_us => socket.into_std().ok(),
            _ => None,
        };
        std::iter::from_fn(move || {
            let (stream, _) = socket.as_ref()?.accept().ok()?;
            stream.set_nonblocking(true).ok()?;
            TcpStream::from_std(stream).ok().map(Stream::Tcp)
        })
    }
}

/// Listens: on what was handed over, or else on every address of the configuration.
pub async fn listen(config: &Config, handed_over: Vec<HandedOver>) -> Result<Vec<Listener>> {
    if handed_over.is_empty() {
        return bind(config).await;
    }
    let unusable = |error| Error::internal(format!("a socket that was handed over cannot be used: {error}"));
    let listeners = handed_over.into_iter().map(adopt).collect::<io::Result<Vec<_>>>().map_err(unusable)?;
    let addresses: Vec<SocketAddr> = listeners.iter().filter_map(|listener| tcp(&listener.address)).collect();
    config.check_listening(&addresses)?;
    Ok(listeners)
}

fn adopt(handed_over: HandedOver) -> io::Result<Listener> {
    let (socket, address) = match handed_over {
        HandedOver::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            let address = Address::Tcp(socket.local_addr()?);
            (Socket::Tcp(TcpListener::from_std(socket)?), address)
        }
        HandedOver::Unix(socket) => {
            socket.set_nonblocking(true)?;
            let address = Address::Unix(socket.local_addr()?.as_pathname().map(PathBuf::from));
            (Socket::Unix(UnixListener::from_std(socket)?), address)
        }
    };
    Ok(Listener { socket, address, outlives_us: true })
}

/// A port of 0 is chosen once, for all; a machine without IPv6 does without ::1.
async fn bind(config: &Config) -> Result<Vec<Listener>> {
    let mut listeners: Vec<Listener> = Vec::new();
    for address in &config.listen {
        let mut address = *address;
        if address.port() == 0
            && let Some(first) = listeners.first().and_then(|first| tcp(&first.address))
        {
            address.set_port(first.port());
        }
        match bind_one(address).await {
            Ok(listener) => listeners.push(listener),
            Err(error) if address.ip() == Ipv6Addr::LOCALHOST && error.kind() == io::ErrorKind::AddrNotAvailable => {
                tracing::info!("this machine has no IPv6 loopback: not listening on {address}");
            }
            Err(error) => {
                let what_to_do =
                    if error.kind() == io::ErrorKind::AddrInUse { ": is another server running? Choose another with --port" } else { "" };
                return Err(Error::bad_request(format!("cannot listen on {address}: {error}{what_to_do}")));
            }
        }
    }
    Ok(listeners)
}

async fn bind_one(address: SocketAddr) -> io::Result<Listener> {
    let socket = TcpListener::bind(address).await?;
    let address = Address::Tcp(socket.local_addr()?);
    Ok(Listener { socket: Socket::Tcp(socket), address, outlives_us: false })
}

/// The address of a TCP socket.
pub fn tcp(address: &Address) -> Option<SocketAddr> {
    match address {
        Address::Tcp(address) => Some(*address),
        Address::Unix(_) => None,
    }
}

/// A client's connection.
pub enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    /// Answers are small and late, so none waits for another packet; and the kernel ends a connection whose client has not
    /// taken anything for `stalled`, or is gone without a word. What is not to be had is done without.
    pub fn tune(&self, stalled: Duration) {
        if let Stream::Tcp(stream) = self {
            _ = stream.set_nodelay(true);
            _ = sockopt::set_tcp_user_timeout(stream, u32::try_from(stalled.as_millis()).unwrap_or(u32::MAX));
        }
    }

    /// Waits for bytes, and copies the first of them without taking them; 0 where the client has closed.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        poll_fn(|context| self.poll_peek(context, buffer)).await
    }

    /// The same as a step of a future.
    pub fn poll_peek(&self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        use std::os::fd::{AsFd, BorrowedFd};
        let mut look = |fd: BorrowedFd| {
            let (_, count) = rustix::net::recv(fd, &mut *buffer, rustix::net::RecvFlags::PEEK)?;
            Ok(count)
        };
        loop {
            let looked = match self {
                Stream::Tcp(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_io(Interest::READABLE, || look(stream.as_fd()))
                }
                Stream::Unix(stream) => {
                    ready!(stream.poll_read_ready(context))?;
                    stream.try_io(Interest::READABLE, || look(stream.as_fd()))
                }
            };
            match looked {
                // Now the runtime knows that there is nothing to read.
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                looked => return Poll::Ready(looked),
            }
        }
    }

    /// Writes what can be written now, without the exclusive right to the stream that [`AsyncWrite`] asks for.
    pub fn try_write_vectored(&self, slices: &[io::IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.try_write_vectored(slices),
            Stream::Unix(stream) => stream.try_write_vectored(slices),
        }
    }

    /// Wakes the task when there is something to read, if there is nothing now.
    pub fn wake_when_readable(&self, context: &mut Context<'_>) {
        _ = match self {
            Stream::Tcp(stream) => stream.poll_read_ready(context),
            Stream::Unix(stream) => stream.poll_read_ready(context),
        };
    }

    /// Whether the client has closed its half, whatever of it has not been read yet.
    pub fn is_hung_up(&self) -> bool {
        use rustix::event::{PollFd, PollFlags, Timespec, poll};
        let mut looked_at = match self {
            Stream::Tcp(stream) => [PollFd::new(stream, PollFlags::RDHUP)],
            Stream::Unix(stream) => [PollFd::new(stream, PollFlags::RDHUP)],
        };
        let looked = poll(&mut looked_at, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
        looked.is_ok() && looked_at[0].revents().intersects(PollFlags::RDHUP | PollFlags::HUP | PollFlags::ERR)
    }
}

/// Hands a call on to whichever socket it is.
macro_rules! either {
    ($stream:expr, $method:ident $(, $argument:expr)*) => {
        match $stream.get_mut() {
            Stream::Tcp(stream) => Pin::new(stream).$method($($argument),*),
            Stream::Unix(stream) => Pin::new(stream).$method($($argument),*),
        }
    };
}

impl AsyncRead for Stream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_read, context, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, poll_write, context, bytes)
    }

    fn poll_write_vectored(self: Pin<&mut Self>, context: &mut Context<'_>, slices: &[io::IoSlice<'_>]) -> Poll<io::Result<usize>> {
        either!(self, poll_write_vectored, context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_flush, context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, poll_shutdown, context)
    }
}
