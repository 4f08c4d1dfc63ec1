//! Values that scripts get.

use std::{fmt::Write as _, net::IpAddr};

use mlua::{Either, Lua, Value};

/// A value on its way to Lua: a text of UTF-8, which is pushed as it is, or any other value. Most texts are the former,
/// and a text of Lua's own making would be noted and forgotten again in its table of references.
pub(super) type Reply = Either<String, Value>;

/// Nil.
pub(super) const NIL: Reply = Either::Right(Value::Nil);

/// A text of octets, which need not be UTF-8; nil for none.
pub(super) fn octets(lua: &Lua, octets: Option<&[u8]>) -> mlua::Result<Reply> {
    let Some(octets) = octets else {
        return Ok(NIL);
    };
    match std::str::from_utf8(octets) {
        Ok(text) => Ok(Either::Left(text.to_owned())),
        Err(_) => lua
            .create_string(octets)
            .map(Value::String)
            .map(Either::Right),
    }
}

/// An address as text.
pub(super) fn address(lua: &Lua, address: Option<IpAddr>) -> mlua::Result<Reply> {
    let Some(address) = address else {
        return Ok(NIL);
    };
    let mut text = Text::default();
    match address {
        IpAddr::V4(address) => {
            for (index, octet) in address.octets().into_iter().enumerate() {
                if index > 0 {
                    text.push(".");
                }
                text.push_number(octet);
            }
        }
        // Longer than the text has room for it cannot be.
        IpAddr::V6(address) => drop(write!(text, "{address}")),
    }
    octets(lua, Some(text.as_bytes()))
}

/// A MAC address as text.
pub(super) fn mac(lua: &Lua, mac: Option<[u8; 6]>) -> mlua::Result<Reply> {
    let Some([a, b, c, d, e, f]) = mac else {
        return Ok(NIL);
    };
    let text = format!("{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{f:02x}");
    octets(lua, Some(text.as_bytes()))
}

/// A short text without an allocation: what does not fit is left out.
#[derive(Debug)]
pub(super) struct Text {
    octets: [u8; 48],
    length: usize,
}

impl Default for Text {
    fn default() -> Self {
        Self {
            octets: [0; 48],
            length: 0,
        }
    }
}

impl Text {
    pub(super) fn push(&mut self, text: &str) -> &mut Self {
        let end = self.length + text.len();
        if let Some(room) = self.octets.get_mut(self.length..end) {
            room.copy_from_slice(text.as_bytes());
            self.length = end;
        }
        self
    }

    fn push_number(&mut self, number: u8) {
        let digits = [number / 100, number / 10 % 10, number % 10];
        let first = match number {
            0..10 => 2,
            10..100 => 1,
            100.. => 0,
        };
        for digit in digits.into_iter().skip(first) {
            if let Some(octet) = self.octets.get_mut(self.length) {
                *octet = b'0' + digit;
                self.length += 1;
            }
        }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.octets.get(..self.length).unwrap_or_default()
    }
}

impl std::fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.push(text);
        Ok(())
    }
}
