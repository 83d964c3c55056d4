//! The same call in another process: does it do the same?

use prost::Message;
use vm_container_protocol::{
    Call as CallFrame, ContractFrame, HostFrame, Put, Return as ReturnFrame, Scan, Status as StatusFrame,
    call_contract::Target, contract_frame::Kind,
};
use vm_core::{HostFault, Interrupt, Stop};

use super::{Break, End, Line, Stage};
use crate::{DockerError, connection::Connection};

/// Most bytes of what is said in a call that is to be repeated: 64 MiB.
const SCRIPT_LIMIT: usize = 64 << 20;

/// Longest part of a key or value that is shown, in bytes.
const SHOWN: usize = 40;

/// What was said in a call: all that another process needs to repeat it, and that it has to repeat.
#[derive(Default)]
pub(crate) struct Script {
    call: CallFrame,
    steps: Vec<Step>,
    /// Bytes of all that.
    size: usize,
}

struct Step {
    said: ContractFrame,
    /// Absent where none is given, or the host stopped the contract instead.
    answer: Option<HostFrame>,
}

impl Script {
    pub(super) fn begin(&mut self, call: &CallFrame) -> Result<(), Stop> {
        self.count(call.encoded_len())?;
        self.call = call.clone();
        Ok(())
    }

    pub(super) fn said(&mut self, said: &ContractFrame) -> Result<(), Stop> {
        // What ends the call is the last, and no longer than a frame.
        if !matches!(said.kind, Some(Kind::Return(_))) {
            self.count(said.encoded_len().saturating_add(size_of::<Step>()))?;
        }
        self.steps.push(Step { said: said.clone(), answer: None });
        Ok(())
    }

    pub(super) fn answered(&mut self, answer: &HostFrame) -> Result<(), Stop> {
        self.count(answer.encoded_len())?;
        if let Some(step) = self.steps.last_mut() {
            step.answer = Some(answer.clone());
        }
        Ok(())
    }

    /// Refuses what would make it too long, before it is copied.
    fn count(&mut self, bytes: usize) -> Result<(), Stop> {
        self.size = self.size.saturating_add(bytes);
        match self.size <= SCRIPT_LIMIT {
            true => Ok(()),
            false => Err(HostFault::from(DockerError::TooLongToRepeat { limit: SCRIPT_LIMIT }).into()),
        }
    }
}

/// Has a container that waits for a call, its `number`th, repeat one. It gets the answers that were given; nothing is done.
/// True if the container is ready for the next call.
pub(crate) fn replay(
    connection: &mut Connection,
    number: u64,
    script: &Script,
    interrupt: &Interrupt,
) -> Result<bool, End> {
    connection.interrupt_by(interrupt);
    let mut line = Line::new(connection, number);
    match follow(&mut line, script) {
        Ok(true) => Ok(true),
        Ok(false) => Ok(line.settle(interrupt)),
        Err(Break::End(end)) => Err(end),
        // An answer that no frame holds was none for the first process either.
        Err(Break::Stop(_)) => Ok(false),
    }
}

/// False if the first process was stopped, so that this one has to be, too.
fn follow(line: &mut Line<'_>, script: &Script) -> Result<bool, Break> {
    line.begin(script.call.clone())?;
    for (at, step) in script.steps.iter().enumerate() {
        let frame = line.receive()?;
        if !same(&step.said, &frame) {
            return Err(Break::End(End::Broken(DockerError::Differs {
                operation: at.saturating_add(1),
                first: describe(&step.said),
                second: describe(&frame),
            })));
        }
        if matches!(frame.kind, Some(Kind::Return(_))) {
            return Ok(true);
        }
        match &step.answer {
            Some(answer) => line.connection.send(answer.clone())?,
            None if line.stage == Stage::Asks => return Ok(false),
            None => {}
        }
    }
    Ok(false)
}

/// True if both have the same effect. Of a line for the log that is its price alone, of a trap that it is one.
fn same(first: &ContractFrame, second: &ContractFrame) -> bool {
    match (&first.kind, &second.kind) {
        (Some(Kind::Log(first)), Some(Kind::Log(second))) => first.message.len() == second.message.len(),
        (Some(Kind::Return(first)), Some(Kind::Return(second))) => {
            first.status == second.status && (first.output == second.output || first.status() == StatusFrame::Trap)
        }
        (first, second) => first == second,
    }
}

/// What a frame does, on one line.
fn describe(frame: &ContractFrame) -> String {
    match &frame.kind {
        Some(Kind::Get(get)) => format!("get {}", show(&get.key)),
        Some(Kind::GetMany(many)) => {
            let keys: Vec<_> = many.split().filter_map(Result::ok).map(show).collect();
            format!("get {}", keys.join(", "))
        }
        Some(Kind::Put(Put { key, value })) => format!("put {} = {}", show(key), show(value)),
        Some(Kind::Delete(delete)) => format!("delete {}", show(&delete.key)),
        Some(Kind::Scan(Scan { start, end, limit })) => {
            format!("scan {} to {}, at most {limit}", show(start), show(end))
        }
        Some(Kind::Emit(emit)) => format!("emit {:?} {}", emit.topic, show(&emit.data)),
        Some(Kind::CallContract(call)) => {
            let target = match &call.target {
                Some(Target::Name(name)) => name.clone(),
                Some(Target::Address(address)) => format!("0x{}", hex::encode(address)),
                None => "nobody".into(),
            };
            format!("call {target} {} {}", call.method, show(&call.input))
        }
        Some(Kind::GasLeft(_)) => "ask for the gas left".into(),
        Some(Kind::Charge(charge)) => format!("charge {}", charge.gas),
        Some(Kind::Log(log)) => format!("log {:?}", log.message),
        Some(Kind::AddressOf(of)) => format!("ask for the address of {:?}", of.name),
        Some(Kind::Return(ReturnFrame { status, output })) => match StatusFrame::try_from(*status) {
            Ok(StatusFrame::Success) => format!("return {}", show(output)),
            Ok(StatusFrame::Revert) => format!("revert {}", show(output)),
            _ => format!("trap {}", show(output)),
        },
        Some(Kind::Hello(_)) | None => "nothing that is known".into(),
    }
}

/// Bytes as text where they are text, else as hexadecimal digits.
fn show(bytes: &[u8]) -> String {
    let start = bytes.get(..SHOWN).unwrap_or(bytes);
    let more = if bytes.len() > SHOWN { format!("... ({} bytes)", bytes.len()) } else { String::new() };
    match std::str::from_utf8(start) {
        Ok(text) if text.chars().all(|c| c.is_ascii_graphic()) => format!("\"{text}\"{more}"),
        _ => format!("0x{}{more}", hex::encode(start)),
    }
}

#[cfg(test)]
mod tests {
    use vm_container_protocol::{GasLeft, Get, Log, Value};

    use super::*;

    fn log(message: &str) -> ContractFrame {
        Log { level: 2, message: message.into() }.into()
    }

    fn returned(status: StatusFrame, output: &[u8]) -> ContractFrame {
        ReturnFrame { status: status.into(), output: output.into() }.into()
    }

    #[test]
    fn what_has_no_effect_makes_no_difference() {
        assert!(same(&log("at 0x1a"), &log("at 0x2b")) && !same(&log("a"), &log("ab")));
        assert!(same(&returned(StatusFrame::Trap, b"a"), &returned(StatusFrame::Trap, b"b")));
        assert!(!same(&returned(StatusFrame::Revert, b"a"), &returned(StatusFrame::Revert, b"b")));
        let get = ContractFrame::from(Get { key: b"k".to_vec() });
        assert!(same(&get, &get.clone().of_call(7)));
    }

    #[test]
    fn what_is_kept_of_a_call_is_bounded() {
        let mut script = Script::default();
        script.begin(&CallFrame { input: vec![0; 1 << 20], ..CallFrame::default() }).unwrap();
        let (get, mebibyte) = (Get { key: b"k".to_vec() }.into(), Value { value: Some(vec![0; 1 << 20]) }.into());
        let mut answers = 0;
        let stop = loop {
            script.said(&get).unwrap();
            match script.answered(&mebibyte) {
                Ok(()) => answers += 1,
                Err(stop) => break stop,
            }
        };
        assert_eq!((answers, script.steps.len()), (62, 63), "with what they are wrapped in");
        let Stop::Fault(fault) = stop else { panic!("{stop:?}") };
        assert!(fault.to_string().contains("more than 67108864 bytes"), "{fault}");

        // Frames without content take memory, too.
        let (mut script, mut frames) = (Script::default(), 0);
        while script.said(&GasLeft {}.into()).is_ok() {
            frames += 1;
        }
        assert!(frames * size_of::<Step>() <= SCRIPT_LIMIT, "{frames}");
    }

    #[test]
    fn operations_are_described_on_one_line() {
        let put = Put { key: b"count".to_vec(), value: vec![7; 41] };
        let sevens = "07".repeat(40);
        assert_eq!(describe(&put.into()), format!("put \"count\" = 0x{sevens}... (41 bytes)"));
        assert_eq!(describe(&returned(StatusFrame::Success, &[])), "return \"\"");
    }
}
