//! Lists of tools in an answer, cut down to those that somebody may call.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;

/// An answer holds a list of tools that cannot be read, so nobody knows what it shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the list of tools cannot be read")]
pub struct UnreadableList;

/// Takes out of the lists of tools that `answer` holds, a JSON-RPC message or a batch of them,
/// every tool that `shows` does not show, and those without a name. All else stays as it is, to the
/// character.
///
/// A list that depends on who asks is `private` to caches: it says so where it says anything about
/// caching, and where `caching` tells that it should (MCP 2026-07-28 and later).
///
/// `None` when nothing has to change; also for what is no such message.
///
/// # Errors
/// [`UnreadableList`], for a member that comes twice and for a list that is none.
pub fn hide_tools(
    answer: &[u8],
    caching: bool,
    shows: impl Fn(&str) -> bool,
) -> Result<Option<String>, UnreadableList> {
    match answer.trim_ascii_start().first() {
        Some(b'{') => {
            let message: Option<&RawValue> = read(answer)?;
            let changed = message.map(|message| hide_in(message, caching, &shows));
            Ok(changed
                .transpose()?
                .flatten()
                .map(|changed| changed.get().to_owned()))
        }
        Some(b'[') => {
            let Some(mut batch) = read::<Vec<Cow<'_, RawValue>>>(answer)? else {
                return Ok(None);
            };
            let mut any = false;
            for message in &mut batch {
                if let Some(changed) = hide_in(message, caching, &shows)? {
                    *message = Cow::Owned(changed);
                    any = true;
                }
            }
            let batch = any.then(|| raw(&batch)).transpose()?;
            Ok(batch.map(|batch| batch.get().to_owned()))
        }
        _ => Ok(None),
    }
}

/// One message, if anything in it has to change.
fn hide_in(
    message: &RawValue,
    caching: bool,
    shows: &dyn Fn(&str) -> bool,
) -> Result<Option<Box<RawValue>>, UnreadableList> {
    let members = |held: &RawValue| held.get().starts_with('{');
    if !members(message) {
        return Ok(None);
    }
    let mut message: Members<'_> = parse(message)?;
    let Some(held) = message.get("result").filter(|held| members(held)) else {
        return Ok(None);
    };
    let mut result: Members<'_> = parse(held)?;
    let Some(tools) = result.get("tools") else {
        return Ok(None);
    };
    let tools: Vec<&RawValue> = parse(tools)?;
    let mut shown = tools.clone();
    shown.retain(|tool| is_shown(tool, shows));
    let said = result.get("cacheScope").map(RawValue::get);
    let public = said.map_or(caching, |said| said != "\"private\"");
    if shown.len() == tools.len() && !public {
        return Ok(None);
    }
    let shown = raw(&shown)?;
    result.set("tools", shown);
    if public {
        result.set("cacheScope", raw("private")?);
    }
    let result = raw(&result)?;
    message.set("result", result);
    raw(&message).map(Some)
}

fn is_shown(tool: &RawValue, shows: &dyn Fn(&str) -> bool) -> bool {
    #[derive(serde::Deserialize)]
    struct Named<'a> {
        #[serde(borrow)]
        name: Cow<'a, str>,
    }
    serde_json::from_str(tool.get()).is_ok_and(|tool: Named<'_>| shows(&tool.name))
}

/// `None` for what is no JSON at all.
fn read<'a, T: Deserialize<'a>>(text: &'a [u8]) -> Result<Option<T>, UnreadableList> {
    match serde_json::from_slice(text) {
        Ok(read) => Ok(Some(read)),
        Err(error) if error.is_data() => Err(UnreadableList),
        Err(_) => Ok(None),
    }
}

fn parse<'a, T: Deserialize<'a>>(text: &'a RawValue) -> Result<T, UnreadableList> {
    serde_json::from_str(text.get()).map_err(|_| UnreadableList)
}

fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, UnreadableList> {
    serde_json::value::to_raw_value(value).map_err(|_| UnreadableList)
}

/// An object's members in their order, each as it was written; none comes twice.
struct Members<'a>(Vec<(String, Cow<'a, RawValue>)>);

impl Members<'_> {
    fn get(&self, name: &str) -> Option<&RawValue> {
        let (_, value) = self.0.iter().find(|(held, _)| held == name)?;
        Some(value)
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(held, _)| held == name) {
            Some((_, held)) => *held = Cow::Owned(value),
            None => self.0.push((name.to_owned(), Cow::Owned(value))),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Each;
        impl<'de> Visitor<'de> for Each {
            type Value = Members<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object without repeated members")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members<'de>, A::Error> {
                let mut members = Members(Vec::new());
                while let Some((name, value)) = map.next_entry::<String, &'de RawValue>()? {
                    if members.get(&name).is_some() {
                        return Err(A::Error::custom("a member is repeated"));
                    }
                    members.0.push((name, Cow::Borrowed(value)));
                }
                Ok(members)
            }
        }
        deserializer.deserialize_map(Each)
    }
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hide(answer: &str, caching: bool) -> Result<Option<String>, UnreadableList> {
        hide_tools(answer.as_bytes(), caching, |name| name != "write")
    }

    const LIST: &str = r#"{"jsonrpc":"2.0","result":{"nextCursor":"x","tools":[{"name":"read","inputSchema":{"maximum":1e400, "n":12345678901234567890123}},{"name":"write"}]},"id":1}"#;

    /// RS-TOK-20: what is left is as it was, to the digit.
    #[test]
    fn tools_that_may_not_be_called_are_not_shown() {
        let shown = LIST.replace(r#",{"name":"write"}"#, "");
        assert_eq!(hide(LIST, false), Ok(Some(shown.clone())));
        assert_eq!(hide(&shown, false), Ok(None), "nothing to hide");
        let spelt = LIST
            .replace("write", "wr\\u0069te")
            .replace("\"name\"", "\"n\\u0061me\"");
        assert!(!hide(&spelt, false).unwrap().unwrap().contains("wr"));
        let nameless = LIST.replace(r#"{"name":"write"}"#, r#"{"name":["read"]},{},7"#);
        assert_eq!(hide(&nameless, false), Ok(Some(shown.clone())));

        let ping = r#"{"jsonrpc":"2.0","id":2,"result":{}}"#;
        let batch = format!("[{ping},{LIST}]");
        assert_eq!(hide(&batch, false), Ok(Some(format!("[{ping},{shown}]"))));
        for other in [
            ping,
            "",
            "7",
            "not JSON",
            "{\"result\":",
            r#"{"error":{"code":1,"data":{"tools":[{"name":"write"}]}},"id":1}"#,
            r#"{"method":"x","params":{"tools":[{"name":"write"}]},"id":1}"#,
            r#"{"result":{"content":[{"tools":[{"name":"write"}]}]},"id":1}"#,
            r#"{"result":[],"id":1}"#,
        ] {
            assert_eq!(hide(other, true), Ok(None), "{other}");
        }
    }

    /// RS-TOK-19: what depends on who asks is nobody else's, whether or not anything was hidden.
    #[test]
    fn a_list_that_depends_on_who_asks_is_private() {
        let scope = |answer: &str, caching| {
            let changed = hide(answer, caching).unwrap()?;
            let changed: serde_json::Value = serde_json::from_str(&changed).unwrap();
            let scope = changed["result"].get("cacheScope")?;
            scope.as_str().map(str::to_owned)
        };
        let all = r#"{"id":1,"result":{"tools":[{"name":"read"}]}}"#;
        assert_eq!(scope(all, true).as_deref(), Some("private"));
        assert_eq!(
            scope(all, false),
            None,
            "older revisions have no such member"
        );
        let more = all.replace("}]", "},{\"name\":\"write\"}]");
        assert_eq!(scope(&more, true).as_deref(), Some("private"));
        let public = all.replace(
            "{\"tools",
            "{\"ttlMs\":1000,\"cacheScope\":\"public\",\"tools",
        );
        assert_eq!(scope(&public, false).as_deref(), Some("private"));
        assert_eq!(hide(&public.replace("public", "private"), true), Ok(None));
    }

    #[test]
    fn a_list_that_could_be_read_in_two_ways_is_not_passed_on() {
        for answer in [
            r#"{"id":1,"result":{"tools":[],"tools":[{"name":"write"}]}}"#,
            r#"{"id":1,"result":{},"result":{"tools":[{"name":"write"}]}}"#,
            r#"{"id":1,"result":{"tools":{"name":"write"}}}"#,
        ] {
            assert_eq!(hide(answer, false), Err(UnreadableList), "{answer}");
        }
    }
}
