//! Which scope to ask for.

use oauth_types::Scope;

use crate::metadata::ServerMetadata;

/// A refresh token's scope (OpenID Connect Core §11).
const OFFLINE: &str = "offline_access";

/// Where a scope may come from, best first.
#[derive(Debug, Clone, Copy, Default)]
pub struct ScopeSources<'a> {
    /// What the server's challenge says this operation needs.
    pub challenge: Option<&'a Scope>,
    /// All that the server's metadata list.
    pub resource: Option<&'a Scope>,
    /// What the program was configured with.
    pub configured: Option<&'a Scope>,
}

/// Chooses what to ask for: what the challenge says, else all that the server's metadata list, else
/// what was configured, else nothing at all (CL-AUTHZ-3). The challenge is not compared with what
/// the metadata list (CL-AUTHZ-4).
///
/// `offline_access` is asked for besides where `offline` is wanted and the authorization server
/// lists it, and taken out where it is not wanted, or the server lists others only (CL-AUTHZ-5).
pub fn choose(sources: ScopeSources<'_>, server: &ServerMetadata, offline: bool) -> Option<Scope> {
    let base = sources
        .challenge
        .or(sources.resource)
        .or(sources.configured)?;
    let extra: Scope = [OFFLINE].into_iter().collect();
    let listed = server.knows_scope(OFFLINE);
    let chosen = if offline && listed {
        base.union(&extra)
    } else if !offline || server.scopes_supported.is_some() {
        base.without(&extra)
    } else {
        base.clone()
    };
    Some(chosen).filter(|scope| !scope.is_empty())
}

/// What a step-up asks for: all that was asked for or given before, and what is challenged now
/// (CL-TOK-9).
pub fn step_up(before: [Option<&Scope>; 2], challenged: &Scope) -> Scope {
    let held = before.into_iter().flatten();
    held.fold(challenged.clone(), |all, scope| all.union(scope))
}
