//! The scripts, and how one is asked for. Each runs on keys of one slot.

use std::sync::LazyLock;

use redis::{Arg, Cmd};

/// A script and its digest, by which servers know it.
pub(crate) struct Script(LazyLock<redis::Script>, &'static str);

macro_rules! script {
    ($name:ident = $text:expr) => {
        pub(crate) static $name: Script =
            Script(LazyLock::new(|| redis::Script::new($text)), $text);
    };
}

// A value is 16 hexadecimal digits of its revision, 32 characters that stand for whom it is listed
// under, and the document. Dates are written first, so that a key of ours that holds something
// else is found before anything is changed.

// record, dates; value, milliseconds to live or '', date or '', member
// -> 1 when it was inserted
script!(
    INSERT = r"
if redis.call('STRLEN', KEYS[1]) > 0 then return 0 end
if ARGV[3] ~= '' then redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4]) end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 1
"
);

// record, dates; value, milliseconds or '', date or '', member, revision, listing or ''
// -> 0 missing, 1 conflict, 2 it is listed elsewhere, 3 replaced
script!(
    REPLACE = r"
local head = redis.call('GETRANGE', KEYS[1], 0, 47)
if head == '' then return 0 end
if string.sub(head, 1, 16) ~= ARGV[5] then return 1 end
if ARGV[6] ~= '' and string.sub(head, 17) ~= ARGV[6] then return 2 end
if ARGV[3] == '' then redis.call('ZREM', KEYS[2], ARGV[4])
else redis.call('ZADD', KEYS[2], ARGV[3], ARGV[4]) end
if ARGV[2] == '' then redis.call('SET', KEYS[1], ARGV[1])
else redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2]) end
return 3
"
);

// record, dates; revision, member
// -> 0 missing, 1 conflict, or the value that was deleted
script!(
    DELETE = r"
local value = redis.call('GET', KEYS[1])
if not value then return 0 end
if string.sub(value, 1, 16) ~= ARGV[1] then return 1 end
redis.call('ZREM', KEYS[2], ARGV[2])
redis.call('DEL', KEYS[1])
return value
"
);

// dates, records; now, members in the order of the records
// -> the values that were deleted
script!(
    SWEEP = r"
local gone = {}
for i = 2, #KEYS do
  local date = redis.call('ZSCORE', KEYS[1], ARGV[i])
  if date and tonumber(date) < tonumber(ARGV[1]) then
    local value = redis.call('GET', KEYS[i])
    redis.call('ZREM', KEYS[1], ARGV[i])
    if value then
      redis.call('DEL', KEYS[i])
      gone[#gone + 1] = value
    end
  end
end
return gone
"
);

// listing; member, how many others to show
// -> the time in seconds, some entries
script!(
    ENTER = r"
local now = redis.call('TIME')
redis.call('ZADD', KEYS[1], 0, ARGV[1] .. '\0' .. string.format('%011d%06d', now[1], now[2]))
return {now[1], redis.call('ZRANDMEMBER', KEYS[1], ARGV[2])}
"
);

// listing; limit, ranges as pairs of a first and a last entry
// -> the time in seconds, entries
script!(
    ENTRIES = r"
local found = {}
for i = 2, #ARGV, 2 do
  local some = redis.call('ZRANGEBYLEX', KEYS[1], ARGV[i], ARGV[i + 1], 'LIMIT', 0, ARGV[1])
  for _, entry in ipairs(some) do found[#found + 1] = entry end
end
return {redis.call('TIME')[1], found}
"
);

// count; attempts allowed, milliseconds of the window
// -> milliseconds until the next attempt is allowed, 0 when this one was
script!(
    ATTEMPT = r"
local count = tonumber(redis.call('GET', KEYS[1]) or 0)
local left = redis.call('PTTL', KEYS[1])
if count >= tonumber(ARGV[1]) and left > 0 then return left end
if left > 0 then redis.call('INCR', KEYS[1])
else redis.call('SET', KEYS[1], 1, 'PX', ARGV[2]) end
return 0
"
);

impl Script {
    /// Asks for the script by its digest, on these keys, which share a slot.
    pub(crate) fn on<const N: usize>(&'static self, keys: [&str; N]) -> Request {
        self.on_all(keys)
    }

    /// The same for any number of keys, at least one.
    pub(crate) fn on_all<'a>(
        &'static self,
        keys: impl IntoIterator<Item = &'a str, IntoIter: ExactSizeIterator>,
    ) -> Request {
        let keys = keys.into_iter();
        let mut command = redis::cmd("EVALSHA");
        command.arg(self.0.get_hash()).arg(keys.len());
        let mut slot = 0;
        for key in keys {
            slot = crate::keys::slot(key);
            command.arg(key);
        }
        Request {
            command,
            slot,
            script: Some(self),
        }
    }
}

/// One command, to be sent once.
pub(crate) struct Request {
    pub(crate) command: Cmd,
    pub(crate) slot: u16,
    script: Option<&'static Script>,
}

impl Request {
    /// A plain command on a key.
    pub(crate) fn plain(command: &str, key: &str) -> Self {
        let mut built = redis::cmd(command);
        built.arg(key);
        Self {
            command: built,
            slot: crate::keys::slot(key),
            script: None,
        }
    }

    /// One more argument.
    pub(crate) fn arg(mut self, argument: impl redis::ToRedisArgs) -> Self {
        self.command.arg(argument);
        self
    }

    /// The same with the script's whole text, for a server that does not know the digest. Such a
    /// server says so before it does anything, so this is no second attempt at a write.
    pub(crate) fn in_full(&self) -> Option<Cmd> {
        let script = self.script?;
        let mut command = redis::cmd("EVAL");
        command.arg(script.1);
        for argument in self.command.args_iter().skip(2) {
            if let Arg::Simple(argument) = argument {
                command.arg(argument);
            }
        }
        Some(command)
    }
}
