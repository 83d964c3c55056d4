//! What the machine answers, and whom it tells of it; and what the model expects of both.

/// What became of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    /// `done`, or the stable name of what it was instead; nothing when the host failed.
    pub(super) name: &'static str,
    /// What a call returned or reverted with, or the text of the error.
    pub(super) text: String,
    /// What a dry run saw.
    pub(super) tried: Option<Tried>,
    /// What observers were told.
    pub(super) told: Vec<Told>,
}

/// What has to become of a step.
#[derive(Debug, Clone, Default)]
pub(super) struct Expected {
    /// `done`, or the stable name of what it is instead.
    pub(super) name: &'static str,
    /// The text, where the model knows it.
    pub(super) text: Option<String>,
    pub(super) tried: Option<Tried>,
    pub(super) told: Vec<Told>,
    /// What is told when the host ends while this is committed.
    pub(super) told_when_lost: Vec<Told>,
    /// True when something is committed.
    pub(super) commits: bool,
    /// What reports call this ending, where the step's verb and its name do not say it.
    pub(super) ending: Option<String>,
}

/// What a dry run saw of calls with and without what it tried.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// A frozen contract was called as if it were not.
    pub(super) thawed: bool,
    pub(super) calls: Vec<Compared>,
}

/// One call of a dry run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Compared {
    pub(super) before: String,
    pub(super) after: String,
    pub(super) differences: Vec<String>,
    /// Whether the gas differs; of the model, whether it may.
    pub(super) gas: bool,
}

/// What observers are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Told {
    /// An entry of a contract's history.
    Done { contract: String, action: String, actor: String, reason: String, entry: u64 },
    /// A version of the host's policy.
    Governed { actor: String, reason: String, version: u32 },
    /// Something on a contract, or on the host, that was not done.
    Refused(Refused),
    /// A receipt.
    Called { contract: String },
}

/// Something that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refused {
    /// The contract and what was wanted with it; nothing for the host.
    pub(super) on: Option<(String, String)>,
    pub(super) actor: String,
    pub(super) reason: String,
    pub(super) why: Text,
    pub(super) tried: bool,
    /// Whether there is such a contract.
    pub(super) exists: bool,
}

/// Text that a model expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Text {
    Exactly(String),
    Begins(&'static str),
    /// What was answered to who asked for it.
    AsAnswered,
}

impl Expected {
    /// In what this differs from what was found; `lost` when the host ended while it was committed.
    pub(super) fn differs_from(&self, found: &Found, lost: bool) -> Option<String> {
        let told = if lost { &self.told_when_lost } else { &self.told };
        let as_told = |(expected, told): (&Told, &Told)| expected.fits(told, &found.text);
        if found.told.len() != told.len() || !told.iter().zip(&found.told).all(as_told) {
            return Some(format!("observers were told {:#?} instead of {told:#?}, with {:?}", found.told, found.text));
        }
        if lost {
            return None;
        }
        if self.name != found.name {
            return Some(format!("ended with {} ({}) instead of {}", found.name, found.text, self.name));
        }
        if let Some(text) = self.text.as_ref().filter(|text| **text != found.text) {
            return Some(format!("answered {:?} instead of {text:?}", found.text));
        }
        let fit = match (&self.tried, &found.tried) {
            (Some(expected), Some(found)) => expected.fits(found),
            (None, None) => true,
            _ => false,
        };
        (!fit).then(|| format!("the dry run saw {:#?} instead of {:#?}", found.tried, self.tried))
    }
}

impl Tried {
    fn fits(&self, found: &Self) -> bool {
        let same = |(expected, found): (&Compared, &Compared)| {
            let Compared { before, after, differences, gas } = expected;
            (before, after, differences) == (&found.before, &found.after, &found.differences) && (*gas || !found.gas)
        };
        self.thawed == found.thawed
            && self.calls.len() == found.calls.len()
            && self.calls.iter().zip(&found.calls).all(same)
    }
}

impl Told {
    /// The same, of what was only tried.
    pub(super) fn tried(self) -> Self {
        match self {
            Self::Refused(refused) => Self::Refused(Refused { tried: true, ..refused }),
            other => other,
        }
    }

    fn fits(&self, found: &Self, answered: &str) -> bool {
        match (self, found) {
            (Self::Refused(expected), Self::Refused(found)) => {
                let Text::Exactly(text) = &found.why else { return false };
                let fits = match &expected.why {
                    Text::Exactly(why) => why == text,
                    Text::Begins(with) => text.starts_with(with),
                    Text::AsAnswered => text == answered,
                };
                fits && *found == Refused { why: found.why.clone(), ..expected.clone() }
            }
            _ => self == found,
        }
    }
}
