//! Whether wasmi, as it was compiled into this program, keeps the native stack level.
//!
//! wasmi 2.0 dispatches by calls in tail position, which only the optimiser makes tail calls. Where it does not, every operator
//! that a contract executes leaves a frame, and the process ends by a stack overflow. Rust has no means to demand
//! tail calls, and a build script sees neither `lto` nor `codegen-units` nor `debug-assertions`. So a module that executes
//! what contracts can is run, once in a process, and the host looks where the stack is before and after.
//! Growth of memory and table is not in it: see [`grow`](crate::meter::GROW).

mod sample;

use std::hint::black_box;
use std::sync::OnceLock;

use wasmi::{Caller, Engine, Error, Func, Instance, Module, Store};

/// Native stack for the sample: twice what it takes if each of its 22,000 operators leaves the largest frame seen, 240 bytes.
const STACK: usize = 12 << 20;

/// How an engine without tail calls is told to people who build it.
pub(crate) const UNLEVEL: &str = "the interpreter wasmi was compiled without tail calls, so contracts could overflow the \
     native stack; in the profile of the build, set debug-assertions = false for the package wasmi, and leave lto as cargo \
     has it instead of \"off\"; or enable the feature portable of vm-wasm";

/// Whether the stack is where it was after every operator.
pub(crate) fn is_level() -> bool {
    static LEVEL: OnceLock<bool> = OnceLock::new();
    *LEVEL.get_or_init(|| stacker::grow(STACK, || places(&sample::module())).is_ok_and(|places| level(&places)))
}

/// Where the native stack is whenever a module calls the host.
fn places(module: &[u8]) -> Result<Vec<usize>, Error> {
    let engine = Engine::new(&super::wasmi::config());
    let module = Module::new(&engine, module)?;
    let mut store = Store::new(&engine, Vec::new());
    let place = Func::wrap(&mut store, |mut caller: Caller<'_, Vec<usize>>| {
        let local = 0u8;
        let place = std::ptr::from_ref(black_box(&local)).addr();
        caller.data_mut().push(place);
    });
    let instance = Instance::new(&mut store, &module, &[place.into()])?;
    instance.get_typed_func::<(), ()>(&store, sample::ENTRY)?.call(&mut store, ())?;
    Ok(store.into_data())
}

/// At least two places, all the same.
fn level(places: &[usize]) -> bool {
    places.len() > 1 && places.iter().all(|place| Some(place) == places.first())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This build's profile is one in which contracts can run.
    #[test]
    fn the_sample_runs_and_leaves_the_stack_level() {
        let places = stacker::grow(STACK, || places(&sample::module())).unwrap();
        assert!(places.len() > 1);
        let (least, most) = (places.iter().min().unwrap(), places.iter().max().unwrap());
        assert_eq!(most - least, 0, "bytes of stack are in use after the sample; {UNLEVEL}");
        assert!(is_level());
    }

    #[test]
    fn a_stack_that_moves_is_not_level() {
        assert!(level(&[7, 7, 7]));
        for places in [&[][..], &[7], &[7, 6], &[7, 7, 8]] {
            assert!(!level(places), "{places:?}");
        }
    }
}
