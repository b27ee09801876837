//! Many at once, and those who hang up.

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use oauth_jose::{Algorithm, Jws, Patience, RemoteKeySet};
use oauth_testkit::documents::Documents;
use oauth_types::Timestamp;
use oauth_types::outbound::{Fetch, Fetched, Outbound, OutboundError};

use super::{START, Scene, URI, present, signer, token};

/// Fetches from a table, slowly.
struct Slow<'a>(&'a Documents, Duration);

#[async_trait]
impl Outbound for Slow<'_> {
    async fn fetch(&self, fetch: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        std::thread::sleep(self.1);
        self.0.fetch(fetch).await
    }
}

/// A thousand requests find at once that the keys were rotated: one of them asks.
#[test]
fn a_thousand_requests_at_a_rotation_make_one_fetch() {
    let scene = Scene::new(Patience::TRUSTED);
    let (old, new) = (signer("old"), signer("new"));
    scene.publish(&[&old], None);
    assert!(scene.present(&token(&old), 0).is_ok());
    scene.publish(&[&old, &new], None);
    scene.documents.take_asked();
    let slow = Slow(&scene.documents, Duration::from_millis(100));
    let (begin, good) = (Barrier::new(1_000), AtomicUsize::new(0));
    let (old, new) = (token(&old), token(&new));
    std::thread::scope(|scope| {
        for count in 0..1_000 {
            let (scene, slow, begin, good) = (&scene, &slow, &begin, &good);
            let token = if count % 10 == 0 { &old } else { &new };
            // A clock is read by each on its own.
            let after = 60 + count % 2;
            let thread = std::thread::Builder::new().stack_size(128 * 1024);
            let spawned = thread.spawn_scoped(scope, move || {
                begin.wait();
                let verified = present(&scene.keys, slow, token, after);
                good.fetch_add(usize::from(verified.is_ok()), Ordering::Relaxed);
            });
            spawned.unwrap();
        }
    });
    assert_eq!(good.into_inner(), 1_000);
    assert_eq!(scene.documents.take_asked(), 1);
}

/// Answers once it is let go, and not before.
#[derive(Default)]
struct Gate {
    open: AtomicBool,
    asked: AtomicUsize,
    waiting: Mutex<Vec<Waker>>,
    body: Vec<u8>,
}

#[async_trait]
impl Outbound for Gate {
    async fn fetch(&self, _: &Fetch<'_>) -> Result<Fetched, OutboundError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        std::future::poll_fn(|cx| {
            if self.open.load(Ordering::Relaxed) {
                return Poll::Ready(());
            }
            self.waiting.lock().unwrap().push(cx.waker().clone());
            Poll::Pending
        })
        .await;
        Ok(Fetched {
            status: 200,
            body: self.body.clone(),
            ..Fetched::default()
        })
    }
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// While the keys are being renewed, whoever brings a token of a known key is answered at once.
#[test]
fn nobody_waits_whose_key_is_known() {
    let scene = Scene::new(Patience::TRUSTED);
    let (good, new) = (signer("good"), signer("new"));
    scene.publish(&[&good], Some("max-age=60"));
    assert!(scene.present(&token(&good), 0).is_ok());
    let gate = Gate::default();
    let (good, new, uri) = (token(&good), token(&new), URI.to_owned());
    let (good, new) = (Jws::parse(&good).unwrap(), Jws::parse(&new).unwrap());
    let at = |after| Timestamp::from_unix(START + after);
    let verify = |jws, after| {
        scene
            .keys
            .verify(jws, Algorithm::ALL, &uri, &gate, at(after))
    };
    // Fresh, beside one that looks for a new key; and stale, beside the same.
    let mut asks = pin!(verify(&new, 60));
    assert!(poll(asks.as_mut()).is_pending());
    for after in [59, 60, 61, 1_000] {
        let hit = pin!(verify(&good, after));
        assert!(matches!(poll(hit), Poll::Ready(Ok(()))), "{after}");
    }
    let mut waits = pin!(verify(&new, 61));
    assert!(poll(waits.as_mut()).is_pending());
    assert_eq!(gate.asked.load(Ordering::Relaxed), 1);
}

/// Whoever hangs up halfway uses up nobody's turn, and a few who do so make us ask no further.
#[test]
fn a_fetch_that_is_abandoned_is_begun_again_but_not_without_end() {
    let keys = RemoteKeySet::new(Patience::TRUSTED);
    let good = signer("good");
    let gate = Gate {
        body: good.jwks().to_string().into_bytes(),
        ..Gate::default()
    };
    let (text, uri) = (token(&good), URI.to_owned());
    let jws = Jws::parse(&text).unwrap();
    let at = |after| Timestamp::from_unix(START + after);
    let verify = |after| keys.verify(&jws, Algorithm::ALL, &uri, &gate, at(after));
    let asked = || gate.asked.swap(0, Ordering::Relaxed);
    {
        // The second waits for the first, which hangs up.
        let mut second = pin!(verify(0));
        {
            let mut first = pin!(verify(0));
            assert!(poll(first.as_mut()).is_pending());
            assert!(poll(second.as_mut()).is_pending());
            assert_eq!(asked(), 1);
        }
        gate.open.store(true, Ordering::Relaxed);
        assert!(matches!(poll(second.as_mut()), Poll::Ready(Ok(()))));
        assert_eq!(asked(), 1);
    }
    gate.open.store(false, Ordering::Relaxed);
    for hangs_up in 0..20 {
        let began = poll(pin!(verify(601))).is_pending();
        assert_eq!(began, hangs_up < 5, "{hangs_up}");
    }
    assert_eq!(asked(), 5);
    gate.open.store(true, Ordering::Relaxed);
    assert!(present(&keys, &gate, &text, 660).is_ok());
    assert_eq!(asked(), 0);
    assert!(present(&keys, &gate, &text, 661).is_ok());
    assert_eq!(asked(), 1);
}
