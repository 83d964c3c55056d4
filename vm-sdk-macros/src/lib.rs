//! The procedural macros of vm-sdk.
