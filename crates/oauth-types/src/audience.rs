//! For whom a token is.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::ResourceUri;

/// The resources that an access token is good for: one, or several. Never none: a token for nobody
/// in particular is good for nobody.
///
/// Cheap to clone; a single one allocates nothing of its own. Spec: RFC 9068 §2.2, RFC 7519 §4.1.3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audience(Held);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Held {
    One(ResourceUri),
    Several(Arc<[ResourceUri]>),
}

impl Audience {
    /// All of `resources`; `None` when there are none.
    pub fn of(resources: impl IntoIterator<Item = ResourceUri>) -> Option<Self> {
        let mut resources = resources.into_iter();
        let first = resources.next()?;
        let Some(second) = resources.next() else {
            return Some(first.into());
        };
        let several = [first, second].into_iter().chain(resources);
        Some(Self(Held::Several(several.collect())))
    }

    /// Whether `resource` is among them.
    pub fn includes(&self, resource: &ResourceUri) -> bool {
        self.as_slice().contains(resource)
    }

    /// Each of them, in the order in which the token names them.
    pub fn iter(&self) -> impl Iterator<Item = &ResourceUri> {
        self.as_slice().iter()
    }

    fn as_slice(&self) -> &[ResourceUri] {
        match &self.0 {
            Held::One(one) => std::slice::from_ref(one),
            Held::Several(several) => several,
        }
    }
}

impl From<ResourceUri> for Audience {
    fn from(one: ResourceUri) -> Self {
        Self(Held::One(one))
    }
}

/// One is written as a text, several as an array. Spec: RFC 7519 §4.1.3.
impl Serialize for Audience {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Held::One(one) => one.serialize(serializer),
            Held::Several(several) => several.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_is_one_resource_or_several_and_never_none() {
        let [a, b, c] = [
            "https://h.example/a",
            "https://h.example/b",
            "https://h.example/c",
        ]
        .map(|text| ResourceUri::parse(text).unwrap());
        assert_eq!(Audience::of([]), None);
        let one = Audience::of([a.clone()]).unwrap();
        assert_eq!(one, a.clone().into());
        assert!(one.includes(&a) && !one.includes(&b));
        let two = Audience::of([a.clone(), b.clone()]).unwrap();
        assert!(two.includes(&a) && two.includes(&b) && !two.includes(&c));
        let json = |audience| serde_json::to_value::<Audience>(audience).unwrap();
        assert_eq!(json(one), "https://h.example/a");
        assert_eq!(json(two)[1], "https://h.example/b");
    }
}
