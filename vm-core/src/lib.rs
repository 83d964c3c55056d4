//! Traits, lifecycle, journal and call dispatcher of the contract VM layer; contains no engine.
