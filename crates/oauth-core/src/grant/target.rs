//! For which resource, and with which scope, an access token is asked.

use std::borrow::Cow;

use oauth_storage::GrantRecord;
use oauth_types::{ResourceUri, Scope};

use crate::policy::ServerConfig;
use crate::token::TokenError;

/// What a token request says about resource and scope, checked for form only.
#[derive(Debug, Clone)]
pub struct RequestedTarget<'a> {
    resource: Option<&'a str>,
    scope: Option<Scope>,
}

impl<'a> RequestedTarget<'a> {
    /// Checks the form of `resource` and `scope`. An access token has exactly one audience, so
    /// several resources are refused (RFC 8707 §2.2 allows that).
    ///
    /// # Errors
    /// [`TokenError::Target`] for several resources, [`TokenError::Scope`] for a malformed scope.
    pub fn parse(resource: &'a [Cow<'_, str>], scope: Option<&str>) -> Result<Self, TokenError> {
        let resource = match resource {
            [] => None,
            [one] => Some(&**one),
            _ => return Err(TokenError::Target),
        };
        let scope = scope
            .map(Scope::parse)
            .transpose()
            .map_err(|_| TokenError::Scope)?;
        Ok(Self { resource, scope })
    }

    /// Decides audience and scope of an access token under `grant`: the resource named or the
    /// first granted, and what was granted, asked for and is known there.
    ///
    /// # Errors
    /// [`TokenError::Target`] for a resource that was not granted, [`TokenError::Scope`] for a
    /// scope beyond the grant or for nothing left (RFC 8707 §2, RFC 6749 §6).
    pub(crate) fn decide(
        &self,
        grant: &GrantRecord,
        config: &ServerConfig,
    ) -> Result<(ResourceUri, Scope), TokenError> {
        let resource = match self.resource {
            None => config.resources.iter().find(|resource| {
                let first = grant.resources.first();
                first.is_some_and(|granted| *granted == resource.uri)
            }),
            Some(text) => config.resource_named(text),
        };
        let resource = resource
            .filter(|resource| grant.resources.contains(&resource.uri))
            .ok_or(TokenError::Target)?;
        let scope = match &self.scope {
            None => &grant.scope,
            Some(scope) if scope.is_subset(&grant.scope) => scope,
            Some(_) => return Err(TokenError::Scope),
        };
        let known = |token: &&str| resource.scopes.iter().any(|scope| scope.name == *token);
        let scope = if scope.iter().all(|token| known(&token)) {
            scope.clone()
        } else {
            scope.iter().filter(known).collect()
        };
        if scope.is_empty() {
            return Err(TokenError::Scope);
        }
        Ok((resource.uri.clone(), scope))
    }
}
