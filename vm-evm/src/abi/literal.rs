//! The text form of values: `7`, `alice`, `"a b"`, `[1, 2]`, `(alice, 7)`, `{"to": "alice", "amount": 7}`.

/// What a text says before its type is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    /// A bare word: number, name, hex, boolean.
    Word(String),
    /// Text in double quotes, escapes resolved.
    Quoted(String),
    /// `[a, b]` or `(a, b)`.
    List(Vec<Literal>),
    /// `{"name": value}`.
    Object(Vec<(String, Literal)>),
}

/// Deeper nesting than any ABI needs; bounds the recursion.
const MAX_NESTING: usize = 32;

/// Parses a whole text; the error says what was expected at which character.
pub(super) fn parse(text: &str) -> Result<Literal, String> {
    let mut reader = Reader { text, at: 0 };
    let literal = reader.literal(0)?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(literal),
        Some(c) => Err(format!("'{c}' after the end of the value at character {}", reader.position())),
    }
}

/// What ends a word. A colon does so only behind a field's name: `contract:token` is an address.
const fn is_mark(c: char) -> bool {
    matches!(c, ',' | '[' | ']' | '(' | ')' | '{' | '}' | '"')
}

struct Reader<'t> {
    text: &'t str,
    /// Byte offset, always on a character border.
    at: usize,
}

impl Reader<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn position(&self) -> usize {
        self.text.get(..self.at).unwrap_or_default().chars().count() + 1
    }

    fn skip_space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.next();
        }
    }

    fn expected(&self, what: &str) -> String {
        match self.peek() {
            Some(c) => format!("expected {what} at character {}, found '{c}'", self.position()),
            None => format!("expected {what}, found the end of the text"),
        }
    }

    fn literal(&mut self, nesting: usize) -> Result<Literal, String> {
        if nesting > MAX_NESTING {
            return Err(format!("nested deeper than {MAX_NESTING} levels"));
        }
        self.skip_space();
        match self.peek() {
            Some('[') => self.list(']', nesting).map(Literal::List),
            Some('(') => self.list(')', nesting).map(Literal::List),
            Some('{') => self.object(nesting).map(Literal::Object),
            Some('"') => self.quoted().map(Literal::Quoted),
            _ => self.word(is_mark).map(Literal::Word),
        }
    }

    fn list(&mut self, close: char, nesting: usize) -> Result<Vec<Literal>, String> {
        self.next();
        let mut items = Vec::new();
        self.skip_space();
        if self.peek() == Some(close) {
            self.next();
            return Ok(items);
        }
        loop {
            items.push(self.literal(nesting + 1)?);
            if self.separator(close)? {
                return Ok(items);
            }
        }
    }

    fn object(&mut self, nesting: usize) -> Result<Vec<(String, Literal)>, String> {
        self.next();
        let mut fields = Vec::new();
        self.skip_space();
        if self.peek() == Some('}') {
            self.next();
            return Ok(fields);
        }
        loop {
            self.skip_space();
            let name = if self.peek() == Some('"') { self.quoted()? } else { self.word(|c| c == ':' || is_mark(c))? };
            self.skip_space();
            if self.peek() != Some(':') {
                return Err(self.expected("':'"));
            }
            self.next();
            fields.push((name, self.literal(nesting + 1)?));
            if self.separator('}')? {
                return Ok(fields);
            }
        }
    }

    /// True when `close` ended the list, false when a comma goes on with it.
    fn separator(&mut self, close: char) -> Result<bool, String> {
        self.skip_space();
        match self.peek() {
            Some(',') => {
                self.next();
                Ok(false)
            }
            Some(c) if c == close => {
                self.next();
                Ok(true)
            }
            _ => Err(self.expected(&format!("',' or '{close}'"))),
        }
    }

    /// Text up to a character that ends it.
    fn word(&mut self, ends: impl Fn(char) -> bool) -> Result<String, String> {
        let mut word = String::new();
        while let Some(c) = self.peek().filter(|c| !ends(*c)) {
            word.push(c);
            self.next();
        }
        let word = word.trim_end();
        if word.is_empty() { Err(self.expected("a value")) } else { Ok(word.to_owned()) }
    }

    /// A string with JSON's escapes.
    fn quoted(&mut self) -> Result<String, String> {
        let start = self.at;
        self.next();
        loop {
            match self.next() {
                Some('\\') => {
                    self.next();
                }
                Some('"') => break,
                Some(_) => {}
                None => return Err("a string without its closing '\"'".to_owned()),
            }
        }
        let raw = self.text.get(start..self.at).unwrap_or_default();
        serde_json::from_str(raw).map_err(|e| format!("the string {raw} is not valid: {e}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Literal::*, *};

    fn word(text: &str) -> Literal {
        Word(text.to_owned())
    }

    #[test]
    fn every_form() {
        for (text, want) in [
            ("7", word("7")),
            (" alice ", word("alice")),
            ("two words", word("two words")),
            (r#""a\n\"b\"""#, Quoted("a\n\"b\"".to_owned())),
            ("[]", List(vec![])),
            ("( )", List(vec![])),
            ("[1,-2 , 0x3]", List(vec![word("1"), word("-2"), word("0x3")])),
            (r#"[(a,"b"),[]]"#, List(vec![List(vec![word("a"), Quoted("b".to_owned())]), List(vec![])])),
            ("[alice, contract:token]", List(vec![word("alice"), word("contract:token")])),
            ("{to: contract:token}", Object(vec![("to".to_owned(), word("contract:token"))])),
            (
                r#"{"to": alice, amount: [7]}"#,
                Object(vec![("to".to_owned(), word("alice")), ("amount".to_owned(), List(vec![word("7")]))]),
            ),
        ] {
            assert_eq!(parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn errors_say_where() {
        for (text, want) in [
            ("", "expected a value, found the end"),
            ("[1", "expected ',' or ']', found the end"),
            ("[1)", "at character 3, found ')'"),
            ("[1,]", "expected a value at character 4"),
            ("[1] 2", "'2' after the end of the value at character 5"),
            ("{a 1}", "expected ':'"),
            (r#"["a"#, "closing"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(want), "{text}: {error}");
        }
        assert!(parse(&"[".repeat(100_000)).unwrap_err().contains("nested deeper"));
    }
}
