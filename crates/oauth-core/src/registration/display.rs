//! What a client says for people to read: hostile until shown otherwise.

use oauth_types::redirect_uri::RedirectKind;
use oauth_types::registration::ClientMetadata;
use serde_json::Value;

use super::RegistrationError;
use crate::pending::PendingAuthorization;

/// Characters of a text.
const LONGEST_TEXT: usize = 200;
/// Bytes of a link.
const LONGEST_LINK: usize = 2048;
/// Texts and links in other languages.
const MOST_TAGGED: usize = 64;
/// Characters of a language tag, as in RFC 5646 §4.4.1.
const LONGEST_TAG: usize = 35;

/// Shortens nothing and trusts nothing: texts are printable and of bounded length or refused,
/// links are https or dropped. Spec: RFC 7591 §2.2, §5.
pub(super) fn tidy(metadata: &mut ClientMetadata) -> Result<(), RegistrationError> {
    for text in [
        &mut metadata.client_name,
        &mut metadata.software_id,
        &mut metadata.software_version,
    ] {
        if let Some(held) = text.take() {
            *text = tidy_text(&held)?;
        }
    }
    for link in [
        &mut metadata.client_uri,
        &mut metadata.logo_uri,
        &mut metadata.tos_uri,
        &mut metadata.policy_uri,
    ] {
        *link = link.take().filter(|held| is_https(held));
    }
    tidy_tagged(metadata)
}

/// Members such as `client_name#ja-Jpan-JP`; all other members that have no name here go.
fn tidy_tagged(metadata: &mut ClientMetadata) -> Result<(), RegistrationError> {
    let others = std::mem::take(&mut metadata.other);
    for (name, value) in others {
        let Some((base, tag)) = name.split_once('#') else {
            continue;
        };
        let is_text = base == "client_name";
        let is_link = matches!(base, "client_uri" | "logo_uri" | "tos_uri" | "policy_uri");
        if !is_text && !is_link {
            continue;
        }
        let Value::String(held) = value else {
            return Err(RegistrationError::Metadata(
                "a text in another language is a string",
            ));
        };
        let kept = if is_text {
            tidy_text(&held)?
        } else {
            Some(held).filter(|held| is_https(held))
        };
        if let Some(kept) = kept.filter(|_| is_language_tag(tag)) {
            metadata.other.insert(name, Value::String(kept));
        }
        if metadata.other.len() > MOST_TAGGED {
            return Err(RegistrationError::Metadata("too many languages"));
        }
    }
    Ok(())
}

fn tidy_text(text: &str) -> Result<Option<String>, RegistrationError> {
    if text.chars().count() > LONGEST_TEXT {
        return Err(RegistrationError::Metadata(
            "a text for display is too long",
        ));
    }
    // Control and bidirectional characters could make one name look like another.
    let printable = |c: &char| {
        !c.is_control()
            && !matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
    };
    let tidy: String = text.chars().filter(printable).collect();
    Ok(Some(tidy.trim().to_owned()).filter(|tidy| !tidy.is_empty()))
}

fn is_https(text: &str) -> bool {
    text.len() <= LONGEST_LINK
        && url::Url::parse(text).is_ok_and(|url| {
            url.scheme() == "https" && url.username().is_empty() && url.password().is_none()
        })
}

fn is_language_tag(tag: &str) -> bool {
    let word = |word: &str| {
        !word.is_empty() && word.len() <= 8 && word.bytes().all(|b| b.is_ascii_alphanumeric())
    };
    tag.len() <= LONGEST_TAG && tag.split('-').all(word)
}

impl PendingAuthorization {
    /// Whether the home page that the client claims lies elsewhere than where the code goes, so
    /// that nothing connects the two but the client's word: a page should say so, or not show it.
    /// Also for codes that stay on the person's own machine, where no host vouches for anything.
    /// `false` when no home page is claimed. Spec: RFC 7591 §5.
    pub fn is_client_uri_elsewhere(&self) -> bool {
        let host_of = |text: &str| Some(url::Url::parse(text).ok()?.host_str()?.to_owned());
        self.client_uri().is_some_and(|claimed| {
            let target = format!("https://{}", self.redirect_host());
            self.redirect_kind() != RedirectKind::Https || host_of(claimed) != host_of(&target)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tidied(document: Value) -> Result<Value, RegistrationError> {
        let mut metadata: ClientMetadata = serde_json::from_value(document).unwrap();
        tidy(&mut metadata)?;
        Ok(serde_json::to_value(metadata).unwrap())
    }

    /// AS-DCR-10, AS-DCR-17: other languages are judged like the one without a tag.
    #[test]
    fn other_languages_are_judged_alike() {
        let kept = tidied(json!({
            "client_name": "An\u{202e} app ",
            "client_name#de": "Ein\u{7} Programm",
            "client_name#ja-Jpan-JP": "\u{30a2}\u{30d7}\u{30ea}",
            "client_name#no_tag": "x",
            "client_name#": "x",
            "client_name#fr": "\u{200b}",
            "logo_uri#de": "https://app.example/de.png",
            "tos_uri#de": "javascript:alert(1)",
            "policy_uri": "https://user@app.example/",
            "scope#de": "x",
            "unknown": [1, 2],
        }));
        assert_eq!(
            kept.unwrap(),
            json!({
                "client_name": "An app",
                "client_name#de": "Ein Programm",
                "client_name#ja-Jpan-JP": "\u{30a2}\u{30d7}\u{30ea}",
                "logo_uri#de": "https://app.example/de.png",
            })
        );
        let crowd: serde_json::Map<String, Value> = (0..=MOST_TAGGED)
            .map(|n| (format!("client_name#x-{n}"), json!("x")))
            .collect();
        for refused in [
            json!({"client_name#de": "x".repeat(201)}),
            json!({"client_name#de": 1}),
            Value::Object(crowd),
        ] {
            assert!(tidied(refused).is_err());
        }
    }
}
