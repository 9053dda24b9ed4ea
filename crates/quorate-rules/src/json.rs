//! JSON at the edge of the rules: strict reading of what others signed, and our own byte-exact writing of claims (RFC 8259).

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;

/// A JSON object without duplicate members.
#[derive(Debug, Clone, Default)]
pub struct StrictObject(BTreeMap<String, Value>);

/// Longest JSON text that is read here, in bytes.
pub const MAX_JSON: usize = 16 * 1024;

impl StrictObject {
    /// Reads one object of up to [`MAX_JSON`] bytes; duplicate members and anything but an object are refused.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_JSON {
            return None;
        }
        serde_json::from_slice(bytes).ok()
    }

    /// The member, if present.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// The member, if it is a string.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// The member, if it is an integer that fits u64. Fractions are refused: no float ever decides.
    pub fn integer(&self, name: &str) -> Option<u64> {
        self.0.get(name)?.as_u64()
    }
}

impl<'de> Deserialize<'de> for StrictObject {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = StrictObject;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object without duplicate members")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<StrictObject, A::Error> {
                let mut object = BTreeMap::new();
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if object.insert(name, value).is_some() {
                        return Err(serde::de::Error::custom("duplicate member"));
                    }
                }
                Ok(StrictObject(object))
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// Writes one JSON object with its members in the order of their names: the same claims always give the same bytes.
#[derive(Debug, Default)]
pub struct ObjectWriter(BTreeMap<&'static str, String>);

impl ObjectWriter {
    /// Adds a string member.
    pub fn text(&mut self, name: &'static str, value: &str) -> &mut Self {
        self.0.insert(name, quoted(value));
        self
    }

    /// Adds an integer member.
    pub fn integer(&mut self, name: &'static str, value: u64) -> &mut Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// Adds `true` or `false`.
    pub fn boolean(&mut self, name: &'static str, value: bool) -> &mut Self {
        self.0.insert(name, value.to_string());
        self
    }

    /// Adds an array of strings.
    pub fn texts(&mut self, name: &'static str, values: &[&str]) -> &mut Self {
        let items: Vec<String> = values.iter().map(|value| quoted(value)).collect();
        self.0.insert(name, format!("[{}]", items.join(",")));
        self
    }

    /// Adds a nested object.
    pub fn object(&mut self, name: &'static str, value: &Self) -> &mut Self {
        self.0.insert(name, value.finish());
        self
    }

    /// The text, without white space.
    pub fn finish(&self) -> String {
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{}:{value}", quoted(name)))
            .collect();
        format!("{{{}}}", members.join(","))
    }
}

/// A JSON string with the fewest escapes that RFC 8259 §7 allows; control characters as `\u00xx`.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if u32::from(c) < 0x20 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn duplicates_arrays_and_trailing_text_are_refused() {
        for bad in [r#"{"a":1,"a":1}"#, "[]", "1", r#"{"a":1} x"#, "", "{"] {
            assert!(StrictObject::parse(bad.as_bytes()).is_none(), "{bad}");
        }
        let big = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_JSON));
        assert!(StrictObject::parse(big.as_bytes()).is_none());
    }

    #[test]
    fn fractions_and_negatives_are_no_integers() {
        let object = StrictObject::parse(br#"{"a":1.0,"b":-1,"c":1e3,"d":7}"#).unwrap();
        assert_eq!(
            ["a", "b", "c", "d"].map(|name| object.integer(name)),
            [None, None, None, Some(7)]
        );
    }

    proptest! {
        #[test]
        fn what_we_write_any_parser_reads(text in ".*", number in any::<u64>()) {
            let mut writer = ObjectWriter::default();
            writer.text("t", &text).integer("n", number).texts("l", &[&text, "x"]);
            let read: Value = serde_json::from_str(&writer.finish()).unwrap();
            prop_assert_eq!(read["t"].as_str(), Some(text.as_str()));
            prop_assert_eq!(read["n"].as_u64(), Some(number));
            prop_assert_eq!(read["l"][0].as_str(), Some(text.as_str()));
        }
    }
}
