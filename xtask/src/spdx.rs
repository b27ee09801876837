//! Licence expressions, as package manifests write them (SPDX, annex on licence expressions).

use std::iter::Peekable;
use std::vec::IntoIter;

/// Whether an expression can be satisfied with allowed licences alone: each side of an `AND`, one
/// side of an `OR`. `Apache-2.0 WITH LLVM-exception` is a licence of its own here, so that allowing
/// one says nothing about the other. An expression that cannot be read is an error.
pub(crate) fn satisfied(expression: &str, allowed: &[String]) -> Result<bool, String> {
    let mut tokens = tokens(expression).into_iter().peekable();
    let answer = either(&mut tokens, allowed)?;
    match tokens.next() {
        None => Ok(answer),
        Some(token) => Err(format!("unexpected `{token}`")),
    }
}

type Tokens = Peekable<IntoIter<String>>;

/// Words and brackets. The slash of old manifests means `OR`.
fn tokens(expression: &str) -> Vec<String> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ");
    spaced.split_whitespace().map(str::to_owned).collect()
}

/// `A OR B`, which binds less tightly than `AND`.
fn either(tokens: &mut Tokens, allowed: &[String]) -> Result<bool, String> {
    let mut answer = both(tokens, allowed)?;
    while tokens
        .next_if(|token| token.eq_ignore_ascii_case("OR"))
        .is_some()
    {
        // The right side is read in any case: reading it is what moves us on.
        answer |= both(tokens, allowed)?;
    }
    Ok(answer)
}

/// `A AND B`.
fn both(tokens: &mut Tokens, allowed: &[String]) -> Result<bool, String> {
    let mut answer = one(tokens, allowed)?;
    while tokens
        .next_if(|token| token.eq_ignore_ascii_case("AND"))
        .is_some()
    {
        answer &= one(tokens, allowed)?;
    }
    Ok(answer)
}

/// A licence, with its exception if it has one, or brackets.
fn one(tokens: &mut Tokens, allowed: &[String]) -> Result<bool, String> {
    let token = tokens.next().ok_or("it ends where a licence should be")?;
    if token == "(" {
        let answer = either(tokens, allowed)?;
        return match tokens.next().as_deref() {
            Some(")") => Ok(answer),
            _ => Err("a bracket is never closed".to_owned()),
        };
    }
    let mut licence = word(token)?;
    if tokens
        .next_if(|token| token.eq_ignore_ascii_case("WITH"))
        .is_some()
    {
        let exception = word(
            tokens
                .next()
                .ok_or("it ends where an exception should be")?,
        )?;
        licence = format!("{licence} WITH {exception}");
    }
    Ok(allowed.contains(&licence))
}

fn word(token: String) -> Result<String, String> {
    let keyword = ["AND", "OR", "WITH"]
        .iter()
        .any(|word| token.eq_ignore_ascii_case(word));
    if keyword || token == "(" || token == ")" {
        return Err(format!("unexpected `{token}`"));
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(expression: &str) -> Result<bool, String> {
        let list = ["MIT", "ISC", "Apache-2.0", "Zlib WITH some-exception"].map(str::to_owned);
        satisfied(expression, &list)
    }

    #[test]
    fn each_side_of_and_and_one_side_of_or() {
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("MIT OR GPL-3.0-only", true),
            ("GPL-3.0-only OR MIT", true),
            ("MIT AND GPL-3.0-only", false),
            ("GPL-3.0-only OR MIT AND ISC", true),
            ("MIT OR ISC AND GPL-3.0-only", true),
            ("(MIT OR ISC) AND GPL-3.0-only", false),
            (
                "ISC AND (Apache-2.0 OR ISC) AND (MIT OR GPL-3.0-only)",
                true,
            ),
            ("ISC AND (Apache-2.0 OR ISC) AND OpenSSL", false),
            ("((MIT))", true),
            ("MIT/GPL-3.0-only", true),
            ("GPL-3.0-only / MPL-2.0", false),
            ("MIT and ISC", true),
        ] {
            assert_eq!(allowed(expression), Ok(expected), "{expression}");
        }
    }

    #[test]
    fn an_exception_makes_another_licence() {
        assert_eq!(allowed("Apache-2.0 WITH LLVM-exception"), Ok(false));
        assert_eq!(allowed("Zlib WITH some-exception"), Ok(true));
        assert_eq!(allowed("Zlib"), Ok(false));
    }

    #[test]
    fn what_cannot_be_read_is_not_allowed() {
        for broken in [
            "", "MIT OR", "(MIT", "MIT)", "AND MIT", "MIT ISC", "MIT WITH", "()",
        ] {
            assert!(allowed(broken).is_err(), "{broken}");
        }
    }
}
