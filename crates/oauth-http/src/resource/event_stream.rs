//! An event stream, taken apart into its events. Spec: HTML, Server-sent events.

use std::borrow::Cow;

/// Bytes that came, up to a limit, until they make an event.
#[derive(Debug)]
pub(super) struct Events {
    held: Vec<u8>,
    /// Where the first line begins that is not known to be whole.
    line: usize,
    most_bytes: usize,
}

/// An event is longer than what is kept.
#[derive(Debug)]
pub(super) struct TooLong;

impl Events {
    pub(super) const fn new(most_bytes: usize) -> Self {
        Self {
            held: Vec::new(),
            line: 0,
            most_bytes,
        }
    }

    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.held.extend_from_slice(bytes);
    }

    /// The next whole event, with the empty line that ends it.
    pub(super) fn next(&mut self) -> Result<Option<Vec<u8>>, TooLong> {
        while let Some((end, next)) = end_of_line(&self.held, self.line) {
            let is_empty = end == self.line;
            self.line = next;
            if is_empty {
                let rest = self.held.split_off(next);
                self.line = 0;
                return Ok(Some(std::mem::replace(&mut self.held, rest)));
            }
        }
        if self.held.len() > self.most_bytes {
            return Err(TooLong);
        }
        Ok(None)
    }

    /// What is left when nothing more comes.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.held)
    }
}

/// Where the line that begins at `start` ends, and where the next one begins. A line ends with CR,
/// LF, or both; whether both is not known while CR is the last byte, and matters only behind text.
fn end_of_line(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let rest = &bytes[start..];
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n'))?;
    let next = match (rest[end], rest.get(end + 1)) {
        (b'\r', Some(b'\n')) => end + 2,
        (b'\r', None) if end > 0 => return None,
        _ => end + 1,
    };
    Some((start + end, start + next))
}

fn lines(event: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let (end, next) = match end_of_line(event, start) {
            Some(found) => found,
            None if start < event.len() => {
                let end = event.strip_suffix(b"\r").map_or(event.len(), <[u8]>::len);
                (end, event.len())
            }
            None => return None,
        };
        let line = &event[start..end];
        start = next;
        Some(line)
    })
}

/// What a line adds to its event's data.
fn data_of(line: &[u8]) -> Option<&[u8]> {
    let line = line.strip_prefix("\u{feff}".as_bytes()).unwrap_or(line);
    match line.strip_prefix(b"data") {
        Some([]) => Some(&[]),
        Some([b':', b' ', data @ ..] | [b':', data @ ..]) => Some(data),
        _ => None,
    }
}

/// The data of an event.
pub(super) fn data(event: &[u8]) -> Cow<'_, [u8]> {
    let mut parts = lines(event).filter_map(data_of);
    match (parts.next(), parts.next()) {
        (None, _) => Cow::Borrowed(&[]),
        (Some(only), None) => Cow::Borrowed(only),
        (Some(first), Some(second)) => {
            let mut data = [first, b"\n", second].concat();
            for part in parts {
                data.push(b'\n');
                data.extend_from_slice(part);
            }
            Cow::Owned(data)
        }
    }
}

/// The event with other data, and all else that it says.
pub(super) fn with_data(event: &[u8], data: &str) -> Vec<u8> {
    let mut changed = Vec::with_capacity(event.len());
    for line in lines(event).filter(|line| !line.is_empty() && data_of(line).is_none()) {
        changed.extend_from_slice(line);
        changed.push(b'\n');
    }
    for line in data.split(['\r', '\n']) {
        changed.extend_from_slice(b"data: ");
        changed.extend_from_slice(line.as_bytes());
        changed.push(b'\n');
    }
    changed.push(b'\n');
    changed
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events(chunks: &[&[u8]]) -> Vec<String> {
        let mut events = Events::new(1000);
        let mut found = Vec::new();
        for chunk in chunks {
            events.push(chunk);
            while let Some(event) = events.next().unwrap() {
                found.push(String::from_utf8_lossy(&data(&event)).into_owned());
            }
        }
        let rest = events.rest();
        if !rest.is_empty() {
            found.push(String::from_utf8_lossy(&data(&rest)).into_owned());
        }
        found.retain(|data| !data.is_empty());
        found
    }

    proptest! {
        /// However a stream is cut into pieces and its lines end, its events are the same.
        #[test]
        fn events_do_not_depend_on_how_they_come(
            cuts in proptest::collection::vec(0usize..80, 0..8),
            end in prop_oneof![Just("\n"), Just("\r\n"), Just("\r")],
        ) {
            let text = "id: 1\ndata: {\"a\":\ndata:1}\n\n: hello\n\ndata\ndata: b\nevent: x\n\ndata:c";
            let text = text.replace('\n', end);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.extend([0, text.len()]);
            cuts.sort_unstable();
            let chunks: Vec<&[u8]> =
                cuts.windows(2).map(|cut| &text.as_bytes()[cut[0]..cut[1]]).collect();
            prop_assert_eq!(events(&chunks), ["{\"a\":\n1}", "\nb", "c"]);
        }
    }

    #[test]
    fn an_event_is_ready_as_soon_as_its_empty_line_begins() {
        for whole in [
            "data: a\n\n",
            "data: a\r\n\r\n",
            "data: a\r\n\r",
            "data: a\r\r",
        ] {
            let mut events = Events::new(1000);
            events.push(whole.as_bytes());
            assert_eq!(events.next().unwrap().as_deref(), Some(whole.as_bytes()));
        }
        let mut events = Events::new(10);
        events.push(b"data: 0123456789");
        assert!(events.next().is_err());
    }

    #[test]
    fn other_data_leaves_the_rest_of_an_event_alone() {
        let event = b"id: 7\r\nevent: message\r\ndata: old\r\ndata: er\r\nretry: 5\r\n\r\n";
        let changed = with_data(event, "new\ner");
        let expected = "id: 7\nevent: message\nretry: 5\ndata: new\ndata: er\n\n";
        assert_eq!(String::from_utf8(changed).unwrap(), expected);
    }
}
