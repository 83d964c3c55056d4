//! What every ordered pair and triple of runtimes has to do.

use super::stage::{Form, Stage};
use super::tree::{Body, Call, End, Op};
use crate::Vm;

/// Bytes of what is large: no multiple of a word.
const LARGE: u16 = 5001;

/// Everything that one contract can see of another one, for every ordered pair, each runtime with itself included.
///
/// # Errors
/// The first difference from the model, with the pair and the case.
pub fn pairs(vm: &Vm, forms: &[Form]) -> Result<usize, String> {
    let mut run = 0;
    for (i, a) in forms.iter().enumerate() {
        for (j, b) in forms.iter().enumerate() {
            let mut stage = Stage::deploy(vm, &format!("pair-{i}-{j}"), [a, b])?;
            for (case, body) in of_two() {
                let told = |error| format!("{} -> {}: {case}: {error}", a.label(), b.label());
                stage.run(0, &body).map_err(told)?;
                run += 1;
            }
        }
    }
    Ok(run)
}

/// What goes through one contract to another, for every ordered triple.
///
/// # Errors
/// The first difference from the model, with the triple and the case.
pub fn triples(vm: &Vm, forms: &[Form]) -> Result<usize, String> {
    let mut run = 0;
    for (i, a) in forms.iter().enumerate() {
        for (j, b) in forms.iter().enumerate() {
            for (k, c) in forms.iter().enumerate() {
                let mut stage = Stage::deploy(vm, &format!("triple-{i}-{j}-{k}"), [a, b, c])?;
                for (case, body) in of_three() {
                    let told = |error| format!("{} -> {} -> {}: {case}: {error}", a.label(), b.label(), c.label());
                    stage.run(0, &body).map_err(told)?;
                    run += 1;
                }
            }
        }
    }
    Ok(run)
}

/// More contracts than may be on the stack at once, each of which calls the next one: the one too many is refused, and the others go on.
/// Each form follows another one, so that the dispatcher sees every call. Tells how many took part.
///
/// # Errors
/// The first difference from the model.
pub fn depth(vm: &Vm, forms: &[Form]) -> Result<usize, String> {
    const CONTRACTS: usize = 66;
    let mut stage = Stage::deploy(vm, "deep", forms.iter().cycle().take(CONTRACTS))?;
    let mut body = Body::new(vec![Op::Put(1, 1)]);
    for next in (1..CONTRACTS).rev() {
        body = Body::new(vec![Op::Put(0, 7), Call::new(next, body).into(), Op::Emit(3)]);
    }
    stage.run_with(0, &body, None)?;
    Ok(CONTRACTS)
}

/// Changes that another contract can see, or that must be gone.
fn changes() -> Vec<Op> {
    vec![Op::Put(1, 11), Op::Put(2, 22), Op::Delete(1), Op::Emit(5), Op::Put(3, 33)]
}

fn look() -> Body {
    Body::new(vec![Op::Get(1), Op::Get(3), Op::Scan(0, 6)])
}

fn around(call: impl Into<Op>) -> Body {
    Body::new(vec![Op::Put(0, 1), Op::Emit(1), call.into(), Op::Emit(2), Call::new(1, look()).into(), Op::Scan(0, 6)])
}

fn of_two() -> Vec<(&'static str, Body)> {
    let ending = |end| Body::new(changes()).ends(end);
    let with_value = |value| Call { value, ..Call::new(1, Body::new(vec![Op::Who, Op::Put(4, 4)])) };
    let read_only = |body| Call { is_static: true, ..Call::new(1, body) };
    let back = |body| Call::new(1, Body::new(vec![Op::Put(5, 5), Call::new(0, body).into(), Op::Emit(9)]));
    vec![
        ("revert", around(Call::new(1, ending(End::Revert(7, 1))))),
        ("trap", around(Call::new(1, ending(End::Trap)))),
        ("out of gas", around(Call::new(1, ending(End::Burn)))),
        ("success", around(Call::new(1, ending(End::Return)))),
        (
            "range reads under reverted writes",
            around(Call::new(1, Body::new(vec![Op::Delete(2), Op::Put(4, 9), Op::Scan(0, 6)]).ends(End::Trap))),
        ),
        ("a large result", around(Call::new(1, Body::new(vec![Op::Fill(9, LARGE)])))),
        (
            "a large reason of a revert",
            around(Call { tells: true, ..Call::new(1, Body::new(changes()).ends(End::Revert(b'x', LARGE))) }),
        ),
        ("who calls", Body::new(vec![Op::Who, Call::new(1, Body::new(vec![Op::Who])).into()])),
        ("value", around(with_value(5))),
        (
            "more value than there is",
            Body::new(vec![
                Op::Put(0, 2),
                Call { value: 255, ..with_value(0) }.into(),
                Call { value: 255, ..with_value(0) }.into(),
                Call { value: 255, ..with_value(0) }.into(),
                Call { value: 255, ..with_value(0) }.into(),
                Op::Get(0),
            ]),
        ),
        ("value back with a revert", around(Call { value: 3, ..Call::new(1, ending(End::Revert(1, 1))) })),
        ("reads of a static call", around(read_only(look()))),
        ("a static violation: write", around(read_only(Body::new(vec![Op::Get(1), Op::Put(1, 1)])))),
        ("a static violation: deletion", around(read_only(Body::new(vec![Op::Delete(1)])))),
        ("a static violation: event", around(read_only(Body::new(vec![Op::Emit(1)])))),
        ("re-entry", around(back(Body::new(vec![Op::Get(0), Op::Put(0, 9), Op::Emit(8)])))),
        ("re-entry that fails", around(back(ending(End::Revert(2, 1))))),
        ("the caller fails afterwards", around(Call::new(1, ending(End::Return))).ends(End::Revert(3, 1))),
        ("the caller traps afterwards", around(Call::new(1, ending(End::Return))).ends(End::Trap)),
    ]
}

fn of_three() -> Vec<(&'static str, Body)> {
    let ending = |end| Body::new(changes()).ends(end);
    let through = |inner: Call, end| {
        let middle = Body::new(vec![
            Op::Put(1, 2),
            Op::Emit(6),
            inner.into(),
            Op::Get(1),
            Op::Emit(7),
            Call::new(2, look()).into(),
        ]);
        let looks = [1, 2].map(|of| Op::from(Call::new(of, look())));
        Body::new([vec![Op::Put(0, 1), Call::new(1, middle.ends(end)).into(), Op::Emit(3)], looks.to_vec()].concat())
    };
    let read_only = |body| Call { is_static: true, ..Call::new(2, body) };
    let mut cases = Vec::new();
    for middle in [End::Return, End::Revert(7, 1), End::Trap] {
        for last in [End::Return, End::Revert(7, 1), End::Trap, End::Burn] {
            cases.push(("endings", through(Call::new(2, ending(last)), middle)));
        }
    }
    let value = Call { value: 2, ..Call::new(2, Body::new(vec![Op::Who])) };
    cases.push(("value", through(value, End::Return)));
    cases.push(("a static violation", through(read_only(ending(End::Return)), End::Return)));
    let inherits =
        Call { is_static: true, ..Call::new(1, Body::new(vec![Call::new(2, ending(End::Return)).into(), Op::Get(1)])) };
    cases.push(("a static call is inherited", Body::new(vec![inherits.into(), Call::new(2, look()).into()])));
    let value = Call { value: 1, ..Call::new(2, Body::new(Vec::new())) };
    let inherits = Call { is_static: true, ..Call::new(1, Body::new(vec![value.into()])) };
    cases.push(("no value in a static call", Body::new(vec![inherits.into(), Op::Who])));
    for to in [0, 1] {
        let back = Call::new(to, Body::new(vec![Op::Get(0), Op::Put(0, 5), Op::Emit(4)]));
        let last = Call::new(2, Body::new(vec![Op::Put(2, 2), back.into(), Op::Emit(5)]));
        cases.push(("re-entry", through(last, End::Return)));
    }
    cases
}
