//! What a container may see and do.

mod seccomp;
mod spec;

pub(crate) use spec::{Inside, Users, spec};
