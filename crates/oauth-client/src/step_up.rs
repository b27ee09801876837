//! How often more scope was asked for, so that it ends (CL-TOK-10).

use std::collections::HashMap;

use oauth_types::Scope;

/// What was tried, by operation. Only so many operations are remembered.
#[derive(Debug, Default)]
pub(crate) struct StepUps(HashMap<String, Vec<Scope>>);

impl StepUps {
    /// New authorizations for one operation and scope.
    const MOST: usize = 2;
    /// New authorizations for one operation, whatever it asks for.
    const MOST_OF_AN_OPERATION: usize = 4;
    /// Operations that are remembered; beyond them the oldest knowledge is worth nothing.
    const REMEMBERED: usize = 1024;

    /// Counts one more try.
    ///
    /// # Errors
    /// How many there were, when there were enough.
    pub(crate) fn try_once(&mut self, operation: &str, scope: &Scope) -> Result<(), u8> {
        if self.0.len() >= Self::REMEMBERED && !self.0.contains_key(operation) {
            self.0.clear();
        }
        let tried = self.0.entry(operation.to_owned()).or_default();
        let same = tried.iter().filter(|held| *held == scope).count();
        if same >= Self::MOST || tried.len() >= Self::MOST_OF_AN_OPERATION {
            // proved: four at the most.
            return Err(tried.len() as u8);
        }
        tried.push(scope.clone());
        Ok(())
    }

    /// The operation went through: what was tried for it is forgotten.
    pub(crate) fn went_through(&mut self, operation: &str) {
        self.0.remove(operation);
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
        assert_eq!(tried.try_once("call", &scope), Err(2));
        // Another scope each time does not go on for ever either.
        let others = ["b", "c", "d"].map(|other| Scope::parse(other).unwrap());
        let tries = others.map(|other| tried.try_once("call", &other));
        assert_eq!(tries, [Ok(()), Ok(()), Err(4)]);
        tried.try_once("other", &scope).unwrap();
        tried.went_through("call");
        tried.try_once("call", &scope).unwrap();
    }
}
