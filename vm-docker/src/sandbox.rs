//! What a container may see and do.

mod seccomp;
mod spec;
mod swap;

pub(crate) use spec::{Inside, Users, spec};
pub(crate) use swap::Swap;
