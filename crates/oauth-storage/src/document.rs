//! Reading a record's members in one pass.
//!
//! `#[serde(flatten)]` would put every member of a document into a buffer before it looks at one of
//! them, which is most of what a lookup costs beyond the backend's own work. Here the members that
//! a record names are read in place, and only others are put aside.

use std::fmt;

use oauth_types::registration::UnknownMembers;
use serde::de::value::StrDeserializer;
use serde::de::{DeserializeSeed, Error, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserializer, forward_to_deserialize_any};

use crate::record::Shape;

/// Lets a record be read by [`read`].
///
/// Such a record derives both of serde's traits with `remote = "Self"`, and has the members
/// `shape` and `unknown`, both with `flatten` (they are written among the others) and
/// `skip_deserializing` (this module reads them).
macro_rules! document {
    ($record:ty) => {
        impl serde::Serialize for $record {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                <$record>::serialize(self, serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $record {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (record, shape, unknown) = $crate::document::read(deserializer, |members| {
                    <$record>::deserialize(members)
                })?;
                Ok(Self {
                    shape,
                    unknown,
                    ..record
                })
            }
        }
    };
}
pub(crate) use document;

/// Reads a document: the record without what is told beside it, its shape, and the members that it
/// does not name.
pub(crate) fn read<'de, D: Deserializer<'de>, R>(
    document: D,
    members: impl FnOnce(Members<'_, D>) -> Result<R, D::Error>,
) -> Result<(R, Shape, UnknownMembers), D::Error> {
    let mut aside = Aside::default();
    let record = members(Members {
        document,
        aside: &mut aside,
    })?;
    let shape = Shape {
        v: aside.v.ok_or_else(|| D::Error::missing_field("v"))?,
        needs: aside.needs.unwrap_or_default(),
    };
    Ok((record, shape, aside.unknown))
}

/// What a record does not name.
#[derive(Default)]
struct Aside {
    v: Option<u16>,
    needs: Option<Vec<String>>,
    unknown: UnknownMembers,
}

/// Shows a record the members that it names.
pub(crate) struct Members<'a, D> {
    document: D,
    aside: &'a mut Aside,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Members<'_, D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        named: &'static [&'static str],
        record: V,
    ) -> Result<V::Value, D::Error> {
        self.document.deserialize_map(Sorter {
            named,
            aside: self.aside,
            record,
        })
    }

    fn deserialize_any<V: Visitor<'de>>(self, record: V) -> Result<V::Value, D::Error> {
        self.deserialize_struct("", &[], record)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Sorter<'a, V> {
    named: &'static [&'static str],
    aside: &'a mut Aside,
    record: V,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Sorter<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.record.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.record.visit_map(Named {
            named: self.named,
            aside: self.aside,
            members,
        })
    }
}

/// The members that a record names; the others are put aside on the way to the next of them.
struct Named<'a, A> {
    named: &'static [&'static str],
    aside: &'a mut Aside,
    members: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Named<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        key: K,
    ) -> Result<Option<K::Value>, A::Error> {
        while let Some(name) = self.members.next_key_seed(Name(self.named))? {
            match name {
                Member::Named(name) => {
                    let name: StrDeserializer<'_, A::Error> = name.into_deserializer();
                    return key.deserialize(name).map(Some);
                }
                Member::V => once(&mut self.aside.v, "v", self.members.next_value()?)?,
                Member::Needs => once(&mut self.aside.needs, "needs", self.members.next_value()?)?,
                Member::Unknown(name) => {
                    let value = self.members.next_value()?;
                    self.aside.unknown.insert(name, value);
                }
            }
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, value: T) -> Result<T::Value, A::Error> {
        self.members.next_value_seed(value)
    }
}

fn once<T, E: Error>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), E> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::duplicate_field(name)),
    }
}

enum Member {
    Named(&'static str),
    V,
    Needs,
    Unknown(String),
}

/// Tells what a member is by its name, without keeping a copy of those that are known.
struct Name(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Name {
    type Value = Member;
    fn deserialize<D: Deserializer<'de>>(self, name: D) -> Result<Member, D::Error> {
        name.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = Member;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
        Ok(match self.0.iter().find(|named| **named == name) {
            Some(named) => Member::Named(named),
            None if name == "v" => Member::V,
            None if name == "needs" => Member::Needs,
            None => Member::Unknown(name.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::record::{decode, encode};
    use crate::{StorageErrorKind, SubjectRecord};

    /// The order of members is nobody's promise: `v` need not come first.
    #[test]
    fn members_are_read_in_any_order() {
        let text = r#"{"x":{"epoch":1},"epoch":3,"a":[1,"b"],"id":"alice","needs":[],"v":1}"#;
        let read: SubjectRecord = decode(text.as_bytes()).unwrap();
        assert_eq!((read.epoch, read.shape.v), (3, 1));
        assert_eq!(read.unknown.len(), 2);
        let again: SubjectRecord = decode(&encode(&read).unwrap()).unwrap();
        assert_eq!(again.unknown, read.unknown);
    }

    /// Which of two was meant cannot be known, so a record that says a member twice is none.
    #[test]
    fn a_member_said_twice_is_refused() {
        for twice in [
            r#"{"v":1,"id":"alice","epoch":3,"epoch":3}"#,
            r#"{"v":1,"v":1,"id":"alice","epoch":3}"#,
            r#"{"v":1,"needs":[],"needs":[],"id":"alice","epoch":3}"#,
        ] {
            let error = decode::<SubjectRecord>(twice.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), StorageErrorKind::Corrupt, "{twice}");
        }
    }

    /// Escapes in a name mean what they mean in JSON.
    #[test]
    fn a_name_is_what_it_says_however_it_is_written() {
        let text = r#"{"v":1,"id":"alice","\u0065poch":3,"\u0078":1}"#;
        let read: SubjectRecord = decode(text.as_bytes()).unwrap();
        assert_eq!((read.epoch, read.unknown["x"].as_u64()), (3, Some(1)));
    }
}
