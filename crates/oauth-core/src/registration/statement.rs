//! What a trusted software statement says comes before what the client says. Spec: RFC 7591 §3.1.1.

use oauth_types::Timestamp;
use oauth_types::registration::ClientMetadata;
use serde_json::Value;

use super::RegistrationError;
use crate::server::AuthorizationServer;
use crate::software_statement::{self, StatementError};

impl AuthorizationServer {
    /// The metadata with the claims of its software statement in place of its own words; the
    /// statement stays in it unchanged. Without a statement the metadata as they are.
    pub(super) fn as_stated(
        &self,
        metadata: ClientMetadata,
        now: Timestamp,
    ) -> Result<ClientMetadata, RegistrationError> {
        let Some(statement) = metadata.software_statement.clone() else {
            return Ok(metadata);
        };
        let policy = self.policy();
        let trusted = &policy.registration.software_statements;
        let when = (now, policy.clock_skew);
        let verified = software_statement::verify(&statement, trusted, &self.config.issuer, when);
        let claims = verified.map_err(|error| match error {
            StatementError::Unapproved => RegistrationError::UnapprovedStatement,
            StatementError::Invalid => RegistrationError::InvalidStatement,
        })?;
        let Ok(Value::Object(mut document)) = serde_json::to_value(metadata) else {
            return Err(RegistrationError::InvalidStatement);
        };
        // What it says of itself, `iss` for one, is unknown as metadata and so goes.
        document.extend(claims);
        document.insert("software_statement".to_owned(), Value::String(statement));
        // The client's own words had the right types.
        serde_json::from_value(Value::Object(document))
            .map_err(|_| RegistrationError::InvalidStatement)
    }
}
