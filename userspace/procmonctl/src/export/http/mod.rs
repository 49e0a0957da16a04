// SPDX-License-Identifier: GPL-2.0-only

//! Metrics over HTTP.

mod accept;
mod listener;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use self::listener::Socket;
pub use self::listener::{Address, Listener};
use super::exporter::Worker;

/// The most connections at a time. Others wait until one ends.
const CONNECTIONS: usize = 32;

/// The most bytes of a request's head, and of what is sent at a time.
const BUFFER: usize = 16 * 1024;

/// The time for the head of a request, also for that of the next one.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// The time after which no more requests of a connection are answered.
const LIFE: Duration = Duration::from_secs(300);

/// The time for the last answer of a connection.
const GRACE: Duration = Duration::from_secs(10);

/// The pause after a connection could not be accepted, as when there are too many open files.
const PAUSE: Duration = Duration::from_millis(100);

const PAGE: &str = "<!DOCTYPE html>\n<html lang=\"en\"><title>procmon</title>\n\
                    <h1>procmon</h1>\n<p><a href=\"/metrics\">Metrics</a></p></html>\n";

/// Answers requests until the process ends.
pub fn serve(listeners: Vec<Listener>, worker: Worker) -> io::Result<Infallible> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()?;
    runtime.block_on(async move {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        for listener in listeners {
            let accept = accept(
                listener.into_socket()?,
                Arc::clone(&permits),
                worker.clone(),
            );
            tokio::spawn(accept);
        }
        std::future::pending().await
    })
}

async fn accept(socket: Socket, permits: Arc<Semaphore>, worker: Worker) {
    // Nothing closes the semaphore.
    while let Ok(permit) = Arc::clone(&permits).acquire_owned().await {
        let accepted = match &socket {
            Socket::Tcp(socket) => socket.accept().await.map(|(stream, _)| {
                tokio::spawn(converse(stream, worker.clone(), permit));
            }),
            Socket::Unix(socket) => socket.accept().await.map(|(stream, _)| {
                tokio::spawn(converse(stream, worker.clone(), permit));
            }),
        };
        if accepted.is_err() {
            sleep(PAUSE).await;
        }
    }
}

/// Answers the requests of a connection.
async fn converse<S>(stream: S, worker: Worker, _permit: OwnedSemaphorePermit)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let service = service_fn(|request: Request<Incoming>| {
        let worker = worker.clone();
        async move { Ok::<_, Infallible>(answer(&request, &worker).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    // What is wrong with a connection is the client's affair.
    if timeout(LIFE, connection.as_mut()).await.is_err() {
        connection.as_mut().graceful_shutdown();
        let _ = timeout(GRACE, connection).await;
    }
}

async fn answer<B>(request: &Request<B>, worker: &Worker) -> Response<Full<Bytes>> {
    const PLAIN: &str = "text/plain; charset=utf-8";

    if request.method() != Method::GET && request.method() != Method::HEAD {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            PLAIN,
            "only GET and HEAD are allowed\n",
        );
        let allowed = HeaderValue::from_static("GET, HEAD");
        answer.headers_mut().insert(ALLOW, allowed);
        return answer;
    }
    match request.uri().path() {
        "/" => text(StatusCode::OK, "text/html; charset=utf-8", PAGE),
        "/metrics" => {
            let accept = request.headers().get_all(ACCEPT).iter();
            let format = accept::format(accept.filter_map(|value| value.to_str().ok()));
            match worker.metrics(format).await {
                Some(metrics) => text(StatusCode::OK, format.content_type(), metrics),
                None => text(StatusCode::INTERNAL_SERVER_ERROR, PLAIN, "no metrics\n"),
            }
        }
        _ => text(StatusCode::NOT_FOUND, PLAIN, "not found\n"),
    }
}

fn text(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}

#[cfg(test)]
mod tests;
