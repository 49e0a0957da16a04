// SPDX-License-Identifier: GPL-2.0-only

//! The sockets on which requests come.

use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::sockopt::{socket_acceptconn, socket_type};
use rustix::net::{AddressFamily, SocketType, getsockname};

/// Where to listen.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Address {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.is_empty() {
                Err("expected a path behind \"unix:\"".to_owned())
            } else {
                Ok(Self::Unix(path.into()))
            };
        }
        let any = text.strip_prefix(':').map(|port| format!("[::]:{port}"));
        let address = any.as_deref().unwrap_or(text).parse();
        address
            .map(Self::Tcp)
            .map_err(|_| "expected ADDRESS:PORT, :PORT for all addresses, or unix:PATH".to_owned())
    }
}

/// A socket that listens.
#[derive(Debug)]
pub enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Listener {
    pub fn bind(address: &Address) -> anyhow::Result<Self> {
        match address {
            Address::Tcp(address) => {
                let listener = TcpListener::bind(address);
                let listener = listener.with_context(|| format!("listen at {address}"))?;
                Ok(Self::Tcp(listener))
            }
            Address::Unix(path) => {
                remove_stale(path);
                let listener = UnixListener::bind(path);
                let listener = listener.with_context(|| format!("listen at {}", path.display()))?;
                Ok(Self::Unix(listener))
            }
        }
    }

    /// Returns the sockets that systemd has passed to this process.
    pub fn inherited() -> anyhow::Result<Vec<Self>> {
        let sockets = sd_listen_fds::get().context("the sockets of systemd")?;
        let sockets = sockets.into_iter().zip(1..);
        let listeners = sockets.map(|((_, socket), number)| {
            let listener = Self::from_fd(socket.into_std());
            listener.with_context(|| format!("inherited socket {number}"))
        });
        listeners.collect()
    }

    fn from_fd(socket: OwnedFd) -> anyhow::Result<Self> {
        fcntl_setfd(&socket, FdFlags::CLOEXEC)?;
        if socket_type(&socket)? != SocketType::STREAM || !socket_acceptconn(&socket)? {
            bail!("it is not a stream socket that listens");
        }
        match getsockname(&socket)?.address_family() {
            AddressFamily::INET | AddressFamily::INET6 => Ok(Self::Tcp(socket.into())),
            AddressFamily::UNIX => Ok(Self::Unix(socket.into())),
            _ => bail!("its addresses are neither of the Internet nor paths"),
        }
    }

    /// Returns the socket for use in the runtime.
    pub fn into_socket(self) -> io::Result<Socket> {
        Ok(match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                Socket::Tcp(tokio::net::TcpListener::from_std(listener)?)
            }
            Self::Unix(listener) => {
                listener.set_nonblocking(true)?;
                Socket::Unix(tokio::net::UnixListener::from_std(listener)?)
            }
        })
    }
}

/// A socket in the runtime.
pub enum Socket {
    Tcp(tokio::net::TcpListener),
    Unix(tokio::net::UnixListener),
}

/// Removes the socket of a process that has ended.
fn remove_stale(path: &Path) {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|file| file.file_type().is_socket());
    let is_refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
    if is_socket && UnixStream::connect(path).is_err_and(is_refused) {
        // If it stays, the error of bind() says so.
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_two_kinds() {
        let tcp = |text: &str| Ok(Address::Tcp(text.parse().unwrap()));
        assert_eq!("127.0.0.1:9000".parse(), tcp("127.0.0.1:9000"));
        assert_eq!("[::1]:9000".parse(), tcp("[::1]:9000"));
        assert_eq!(":9000".parse(), tcp("[::]:9000"));
        assert_eq!("unix:/run/x".parse(), Ok(Address::Unix("/run/x".into())));
        for bad in ["", "9000", "127.0.0.1", "unix:", "host:x", ":"] {
            assert!(bad.parse::<Address>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn inherited_sockets_have_to_listen() {
        let tcp = TcpListener::bind("[::1]:0").or_else(|_| TcpListener::bind("127.0.0.1:0"));
        let tcp = Listener::from_fd(tcp.unwrap().into());
        assert!(matches!(tcp, Ok(Listener::Tcp(_))), "{tcp:?}");
        let (connected, _) = UnixStream::pair().unwrap();
        assert!(Listener::from_fd(connected.into()).is_err());
        let udp = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!(Listener::from_fd(udp.into()).is_err());
        let file = fs::File::open("/dev/null").unwrap();
        assert!(Listener::from_fd(file.into()).is_err());
    }

    #[test]
    fn a_socket_that_is_left_over_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("socket"));
        let first = Listener::bind(&address).unwrap();
        let error = Listener::bind(&address).unwrap_err();
        assert!(format!("{error:#}").contains("in use"), "{error:#}");
        drop(first);
        Listener::bind(&address).unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "text").unwrap();
        assert!(Listener::bind(&Address::Unix(file.clone())).is_err());
        assert_eq!(fs::read_to_string(file).unwrap(), "text");
    }
}
