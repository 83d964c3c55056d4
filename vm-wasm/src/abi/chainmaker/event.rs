//! Events: a topic, and a list of texts as its data.

use bytes::Bytes;

use super::easycodec::Value;
use super::sys_call::{Answer, Body, Fail, refused};
use crate::abi::Frame;

/// The longest topic, in bytes.
const TOPIC_BYTES: usize = 255;
/// How many texts there may be, and how long each, in bytes.
const TEXTS: std::ops::RangeInclusive<usize> = 1..=16;
const TEXT_BYTES: usize = 65_535;

impl Frame<'_> {
    /// Emits an event, whose data is a JSON array of the texts.
    pub(super) fn emit_event(&mut self, body: &Body<'_>) -> Result<Answer, Fail> {
        let topic = body.text("topic")?;
        if topic.is_empty() || topic.len() > TOPIC_BYTES {
            return refused(format!("the topic has {} bytes, 1 to {TOPIC_BYTES} are allowed", topic.len()));
        }
        let texts = body.0.iter().filter(|item| item.key != b"topic").map(|item| match item.value {
            Value::Text(text) if text.len() > TEXT_BYTES => {
                refused(format!("a text has {} bytes, {TEXT_BYTES} are allowed", text.len()))
            }
            Value::Text(text) => std::str::from_utf8(text).or_else(|_| refused("a text is not UTF-8")),
            _ => refused("the data has something else than text"),
        });
        let texts = texts.collect::<Result<Vec<_>, _>>()?;
        if !TEXTS.contains(&texts.len()) {
            return refused(format!(
                "the data has {} texts, {} to {} are allowed",
                texts.len(),
                TEXTS.start(),
                TEXTS.end()
            ));
        }
        let data = serde_json::to_vec(&texts).or_else(|error| refused(error.to_string()))?;
        self.host.emit(vec![Bytes::copy_from_slice(topic.as_bytes()).into()], data.into())?;
        Ok(Answer::Nothing)
    }
}
