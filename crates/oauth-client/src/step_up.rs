//! How often more scope was asked for, so that it ends (CL-TOK-10).

use std::collections::HashMap;

use oauth_types::Scope;

/// What was tried, by operation and scope. Only so many operations are remembered.
#[derive(Debug, Default)]
pub(crate) struct StepUps(HashMap<(String, Scope), u8>);

impl StepUps {
    /// New authorizations for one operation and scope.
    pub(crate) const MOST: u8 = 2;
    /// Operations that are remembered; beyond them the oldest knowledge is worth nothing.
    const REMEMBERED: usize = 1024;

    /// Counts one more try.
    ///
    /// # Errors
    /// How many there were, when there were enough.
    pub(crate) fn try_once(&mut self, operation: &str, scope: &Scope) -> Result<(), u8> {
        if self.0.len() >= Self::REMEMBERED {
            self.0.clear();
        }
        let key = (operation.to_owned(), scope.clone());
        let times = self.0.entry(key).or_default();
        if *times >= Self::MOST {
            return Err(*times);
        }
        *times += 1;
        Ok(())
    }

    /// The operation went through: what was tried for it is forgotten.
    pub(crate) fn went_through(&mut self, operation: &str) {
        self.0.retain(|(held, _), _| held != operation);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CL-TOK-10: a few tries for each operation and scope, then no more, until it goes through.
    #[test]
    fn tries_end_until_something_goes_through() {
        let (mut tried, scope) = (StepUps::default(), Scope::parse("a").unwrap());
        for _ in 0..StepUps::MOST {
            tried.try_once("call", &scope).unwrap();
        }
        assert_eq!(tried.try_once("call", &scope), Err(StepUps::MOST));
        tried.try_once("call", &Scope::parse("b").unwrap()).unwrap();
        tried.try_once("other", &scope).unwrap();
        tried.went_through("call");
        tried.try_once("call", &scope).unwrap();
    }
}
