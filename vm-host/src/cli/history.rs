//! What was done with a contract or with the host's policy, and what was refused.

use std::process::ExitCode;

use serde_json::{Value, json};
use vm_core::{
    Address, CodeHash, ContractName, HistoryEntry, HostPolicy, Migration, Operation, Policy, Right, Rule, Situation,
    StateError, Version, Vm, printable,
};

use super::inspect::{columns, joined, room, trimmed, unknown, write_refused};
use super::output::Output;
use super::records::Records;

/// Shows what was done with a contract, and what was refused.
pub(super) fn of_contract(
    vm: &Vm,
    records: &Records,
    output: Output,
    name: &ContractName,
    last: Option<u64>,
) -> anyhow::Result<ExitCode> {
    let record = vm.record(name)?;
    let most = last.map(|last| usize::try_from(last).unwrap_or(usize::MAX));
    let refused = records.refused(Some(name), most);
    if record.is_none() && refused.is_empty() {
        return Err(unknown(name).into());
    }
    let is_there = record.is_some();
    let entries = record.map_or(0, |record| record.entries);
    let first = last.map_or(1, |last| entries.saturating_sub(last).saturating_add(1));
    let entries = vm.history(name, first, usize::MAX)?;
    let rules = entries.iter().map(|entry| regulated(vm, name, entry)).collect::<Result<Vec<_>, _>>()?;
    output.print(
        || {
            let entries = entries.iter().zip(&rules).map(|(entry, rules)| {
                let mut entry = json!(entry);
                if let Some(keys) = entry.as_object_mut() {
                    keys.insert("rules".to_owned(), json!(rules));
                }
                entry
            });
            json!({ "ok": true, "history": entries.collect::<Vec<_>>(), "refused": refused })
        },
        |out| {
            if entries.is_empty() {
                match is_there {
                    true => writeln!(out, "no entries were asked for")?,
                    false => writeln!(out, "there is no contract '{name}', and never was")?,
                }
                return write_refused(out, &refused);
            }
            let mut titles = vec!["", "BLOCK", "DONE", "BY", "VERSION", "STATE", "CHANGED", "REASON"];
            // Few rules ask for endorsements.
            let endorsed = entries.iter().any(|entry| !entry.endorsers.is_empty());
            if endorsed {
                titles.insert(4, "ENDORSED BY");
            }
            let mut table = columns(&titles);
            for (entry, rules) in entries.iter().zip(&rules) {
                let differences = differences(entry.before.as_ref(), &entry.after);
                let mut row = vec![
                    entry.number.to_string(),
                    entry.block.to_string(),
                    match entry.migration {
                        Migration::Skipped => format!("{} without its migration", entry.operation),
                        // From another version than the one before.
                        Migration::Ran if entry.operation == Operation::Migrate => {
                            format!("migrate from {}", entry.migrated_from.as_ref().map_or("", Version::as_str))
                        }
                        Migration::Ran => format!("{} with migration", entry.operation),
                        Migration::None => entry.operation.to_string(),
                    },
                    entry.actor.to_string(),
                    changed(entry.before.as_ref().map(|before| &before.version), &entry.after.version),
                    changed(entry.before.as_ref().map(|before| &before.lifecycle), &entry.after.lifecycle),
                    differences.into_iter().chain(rules.iter().cloned()).collect::<Vec<_>>().join("\n"),
                    printable(&entry.reason).into_owned(),
                ];
                if endorsed {
                    row.insert(4, joined(&entry.endorsers));
                }
                table.add_row(row);
            }
            writeln!(out, "{}", trimmed(&table))?;
            write_refused(out, &refused)
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Shows which changes the host's policy has had, and what was refused.
pub(super) fn of_host(vm: &Vm, records: &Records, output: Output, last: Option<u64>) -> anyhow::Result<ExitCode> {
    let current = vm.host_policy()?;
    let most = last.map(|last| usize::try_from(last).unwrap_or(usize::MAX));
    let refused = records.refused(None, most);
    let last = last.map_or(u32::MAX, |last| u32::try_from(last).unwrap_or(u32::MAX));
    let first = current.version.saturating_sub(last).saturating_add(1);
    let mut before = vm.host_policy_version(first.saturating_sub(1))?.unwrap_or_default();
    let mut entries = Vec::new();
    for version in first..=current.version {
        let Some(policy) = vm.host_policy_version(version)? else { continue };
        entries.push((changes(&before, &policy), policy.clone()));
        before = policy;
    }
    let entry = |(changes, policy): &(Vec<String>, HostPolicy)| -> Value {
        json!({
            "version": policy.version,
            "actor": policy.author,
            "endorsers": policy.endorsers,
            "reason": policy.reason,
            "block": policy.block,
            "changes": changes,
        })
    };
    output.print(
        || json!({ "ok": true, "history": entries.iter().map(entry).collect::<Vec<_>>(), "refused": refused }),
        |out| {
            if entries.is_empty() {
                match current.version {
                    0 => writeln!(out, "the host's policy is the default one, and was not changed")?,
                    _ => writeln!(out, "no entries were asked for")?,
                }
                return write_refused(out, &refused);
            }
            let mut titles = vec!["", "BLOCK", "BY", "CHANGED", "REASON"];
            let endorsed = entries.iter().any(|(_, policy)| !policy.endorsers.is_empty());
            if endorsed {
                titles.insert(3, "ENDORSED BY");
            }
            let mut table = columns(&titles);
            for (changes, policy) in &entries {
                // The first one may be that of the configuration.
                let by = match policy.version {
                    1 if policy.author == Address::ZERO => "configuration".to_owned(),
                    _ => policy.author.to_string(),
                };
                let mut row = vec![
                    policy.version.to_string(),
                    policy.block.to_string(),
                    by,
                    changes.join("\n"),
                    printable(&policy.reason).into_owned(),
                ];
                if endorsed {
                    row.insert(3, joined(&policy.endorsers));
                }
                table.add_row(row);
            }
            writeln!(out, "{}", trimmed(&table))?;
            write_refused(out, &refused)
        },
    )?;
    Ok(ExitCode::SUCCESS)
}

/// Which rules an operation changed.
fn regulated(vm: &Vm, name: &ContractName, entry: &HistoryEntry) -> Result<Vec<String>, StateError> {
    let Some(before) = entry.before.as_ref().filter(|before| before.policy != entry.after.policy) else {
        return Ok(Vec::new());
    };
    let of = |version: u32| Ok::<_, StateError>(vm.policy_version(name, version)?.unwrap_or_default());
    let mut told = Vec::new();
    rules(&of(before.policy)?, &of(entry.after.policy)?, "", &mut told);
    Ok(told)
}

/// In which rules one policy of contracts differs from another.
fn rules(before: &Policy, after: &Policy, what: &str, told: &mut Vec<String>) {
    let of =
        |policy: &Policy, right: &Right| policy.iter().find(|(known, _)| known == right).map(|(_, rule)| rule.clone());
    let gone = before.iter().filter(|(right, _)| of(after, right).is_none());
    for (right, _) in after.iter().chain(gone) {
        rule(format!("{what}{right}"), of(before, &right).as_ref(), of(after, &right).as_ref(), told);
    }
}

fn rule(what: String, old: Option<&Rule>, new: Option<&Rule>, told: &mut Vec<String>) {
    if old != new {
        let text = |rule: Option<&Rule>| rule.map_or("no rule of its own".to_owned(), Rule::to_string);
        told.push(format!("{what}: {} → {}", text(old), text(new)));
    }
}

/// In what one version of the host's policy differs from the one before.
fn changes(before: &HostPolicy, after: &HostPolicy) -> Vec<String> {
    let mut told = Vec::new();
    rule("deploy".to_owned(), Some(&before.deploy), Some(&after.deploy), &mut told);
    rule("administrators".to_owned(), Some(&before.administrators), Some(&after.administrators), &mut told);
    rules(&before.contracts, &after.contracts, "contracts ", &mut told);
    let members = |policy: &HostPolicy| {
        let all = policy.organisations.iter();
        let each = all.flat_map(|(organisation, role, members)| {
            members.iter().map(move |member| format!("{organisation} {role} {member}"))
        });
        each.collect::<Vec<_>>()
    };
    let (old, new) = (members(before), members(after));
    told.extend(new.iter().filter(|member| !old.contains(member)).map(|member| format!("enrol {member}")));
    told.extend(old.iter().filter(|member| !new.contains(member)).map(|member| format!("dismiss {member}")));
    told
}

/// What an operation changed beside version and state; of a deployment, what the contract began with.
fn differences(before: Option<&Situation>, after: &Situation) -> Option<String> {
    let mut told = Vec::new();
    let mut tell = |what: &str, old: Option<String>, new: String| match old {
        Some(old) if old == new => {}
        Some(old) => told.push(format!("{what} {old} → {new}")),
        None => told.push(format!("{what} {new}")),
    };
    let of = |part: fn(&Situation) -> String| (before.map(part), part(after));
    for (what, (old, new)) in [
        ("runtime", of(|situation| situation.runtime.to_string())),
        ("code", of(|situation| short(&situation.code))),
        ("policy", of(|situation| situation.policy.to_string())),
        ("room", of(|situation| situation.room.map_or("unbounded".to_owned(), room))),
    ] {
        // What every contract begins with is not worth a word.
        if !(before.is_none() && (new == "0" || new == "unbounded")) {
            tell(what, old, new);
        }
    }
    (!told.is_empty()).then(|| told.join(", "))
}

fn short(code: &CodeHash) -> String {
    code.to_string().chars().take(12).collect()
}

/// `1 → 2`, or only `2` when it was that before.
fn changed<T: PartialEq + std::fmt::Display>(before: Option<&T>, after: &T) -> String {
    match before {
        Some(before) if before != after => format!("{before} → {after}"),
        _ => after.to_string(),
    }
}
