//! What dry runs see.

use super::super::answer::{Compared, Expected, Told, Tried};
use super::super::step::{Calling, OWN_BLOCK, Step, Verb};
use super::calls::{Call, Ended};
use super::policy::Asker;
use super::{Model, Why};

impl Model {
    /// Tries something, and makes calls with and without it.
    pub(super) fn try_out(
        &self,
        step: &Step,
        trial: &Verb,
        calls: &[(&'static str, &'static str, Calling)],
    ) -> Expected {
        let (mut before, mut after) = (self.clone(), self.clone());
        let tried = match trial {
            Verb::Call(calling) => after.call(step.calling(*calling)),
            operation => after.operate(step, operation).map(|()| Ended { how: "done", ..Ended::default() }),
        };
        let (name, told) = match tried {
            Ok(ended) => (ended.how, ended.denials.into_iter().map(Told::tried).collect()),
            Err(Why { name, text }) => {
                let denied = Why { name, text: text.clone() };
                let told = if name == "denied" { vec![self.refused(step, trial, &denied, true)] } else { Vec::new() };
                return Expected { name, text, told, ..Expected::default() };
            }
        };
        let thaws = !calls.is_empty() && !matches!(trial, Verb::Deploy { .. } | Verb::Call(_));
        let thawed = thaws && [&mut before, &mut after].map(|model| model.thaw(step.name)).contains(&true);
        let compare = |(to, actor, calling): &(&'static str, &'static str, Calling)| {
            let by = Asker { actor, endorsers: &[], owner: None };
            let call = Call { to, by, calling: *calling, is_static: false, block: OWN_BLOCK };
            let gas = before.runs_as() != after.runs_as();
            compared(before.call(call), after.call(call), gas)
        };
        let tried = Tried { thawed, calls: calls.iter().map(compare).collect() };
        Expected { name, tried: Some(tried), told, ..Expected::default() }
    }

    /// Lets a frozen contract be called; true when it was frozen.
    fn thaw(&mut self, name: &str) -> bool {
        let frozen = self.contracts.get_mut(name).filter(|contract| contract.now.life == "frozen");
        frozen.map(|contract| contract.now.life = "active").is_some()
    }

    /// All that decides on calls.
    fn runs_as(&self) -> Vec<impl PartialEq> {
        self.contracts.iter().map(|(name, contract)| (name, contract.runs_as(), contract.rights())).collect()
    }
}

/// A call with and without a trial; `gas` says whether it may cost another amount.
fn compared(before: Result<Ended, Why>, after: Result<Ended, Why>, gas: bool) -> Compared {
    let mut differences = Vec::new();
    match (&before, &after) {
        (Ok(old), Ok(new)) => {
            let mut differs = |what: &str, differs: bool| differs.then(|| differences.push(what.to_owned()));
            let trap = |ended: &Ended| (ended.how == "trapped").then(|| ended.text.clone());
            let output = |ended: &Ended| trap(ended).map_or_else(|| ended.text.clone(), |_| String::new());
            differs("status", (old.how, trap(old)) != (new.how, trap(new)));
            differs("output", output(old) != output(new));
            differs("events", old.events != new.events);
            let (gone, came) = (old.writes.iter(), new.writes.iter().filter(|(key, _)| !old.writes.contains_key(*key)));
            let gone = gone.filter(|(key, value)| new.writes.get(*key) != Some(value));
            let told = |key: &String| format!("{key}: {:?} and {:?}", old.writes.get(key), new.writes.get(key));
            let keys = gone.chain(came).map(|(key, _)| told(key)).collect::<Vec<_>>();
            differences.extend(keys);
        }
        _ => {
            let text = |ended: &Result<Ended, Why>| ended.as_ref().err().and_then(|why| why.text.clone());
            if text(&before) != text(&after) {
                differences.push("refusal".into());
            }
        }
    }
    differences.sort();
    let gas = gas && before.is_ok() && after.is_ok();
    Compared { before: told(before), after: told(after), differences, gas }
}

/// How a call ended, in a line.
fn told(ended: Result<Ended, Why>) -> String {
    match ended {
        Ok(Ended { how, text, .. }) => format!("{how}: {text}"),
        Err(Why { name, text }) => format!("{name}: {}", text.unwrap_or_default()),
    }
}
