//! Which scopes something needs.

use oauth_types::Scope;

/// Scopes that let something through: all tokens of one, or of another, alternative.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Needs(Vec<Scope>);

impl Needs {
    /// Nothing beyond a good token.
    pub fn nothing() -> Self {
        Self(vec![Scope::empty()])
    }

    /// All tokens of any one of these. Whoever holds none of them is asked for the first.
    /// Without any alternative, nothing beyond a good token.
    pub fn any_of(alternatives: impl IntoIterator<Item = Scope>) -> Self {
        let alternatives: Vec<Scope> = alternatives.into_iter().collect();
        if alternatives.is_empty() {
            return Self::nothing();
        }
        Self(alternatives)
    }

    /// Whether `held` is enough.
    pub fn are_met_by(&self, held: &Scope) -> bool {
        self.0.iter().any(|alternative| alternative.is_subset(held))
    }

    /// What to ask for, so that this is let through.
    pub fn asked(&self) -> &Scope {
        // proved: both constructors put one there.
        &self.0[0]
    }

    /// This and `other` besides.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        let with_each = |held: &Scope| other.0.iter().map(|more| held.union(more)).collect();
        Self(
            self.0
                .iter()
                .flat_map(|held| -> Vec<Scope> { with_each(held) })
                .collect(),
        )
    }
}

/// All tokens of a scope.
impl From<Scope> for Needs {
    fn from(scope: Scope) -> Self {
        Self(vec![scope])
    }
}

/// Broader scopes and what they include.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hierarchy(Vec<(String, Scope)>);

impl Hierarchy {
    pub(crate) fn add(&mut self, broader: String, includes: Scope) {
        self.0.push((broader, includes));
    }

    /// Everything that holding `scope` amounts to.
    pub(crate) fn expand(&self, scope: &Scope) -> Scope {
        let mut held = scope.clone();
        // Each round adds the scope of at least one entry, so there are no more rounds than entries.
        for _ in &self.0 {
            let mut next = held.clone();
            for (broader, includes) in &self.0 {
                if next.contains(broader) && !includes.is_subset(&next) {
                    next = next.union(includes);
                }
            }
            if next == held {
                break;
            }
            held = next;
        }
        held
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(text: &str) -> Scope {
        Scope::parse(text).unwrap()
    }

    #[test]
    fn all_of_one_alternative_are_needed() {
        let both = Needs::from(scope("read write"));
        assert!(both.are_met_by(&scope("extra read write")));
        assert!(!both.are_met_by(&scope("read")));
        let either = Needs::any_of([scope("read"), scope("admin")]);
        let either = either.and(&scope("base").into());
        assert!(either.are_met_by(&scope("admin base")));
        assert!(!either.are_met_by(&scope("admin")));
        assert_eq!(either.asked(), &scope("base read"));
        for nothing in [Needs::nothing(), Needs::any_of([])] {
            assert!(nothing.are_met_by(&Scope::empty()));
        }
    }

    #[test]
    fn a_broader_scope_includes_through_others() {
        let mut hierarchy = Hierarchy::default();
        // In an order in which one pass is not enough, and with a circle.
        hierarchy.add("write".to_owned(), scope("read"));
        hierarchy.add("admin".to_owned(), scope("write"));
        hierarchy.add("read".to_owned(), scope("read"));
        assert_eq!(hierarchy.expand(&scope("admin")), scope("admin read write"));
        assert_eq!(hierarchy.expand(&scope("read")), scope("read"));
        assert_eq!(hierarchy.expand(&scope("other")), scope("other"));
    }
}
