//! Who may do what: rules, the policies that are made of them, and what a contract may use of its host.
//!
//! A contract's policy gives a [`Rule`] for each [`Right`]; the host's policy says who deploys, who its administrators are, and
//! what policy new contracts begin with. Both lie in the state, every version of them is kept, and both change by requests
//! that their own rules permit. Beside them the embedder can refuse more, with an [`Authorizer`] of its own; it cannot permit
//! what a policy refuses.

mod authorizer;
mod capabilities;
mod cautions;
mod decide;
mod host_policy;
mod methods;
mod organisations;
mod policy;
mod recent;
mod rule;

pub use authorizer::{Access, Action, Authorizer, Denied};
pub use capabilities::{Capabilities, InvalidCapabilities};
pub use host_policy::HostPolicy;
pub use organisations::{InvalidGroup, Organisations};
pub use policy::{InvalidRight, Policy, Right};
pub use rule::{InvalidRule, Rule};

pub(crate) use cautions::cautions;
pub(crate) use decide::{answer, decide};
pub(crate) use methods::{ruled, shown, shown_rule};
pub(crate) use policy::METHODS;
pub(crate) use rule::Question;
