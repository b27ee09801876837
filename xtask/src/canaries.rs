//! Whether anything that must not be logged was logged.
//!
//! Test programs leave their logs and the secrets they met in one folder
//! (`oauth_testkit::canary`). Every log is searched for every secret: as it is, in base64 wherever
//! it may begin there, escaped for a URL, and drawn bytes also in base62, hexadecimal and as a
//! list of numbers.
//!
//! There are some hundred thousand secrets and some hundred megabytes of logs, so what is looked
//! up at each place is the last eight bytes of every form; the few that match are compared whole.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// A fresh folder for the logs of one run.
pub(crate) fn fresh(target: &Path) -> Result<PathBuf, String> {
    let folder = target.join("test-logs");
    let _ = fs::remove_dir_all(&folder);
    let made = fs::create_dir_all(&folder);
    made.map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    Ok(folder)
}

/// What a search looked at, and what it found.
#[derive(Debug, Default)]
pub(crate) struct Search {
    logs: usize,
    bytes: usize,
    secrets: usize,
    found: Vec<String>,
}

impl Search {
    /// One line for each thing that is wrong. Nothing to search, and nothing to search for, is
    /// wrong as well.
    pub(crate) fn complaints(&self) -> Vec<String> {
        let mut complaints = self.found.clone();
        if self.bytes == 0 {
            complaints.push("no test program logged anything".to_owned());
        }
        if self.secrets == 0 {
            complaints.push("no test program met a secret".to_owned());
        }
        complaints
    }

    pub(crate) fn in_words(&self) -> String {
        format!(
            "{} logs of {} MB, searched for {} secrets: {} found",
            self.logs,
            self.bytes / 1_000_000,
            self.secrets,
            self.found.len()
        )
    }
}

/// Searches a folder's logs, and what was printed to the terminal besides.
pub(crate) fn search(folder: &Path, said: &str) -> io::Result<Search> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<_>>()?;
    files.sort();
    let of_kind = |kind: &'static str| {
        let is = move |file: &&PathBuf| file.extension().is_some_and(|held| held == kind);
        files.iter().filter(is)
    };
    let mut secrets = HashSet::new();
    for file in of_kind("secrets") {
        let text = fs::read_to_string(file)?;
        secrets.extend(text.lines().filter_map(Secret::parse));
    }
    let index = Index::of(secrets.into_iter().collect());
    let mut search = Search {
        secrets: index.secrets.len(),
        ..Search::default()
    };
    for file in of_kind("log") {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        index.read(&name, BufReader::new(File::open(file)?), &mut search)?;
        search.logs += 1;
    }
    let logged = search.bytes;
    index.read("the output of the tests", said.as_bytes(), &mut search)?;
    search.bytes = logged;
    Ok(search)
}

/// Something that must not be logged.
#[derive(Debug, PartialEq, Eq, Hash)]
enum Secret {
    Text(String),
    Bytes(Vec<u8>),
}

impl Secret {
    fn parse(line: &str) -> Option<Self> {
        match line.split_once(' ')? {
            ("text", text) => Some(Self::Text(text.to_owned())),
            ("bytes", digits) => {
                let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
                let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
                bytes.map(Self::Bytes)
            }
            _ => None,
        }
    }

    /// All spellings in which it is looked for, each with its name. Both alphabets of base64 are
    /// read as one.
    fn forms(&self) -> Vec<(&'static str, Vec<u8>)> {
        let mut forms = match self {
            Self::Text(text) => {
                let mut forms = vec![("as it is", text.as_bytes().to_vec())];
                forms.extend((0..3).map(|before| ("base64", base64(text.as_bytes(), before))));
                forms
            }
            Self::Bytes(bytes) => {
                let hex = bytes.iter().map(|byte| format!("{byte:02x}"));
                let numbers: Vec<String> = bytes.iter().map(u8::to_string).collect();
                vec![
                    ("base62", base62(bytes)),
                    ("base64", base64(bytes, 0)),
                    ("hexadecimal", hex.collect::<String>().into_bytes()),
                    ("a list of numbers", numbers.join(", ").into_bytes()),
                ]
            }
        };
        for (_, form) in &mut forms {
            form.iter_mut().for_each(|byte| *byte = one_alphabet(*byte));
        }
        forms.retain(|(_, form)| form.len() >= WINDOW);
        forms
    }
}

/// Bytes of a form that are looked up at each place.
const WINDOW: usize = 8;
/// Bits of the table that says at once that a place matches nothing.
const BITS: u32 = 27;

struct Index {
    secrets: Vec<Secret>,
    /// The end of every form and whose it is, sorted.
    ends: Vec<(u64, u32)>,
    maybe: Vec<u64>,
}

impl Index {
    fn of(secrets: Vec<Secret>) -> Self {
        let mut ends = Vec::new();
        let mut maybe = vec![0u64; 1 << (BITS - 6)];
        for (number, secret) in (0u32..).zip(&secrets) {
            for (_, form) in secret.forms() {
                let end = form.iter().fold(0, |end, byte| push(end, *byte));
                ends.push((end, number));
                let (word, bit) = place(end);
                maybe[word] |= bit;
            }
        }
        ends.sort_unstable();
        Self {
            secrets,
            ends,
            maybe,
        }
    }

    /// Searches one log, line by line, as written and as it reads without escapes for URLs.
    fn read(&self, name: &str, mut log: impl BufRead, search: &mut Search) -> io::Result<()> {
        let mut line = Vec::new();
        for number in 1usize.. {
            line.clear();
            if log.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            search.bytes += line.len();
            let written = self.first(&line);
            let escaped = || Some(self.first(&unescaped(&line)?)?.escaped());
            if let Some(found) = written.or_else(escaped) {
                let told = format!("{name}, line {number}: {found}");
                search.found.push(told);
            }
        }
        Ok(())
    }

    /// The first secret in a text.
    fn first(&self, text: &[u8]) -> Option<Found> {
        let text: Vec<u8> = text.iter().map(|byte| one_alphabet(*byte)).collect();
        let mut end = 0;
        for (at, &byte) in text.iter().enumerate() {
            end = push(end, byte);
            let (word, bit) = place(end);
            if self.maybe[word] & bit != 0
                && let Some(found) = self.ending(end, &text[..=at])
            {
                return Some(found);
            }
        }
        None
    }

    /// A secret whose form ends where this text does.
    fn ending(&self, end: u64, text: &[u8]) -> Option<Found> {
        let from = self.ends.partition_point(|held| held.0 < end);
        let same = self.ends[from..].iter().take_while(|held| held.0 == end);
        same.map(|held| &self.secrets[held.1 as usize])
            .flat_map(|secret| secret.forms())
            .find(|(_, form)| text.ends_with(form))
            .map(|(spelling, form)| Found {
                spelling,
                begins: String::from_utf8_lossy(&form[..4]).into_owned(),
                length: form.len(),
                escaped: "",
            })
    }
}

/// A secret that was found, told so that it can be looked up and no more.
struct Found {
    spelling: &'static str,
    begins: String,
    length: usize,
    escaped: &'static str,
}

impl Found {
    fn escaped(mut self) -> Self {
        self.escaped = ", escaped for a URL";
        self
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            spelling,
            begins,
            length,
            escaped,
        } = self;
        write!(
            f,
            "a secret, {spelling}{escaped}, of {length} characters that begin `{begins}`"
        )
    }
}

/// The last eight bytes, after one more.
const fn push(end: u64, byte: u8) -> u64 {
    (end << 8) | byte as u64
}

/// Where the table has the bit of an end.
const fn place(end: u64) -> (usize, u64) {
    let hash = end.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (64 - BITS);
    ((hash >> 6) as usize, 1 << (hash & 63))
}

const fn one_alphabet(byte: u8) -> u8 {
    match byte {
        b'-' => b'+',
        b'_' => b'/',
        other => other,
    }
}

/// A text with its `%XX` read; `None` when it has none.
fn unescaped(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        let digits = after.get(..2).filter(|_| *byte == b'%');
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(escaped) => {
                out.push(escaped);
                rest = &after[2..];
            }
            None => {
                out.push(*byte);
                rest = after;
            }
        }
    }
    (out.len() < text.len()).then_some(out)
}

/// The characters of base64 that follow from these bytes alone when `before` others, at most two,
/// stand before them, and any after.
fn base64(bytes: &[u8], before: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bit = |at: usize| (bytes[at / 8] >> (7 - at % 8)) & 1;
    // The first whole group of six bits, counted from where the bytes begin.
    let first = (6 - before * 8 % 6) % 6;
    let groups = (first..)
        .step_by(6)
        .take_while(|at| at + 6 <= bytes.len() * 8);
    let group = |at: usize| (at..at + 6).fold(0usize, |value, at| value << 1 | bit(at) as usize);
    groups.map(|at| ALPHABET[group(at)]).collect()
}

/// Eight bytes in eleven characters, as tokens hold them.
fn base62(bytes: &[u8]) -> Vec<u8> {
    const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut out = Vec::new();
    for word in bytes.as_chunks::<8>().0 {
        let mut value = u64::from_be_bytes(*word);
        let mut digits = [b'0'; 11];
        for digit in digits.iter_mut().rev() {
            *digit = ALPHABET[(value % 62) as usize];
            value /= 62;
        }
        out.extend(digits);
    }
    out
}

#[cfg(test)]
mod tests;
