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

/// What an operation needs that was refused with `insufficient_scope` (CL-AUTHZ-4): what the challenge
/// says; else what the server's metadata list, or was configured, and is not among `held` (CL-AUTHZ-3). No
/// operation needs `offline_access`. `None` if nothing is left: asking for the same again would not help.
pub fn missing(sources: ScopeSources<'_>, held: Option<&Scope>) -> Option<Scope> {
    if let Some(challenged) = sources.challenge {
        return Some(challenged.clone());
    }
    let listed = sources.resource.or(sources.configured)?;
    let offline: Scope = [OFFLINE].into_iter().collect();
    let lacks = listed.without(&offline);
    let lacks = held.map_or_else(|| lacks.clone(), |held| lacks.without(held));
    Some(lacks).filter(|lacks| !lacks.is_empty())
}

/// What a step-up asks for: all that was asked for or given before, and what is challenged now
/// (CL-TOK-9).
pub fn step_up(before: [Option<&Scope>; 2], challenged: &Scope) -> Scope {
    let held = before.into_iter().flatten();
    held.fold(challenged.clone(), |all, scope| all.union(scope))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-AUTHZ-3, CL-AUTHZ-4, CL-AUTHZ-5: nobody is asked for what the token has, nor for what only renews it.
    #[test]
    fn what_is_missing_is_what_was_said_else_what_is_listed_and_not_held() {
        let [read, write, both, all] = ["read", "write", "read write", "offline_access read write"]
            .map(|text| Scope::parse(text).unwrap());
        let sources = |challenge, resource, configured| ScopeSources {
            challenge,
            resource,
            configured,
        };
        for (from, held, expected) in [
            (
                sources(Some(&read), Some(&both), None),
                Some(&read),
                Some(&read),
            ),
            (sources(None, Some(&both), None), Some(&read), Some(&write)),
            (
                sources(None, Some(&all), Some(&read)),
                Some(&read),
                Some(&write),
            ),
            (sources(None, Some(&all), None), Some(&both), None),
            (sources(None, Some(&read), Some(&both)), Some(&read), None),
            (sources(None, None, Some(&both)), Some(&read), Some(&write)),
            (sources(None, Some(&read), None), None, Some(&read)),
            (sources(None, None, None), Some(&read), None),
        ] {
            assert_eq!(missing(from, held).as_ref(), expected, "{from:?} {held:?}");
        }
    }
}
