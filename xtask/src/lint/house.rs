//! House rules that no compiler knows.

use std::path::Path;

use super::Violation;

/// The longest source file, in lines.
const FILE: usize = 600;
/// The longest README, in lines.
const README: usize = 150;

/// Marks of unfinished work. In pieces, so that this file has none.
const MARKS: [&str; 6] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("XX", "X"),
    concat!("todo", "!("),
    concat!("unimple", "mented!("),
    concat!("#[ig", "nore"),
];

/// Checks one file.
pub(super) fn violations(file: &Path, text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    let code = file.extension().is_some_and(|extension| extension != "md");
    let limit = if file.ends_with("README.md") { README } else { FILE };
    let lines = text.lines().count();
    if lines > limit {
        found.push(Violation::new(0, format!("{lines} lines; at most {limit}, one concept a file")));
    }
    if code {
        for (number, line) in (1..).zip(text.lines()) {
            for mark in MARKS.into_iter().filter(|mark| has_word(line, mark)) {
                found.push(Violation::new(number, format!("unfinished work: `{mark}`")));
            }
        }
    }
    if file.extension().is_some_and(|extension| extension == "rs") {
        found.extend(allows_without_reason(text));
    }
    found
}

/// Whether `word` stands in `line` and is not part of a longer word.
fn has_word(line: &str, word: &str) -> bool {
    let in_word = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, rest) = line.split_at(start);
        let after = rest.strip_prefix(word).unwrap_or_default();
        let joined_after = word.ends_with(in_word) && after.starts_with(in_word);
        !before.ends_with(in_word) && !joined_after
    })
}

/// Attributes that switch a lint off without saying why. The compiler's own lint sees only what is
/// compiled for this target with these features.
fn allows_without_reason(text: &str) -> Vec<Violation> {
    let mut found = Vec::new();
    for (start, _) in text.match_indices("#[").chain(text.match_indices("#![")) {
        let (before, rest) = text.split_at(start);
        let line_start = before.rsplit('\n').next().unwrap_or_default();
        if line_start.contains("//") || line_start.ends_with('"') {
            continue;
        }
        let attribute = attribute(rest);
        let switches_off = ["allow(", "expect("].iter().any(|name| attribute.contains(name));
        if switches_off && !attribute.contains("reason") {
            let line = before.matches('\n').count() + 1;
            found.push(Violation::new(line, "lint switched off without `reason = \"...\"`"));
        }
    }
    found.sort_by_key(|violation| violation.line);
    found
}

/// The attribute at the start of `text`, up to its closing bracket.
fn attribute(text: &str) -> &str {
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '[' if !quoted => depth += 1,
            ']' if !quoted && depth == 1 => return text.get(..index).unwrap_or(text),
            ']' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: [usize; 0] = [];

    fn lines(file: &str, text: &str) -> Vec<usize> {
        violations(Path::new(file), text).iter().map(|violation| violation.line).collect()
    }

    #[test]
    fn long_files_are_refused() {
        assert_eq!(lines("a.rs", &"\n".repeat(600)), NONE);
        assert_eq!(lines("a.rs", &"\n".repeat(601)), [0]);
        assert_eq!(lines("README.md", &"\n".repeat(151)), [0]);
    }

    #[test]
    fn marks_of_unfinished_work_are_found_as_words() {
        let mark = MARKS[0];
        assert_eq!(lines("a.rs", &format!("fn a() {{}}\n// {mark}: rest\n")), [2]);
        assert_eq!(lines("a.rs", &format!("let X{mark}S = 1;\n")), NONE);
        assert_eq!(lines("a.rs", &format!("    {}\n", MARKS[3])), [1]);
        assert_eq!(lines("a.md", mark), NONE);
    }

    #[test]
    fn lints_are_switched_off_with_a_reason_only() {
        let bare = concat!("#[", "allow(dead_code)]\nfn a() {}\n");
        let reasoned = concat!("#[", "allow(dead_code, reason = \"a [test]\")]\nfn a() {}\n");
        let conditional = concat!("fn b() {}\n#", "![cfg_attr(test, allow(dead_code))]\n");
        let spread = concat!("#[", "allow(\n  dead_code,\n  reason = \"x\",\n)]\n");
        assert_eq!(lines("a.rs", bare), [1]);
        assert_eq!(lines("a.rs", reasoned), NONE);
        assert_eq!(lines("a.rs", conditional), [2]);
        assert_eq!(lines("a.rs", spread), NONE);
        assert_eq!(lines("a.rs", "let x = y.expect(\"no attribute\");\n"), NONE);
    }
}
