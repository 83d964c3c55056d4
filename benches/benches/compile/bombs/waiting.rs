//! Operands that wait below many blocks, loops or calls.

use wasm_encoder::BlockType;

use super::{Bomb, LEAF, PLAIN, Sink, memarg};

pub(super) const BOMBS: &[Bomb] = &[
    Bomb { name: "1,000 operands below joins", before: loads::<1_000>, unit: join, after: adds::<1_000>, ..PLAIN },
    Bomb { name: "2,000 operands below joins", before: loads::<2_000>, unit: join, after: adds::<2_000>, ..PLAIN },
    Bomb { name: "100 operands below joins", before: loads::<100>, unit: join, after: adds::<100>, ..PLAIN },
    Bomb {
        name: "1,000 operands below loops",
        before: loads::<1_000>,
        unit: |f, n| drop(f.loop_(BlockType::Empty).local_get(n % 8).i32_wrap_i64().br_if(0).end()),
        after: adds::<1_000>,
        ..PLAIN
    },
    Bomb {
        name: "2,000 operands below ifs",
        before: loads::<2_000>,
        unit: |f, n| drop(f.local_get(n % 8).i32_wrap_i64().if_(BlockType::Empty).end()),
        after: adds::<2_000>,
        ..PLAIN
    },
    Bomb {
        name: "1,000 operands below br_tables",
        before: loads::<1_000>,
        unit: |f, n| {
            (0..8).for_each(|_| drop(f.block(BlockType::Empty)));
            f.local_get(n % 8).i32_wrap_i64().br_table((0..200).map(|n| n % 8), 0);
            (0..8).for_each(|_| drop(f.end()));
        },
        after: adds::<1_000>,
        ..PLAIN
    },
    Bomb {
        name: "2,000 operands below calls",
        before: loads::<2_000>,
        unit: |f, _| drop(f.call(LEAF)),
        after: adds::<2_000>,
        ..PLAIN
    },
];

fn loads<const COUNT: u32>(f: Sink<'_, '_>) {
    (0..COUNT).for_each(|_| drop(f.i32_const(0).i64_load(memarg())));
}

fn adds<const COUNT: u32>(f: Sink<'_, '_>) {
    (1..COUNT).for_each(|_| drop(f.i64_add()));
    f.drop();
}

fn join(f: Sink<'_, '_>, n: u32) {
    f.block(BlockType::Empty).local_get(n % 8).i32_wrap_i64().br_if(0);
    f.local_get(n % 8).i64_const(1).i64_add().local_set(n % 8).end();
}
