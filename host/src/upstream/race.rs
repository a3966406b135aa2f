//! Which of several addresses takes a connection first (RFC 8305, "happy eyeballs").

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::timeout;

/// Until the next attempt begins beside one that is still under way; what RFC 8305,
/// section 5, recommends.
const HEAD_START: Duration = Duration::from_millis(250);

/// Families by turns, so that one which leads nowhere does not stand before all of
/// the other. Within a family the resolver's order stays.
pub(super) fn interleave(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let first = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (mut these, mut those): (VecDeque<_>, VecDeque<_>) =
        addresses.into_iter().partition(|address| address.is_ipv4() == first);
    let mut mixed = Vec::with_capacity(these.len() + those.len());
    while let Some(address) = these.pop_front() {
        mixed.push(address);
        if !those.is_empty() {
            std::mem::swap(&mut these, &mut those);
        }
    }
    mixed
}

/// The first attempt to succeed, or the last failure, or nothing if there are no
/// attempts. An attempt begins when one before it has failed or had its head start;
/// those that are still under way at the end are dropped.
pub(super) async fn race<T, E, Attempt>(
    attempts: impl IntoIterator<Item = Attempt>,
) -> Option<Result<T, E>>
where
    Attempt: Future<Output = Result<T, E>>,
{
    let mut waiting = attempts.into_iter();
    let mut running = FuturesUnordered::new();
    let mut failure = None;
    loop {
        let ended = match waiting.next() {
            Some(attempt) => {
                running.push(attempt);
                let Ok(ended) = timeout(HEAD_START, running.next()).await else { continue };
                ended
            }
            None => running.next().await,
        };
        match ended {
            Some(Ok(winner)) => return Some(Ok(winner)),
            Some(Err(error)) => failure = Some(Err(error)),
            None => return failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_take_turns() {
        let mixed = |list: &[&str]| {
            let list = list.iter().map(|ip| SocketAddr::new(ip.parse().unwrap(), 80)).collect();
            let mixed: Vec<_> = interleave(list).iter().map(|a| a.ip().to_string()).collect();
            mixed.join(" ")
        };
        assert_eq!(mixed(&["::1", "::2", "::3", "1.1.1.1"]), "::1 1.1.1.1 ::2 ::3");
        assert_eq!(mixed(&["1.1.1.1", "::1", "::2", "2.2.2.2"]), "1.1.1.1 ::1 2.2.2.2 ::2");
        assert_eq!(mixed(&["1.1.1.1", "2.2.2.2"]), "1.1.1.1 2.2.2.2");
        assert_eq!(mixed(&[]), "");
    }
}
