//! How long an answer is good.

use crate::{Lifetime, Timestamp};

use super::Fetched;

impl Fetched {
    /// How long this answer is good from `now` on, by its own word; `None` when it says nothing of
    /// it. What cannot be understood counts as not good any more, and so does an answer that wants
    /// to be asked for each time. Whoever keeps it has bounds of their own.
    ///
    /// Spec: RFC 9111 §4.2.1, §4.2.3, §5.2.2, §5.3.
    pub fn freshness(&self, now: Timestamp) -> Option<Lifetime> {
        let mut max_age = None;
        for directive in self.directives() {
            let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
            if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
                return Some(Lifetime::ZERO);
            }
            if name.eq_ignore_ascii_case("max-age") {
                let seconds = value.trim_matches('"').parse().unwrap_or(0);
                // Said twice, the shorter one counts.
                max_age = Some(max_age.map_or(seconds, |other: u64| other.min(seconds)));
            }
        }
        let by_date = || {
            let since = self.date.unwrap_or(now);
            self.expires
                .map(|expires| expires.since(since).as_seconds())
        };
        let lifetime = max_age.or_else(by_date)?;
        // Some of it may have gone by in a cache on the way.
        let left = lifetime.saturating_sub(self.age.unwrap_or(0));
        Some(Lifetime::seconds(left))
    }

    /// Whether it may be kept to be asked about later. Spec: RFC 9111 §5.2.2.5.
    pub fn may_be_kept(&self) -> bool {
        !self
            .directives()
            .any(|directive| directive.eq_ignore_ascii_case("no-store"))
    }

    fn directives(&self) -> impl Iterator<Item = &str> {
        let header = self.cache_control.as_deref().unwrap_or_default();
        header.split(',').map(str::trim)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix(1_000_000);

    fn after(cache_control: Option<&str>, age: Option<u64>) -> Option<u64> {
        let fetched = Fetched {
            cache_control: cache_control.map(str::to_owned),
            age,
            ..Fetched::default()
        };
        fetched.freshness(NOW).map(Lifetime::as_seconds)
    }

    /// CIMD-19: what `Cache-Control` and `Age` say together.
    #[test]
    fn an_answer_says_how_long_it_is_good() {
        for (header, seconds) in [
            (None, None),
            (Some("public"), None),
            (Some("max-age=300"), Some(300)),
            (Some("Public, Max-Age=\"120\""), Some(120)),
            (Some("max-age=300, max-age=60"), Some(60)),
            (Some("max-age=x"), Some(0)),
            (Some("no-store, max-age=300"), Some(0)),
            (Some("max-age=300, no-cache"), Some(0)),
            (Some("max-age=300, no-cache=\"Set-Cookie\""), Some(0)),
        ] {
            assert_eq!(after(header, None), seconds, "{header:?}");
        }
        assert_eq!(after(Some("max-age=300"), Some(100)), Some(200));
        assert_eq!(after(Some("max-age=300"), Some(u64::MAX)), Some(0));
        assert_eq!(after(None, Some(100)), None);
    }

    /// CIMD-19: `Expires` counts from the answer's own `Date`, whatever our clock says, and only
    /// where there is no `max-age`.
    #[test]
    fn an_answer_can_say_when_it_ends() {
        let at = Timestamp::from_unix;
        for (cache_control, date, expires, seconds) in [
            (None, Some(at(500)), at(800), 300),
            (None, None, at(1_000_060), 60),
            (None, Some(at(500)), at(0), 0),
            (Some("max-age=5"), Some(at(500)), at(800), 5),
        ] {
            let fetched = Fetched {
                cache_control: cache_control.map(str::to_owned),
                date,
                expires: Some(expires),
                ..Fetched::default()
            };
            let told = fetched.freshness(NOW).map(Lifetime::as_seconds);
            assert_eq!(told, Some(seconds), "{fetched:?}");
        }
    }
}
