//! What can be wrong with a configuration file, and how it is told.

use std::fmt;
use std::path::{Path, PathBuf};

use super::document::Span;

/// Why a configuration could not be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The file could not be read.
    #[error("configuration: cannot read {}: {source}; name another file with --config or write one with `vm-host init`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// The file's name does not tell its format.
    #[error("configuration: {} has no known file extension; expected .toml, .yaml or .yml", path.display())]
    UnknownFormat {
        /// The file.
        path: PathBuf,
    },
    /// The file was read, and something in it is wrong.
    #[error(transparent)]
    Invalid(#[from] InvalidConfig),
}

/// Everything that is wrong with one configuration file.
///
/// Displays each mistake with its place, the line it stands in, what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidConfig {
    file: PathBuf,
    text: String,
    mistakes: Vec<Mistake>,
}

impl InvalidConfig {
    pub(super) fn new(file: &Path, text: &str, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.at);
        Self { file: file.to_owned(), text: text.to_owned(), mistakes }
    }

    /// The file that holds the mistakes.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The mistakes in the order of the file; at least one.
    #[must_use]
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl std::error::Error for InvalidConfig {}

impl fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            let (line, column) = (mistake.line(), mistake.column());
            write!(f, "{}:{line}:{column}: {}", self.file.display(), mistake.found)?;
            let source = self.text.lines().nth(line.saturating_sub(1)).unwrap_or("").trim_end();
            let gutter = line.to_string().len();
            // Tabs would shift the marks, and so would carriage returns.
            write!(f, "\n {line} | {}", source.replace('\t', " "))?;
            let marks = "^".repeat(mistake.at.width.min(80));
            write!(f, "\n {:gutter$} | {:pad$}{marks}", "", "", pad = column.saturating_sub(1))?;
            if let Some(expected) = &mistake.expected {
                write!(f, " expected {expected}")?;
            }
            if let Some(help) = &mistake.help {
                write!(f, "\n {:gutter$} = help: {help}", "")?;
            }
        }
        Ok(())
    }
}

/// One thing that is wrong in a configuration file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    at: Span,
    found: String,
    expected: Option<String>,
    help: Option<String>,
}

impl Mistake {
    pub(super) fn at(at: Span, found: impl Into<String>) -> Self {
        Self { at, found: found.into(), expected: None, help: None }
    }

    pub(super) fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = Some(expected.into());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The line, counted from 1.
    #[must_use]
    pub fn line(&self) -> usize {
        self.at.line
    }

    /// The column in characters, counted from 1.
    #[must_use]
    pub fn column(&self) -> usize {
        self.at.column
    }

    /// What was found.
    #[must_use]
    pub fn found(&self) -> &str {
        &self.found
    }

    /// What would have been right, to be read after "expected".
    #[must_use]
    pub fn expectation(&self) -> Option<&str> {
        self.expected.as_deref()
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.help.as_deref()
    }
}
