//! A value among entries, none of which may be longer than its keyring takes.
//!
//! The entry of a value begins with a line: `1` before the value itself, or `1 SLOT COUNT DIGEST` where
//! the value is in so many entries beside it. There are two sets of these, `a` and `b`, and the
//! one that is not in use is written before the line names it: after a crash there is the old value or
//! the new one. The digest is the value's, so that whoever reads while it is replaced notices.

use std::fmt;
use std::time::Duration;

use super::KeyringError;
use super::entries::Entries;
use crate::file::lock;

/// The shape that is written. An entry that says a higher one is left alone.
const VERSION: u64 = 1;
/// Entries of one value.
const MOST_PARTS: usize = 100;
/// How often a value is read that is replaced meanwhile, and the pause before it is read again.
const TRIES: (usize, Duration) = (20, Duration::from_millis(10));

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Slot {
    A,
    B,
}

impl Slot {
    fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::A => "a",
            Self::B => "b",
        })
    }
}

/// What the entry of a value says.
enum Head {
    Whole(String),
    Parts {
        slot: Slot,
        count: usize,
        digest: String,
    },
}

/// The value of this name.
pub(super) fn read(entries: &Entries, name: &str) -> Result<Option<String>, KeyringError> {
    let (tries, pause) = TRIES;
    for _ in 0..tries {
        match head(entries, name)? {
            None => return Ok(None),
            Some(Head::Whole(text)) => return Ok(Some(text)),
            Some(Head::Parts {
                slot,
                count,
                digest,
            }) => {
                if let Some(text) = joined(entries, name, slot, count)?
                    && lock::digest_of(&text) == digest
                {
                    return Ok(Some(text));
                }
            }
        }
        std::thread::sleep(pause);
    }
    Err(KeyringError::Damaged(name.to_owned()))
}

/// Puts a value in the place of whatever is there. The caller sees to it that nobody else does.
pub(super) fn write(entries: &Entries, name: &str, text: &str) -> Result<(), KeyringError> {
    let used = match head(entries, name)? {
        Some(Head::Parts { slot, .. }) => slot,
        _ => Slot::B,
    };
    let whole = format!("{VERSION}\n{text}");
    if whole.len() <= entries.most {
        entries.set(name, &whole)?;
        return forget_parts(entries, name, None);
    }
    let parts = divided(text, entries.most);
    if parts.len() > MOST_PARTS {
        return Err(KeyringError::Refused {
            entry: name.to_owned(),
            why: format!("{} bytes are too long", text.len()),
        });
    }
    let (slot, count) = (used.other(), parts.len());
    for (number, part) in parts.into_iter().enumerate() {
        entries.set(&part_name(name, slot, number), part)?;
    }
    let digest = lock::digest_of(text);
    entries.set(name, &format!("{VERSION} {slot} {count} {digest}\n"))?;
    forget_parts(entries, name, Some((slot, count)))
}

/// Forgets a value, whether or not it can be understood.
pub(super) fn remove(entries: &Entries, name: &str) -> Result<(), KeyringError> {
    entries.delete(name)?;
    forget_parts(entries, name, None)
}

fn head(entries: &Entries, name: &str) -> Result<Option<Head>, KeyringError> {
    let Some(text) = entries.get(name)? else {
        return Ok(None);
    };
    let damaged = || KeyringError::Damaged(name.to_owned());
    let (line, rest) = text.split_once('\n').ok_or_else(damaged)?;
    let mut words = line.split(' ');
    match words.next().map(str::parse::<u64>) {
        Some(Ok(VERSION)) => {}
        Some(Ok(version)) if version > VERSION => {
            return Err(KeyringError::Later {
                entry: name.to_owned(),
                version,
            });
        }
        _ => return Err(damaged()),
    }
    let head = match (words.next(), words.next(), words.next(), words.next()) {
        (None, ..) => Head::Whole(rest.to_owned()),
        (Some(slot), Some(count), Some(digest), None) => Head::Parts {
            slot: match slot {
                "a" => Slot::A,
                "b" => Slot::B,
                _ => return Err(damaged()),
            },
            count: match count.parse() {
                Ok(count) if count <= MOST_PARTS => count,
                _ => return Err(damaged()),
            },
            digest: digest.to_owned(),
        },
        _ => return Err(damaged()),
    };
    Ok(Some(head))
}

/// The parts in one; `None` when one of them is not there.
fn joined(
    entries: &Entries,
    name: &str,
    slot: Slot,
    count: usize,
) -> Result<Option<String>, KeyringError> {
    let mut text = String::new();
    for number in 0..count {
        let Some(part) = entries.get(&part_name(name, slot, number))? else {
            return Ok(None);
        };
        text.push_str(&part);
    }
    Ok(Some(text))
}

/// Pieces of at most so many bytes, between characters.
fn divided(mut text: &str, most: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    while !text.is_empty() {
        let (part, rest) = text.split_at(text.floor_char_boundary(most));
        parts.push(part);
        text = rest;
    }
    parts
}

/// Deletes the parts that are not in use, those of somebody who died while writing among them.
fn forget_parts(
    entries: &Entries,
    name: &str,
    used: Option<(Slot, usize)>,
) -> Result<(), KeyringError> {
    if entries.most == usize::MAX {
        return Ok(());
    }
    for slot in [Slot::A, Slot::B] {
        let first = used
            .filter(|(used, _)| *used == slot)
            .map_or(0, |(_, count)| count);
        // From the last one down, so that what a crash leaves is still found from the first.
        let there = (first..MOST_PARTS).map(|number| part_name(name, slot, number));
        let mut found = Vec::new();
        for part in there {
            if entries.get(&part)?.is_none() {
                break;
            }
            found.push(part);
        }
        for part in found.iter().rev() {
            entries.delete(part)?;
        }
    }
    Ok(())
}

fn part_name(name: &str, slot: Slot, number: usize) -> String {
    format!("{name} {slot}{number}")
}
