//! A person, as far as revocation and the built-in sign-in need one.

use std::collections::BTreeMap;

use oauth_types::registration::UnknownMembers;
use oauth_types::{ClientId, Subject};
use serde::{Deserialize, Serialize};

use crate::document::document;
use crate::record::{Kind, Record, Shape};

/// A person's barriers and, for the built-in sign-in only, a password.
///
/// A person without a record is at epoch 0 and enabled.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct SubjectRecord {
    /// Shape of the document.
    #[serde(flatten, skip_deserializing)]
    pub shape: Shape,
    /// Who.
    pub id: Subject,
    /// Raised to end everything this person ever granted, and every sign-in.
    #[serde(default)]
    pub epoch: u64,
    /// A disabled person signs in nowhere, and grants already given are not refreshed.
    #[serde(default)]
    pub disabled: bool,
    /// Raised for one client to end what this person granted to it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub clients: BTreeMap<ClientId, u64>,
    /// A password's argon2id digest, as a PHC string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Members of newer versions.
    #[serde(flatten, skip_deserializing)]
    pub unknown: UnknownMembers,
}

document!(SubjectRecord);

impl SubjectRecord {
    /// A person at epoch 0, enabled, without a password.
    pub fn new(id: Subject) -> Self {
        Self {
            shape: Shape::default(),
            id,
            epoch: 0,
            disabled: false,
            clients: BTreeMap::new(),
            password: None,
            unknown: UnknownMembers::new(),
        }
    }
}

impl Record for SubjectRecord {
    const KIND: Kind = Kind::Subject;
    type Id = Subject;

    fn id(&self) -> &Subject {
        &self.id
    }
    fn shape(&self) -> &Shape {
        &self.shape
    }
}
