//! Links in Markdown files lead somewhere.

use std::fs;
use std::path::Path;

use super::Violation;
use crate::workspace;

/// Checks the links of one file; `file` is relative to the root of the workspace.
pub(super) fn violations(file: &Path, text: &str) -> Vec<Violation> {
    let folder = workspace::root().join(file.parent().unwrap_or(Path::new("")));
    let mut found = Vec::new();
    for (line, target) in links(text) {
        if target.contains("://") || target.starts_with("mailto:") {
            continue;
        }
        let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
        let linked = if path.is_empty() {
            Some(text.to_owned())
        } else if !folder.join(path).exists() {
            found.push(Violation::new(line, format!("link to `{path}`, which does not exist")));
            continue;
        } else {
            fs::read_to_string(folder.join(path)).ok().filter(|_| path.ends_with(".md"))
        };
        if let Some(linked) = linked.filter(|_| !anchor.is_empty())
            && !anchors(&linked).iter().any(|known| known == anchor)
        {
            found.push(Violation::new(line, format!("no heading for the anchor `#{anchor}`")));
        }
    }
    found
}

/// Lines outside of fenced code, numbered from 1.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    (1..).zip(text.lines()).filter(move |(_, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    })
}

/// Targets of `[text](target)` and `[label]: target`, with their lines.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        // Every second piece between back-ticks is code.
        let plain: String = line.split('`').step_by(2).collect::<Vec<_>>().join("code");
        for (start, _) in plain.match_indices("](") {
            let target = plain.get(start + 2..).and_then(|rest| rest.split([')', ' ']).next());
            found.extend(target.map(|target| (number, target.to_owned())));
        }
        if let Some((_, target)) = plain.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
            found.push((number, target.trim().to_owned()));
        }
    }
    found
}

/// The anchors that headings get: lower case, blanks as hyphens, punctuation dropped.
fn anchors(text: &str) -> Vec<String> {
    prose(text)
        .filter_map(|(_, line)| line.strip_prefix('#'))
        .map(|heading| {
            let heading = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "See [a](docs/a.md) and [b](b.md#part \"title\").\n\
                    `[c](c.md)`\n```\n[d](d.md)\n```\n[e]: e.md\n";
        let expected = [(1, "docs/a.md".into()), (1, "b.md#part".into()), (6, "e.md".into())];
        assert_eq!(links(text), expected);
    }

    #[test]
    fn headings_become_anchors() {
        let text = "# Way of a call\n```\n# comment\n```\n## 3. Gas, `fuel`_x\n";
        assert_eq!(anchors(text), ["way-of-a-call", "3-gas-fuel_x"]);
    }

    #[test]
    fn dead_links_and_anchors_are_reported() {
        let text = "# Here\n[ok](#here) [ok](Cargo.toml) [ok](https://example.org/x)\n\
                    [dead](no/such.md) [dead](#there)\n";
        let found = violations(Path::new("README.md"), text);
        assert_eq!(found.iter().map(|violation| violation.line).collect::<Vec<_>>(), [3, 3]);
        assert!(found[0].what.contains("no/such.md") && found[1].what.contains("#there"));
    }
}
