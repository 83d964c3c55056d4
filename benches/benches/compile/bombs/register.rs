//! Values that all want the same register, or are kept although they are neither locals nor operands.

use wasm_encoder::MemArg;

use super::{Bomb, IDENTITY, PLAIN, Sink, memarg};

/// Locals that are live throughout: about as many as are not yet a crowd.
const LOCALS: u32 = 60;

const CONTESTED: Bomb = Bomb { locals: LOCALS, before: load, after: store, ..PLAIN };

pub(super) const BOMBS: &[Bomb] = &[
    Bomb {
        name: "rotations of many locals",
        before: |f| {
            load(f);
            f.local_get(0);
        },
        unit: |f, n| drop(f.local_get(7 * n % LOCALS).i64_rotl().local_tee(13 * n % LOCALS)),
        after: |f| {
            f.drop();
            store(f);
        },
        ..CONTESTED
    },
    Bomb {
        name: "rotations of few locals",
        locals: 8,
        before: |_| (),
        unit: |f, n| drop(f.local_get(n % 8).local_get(7 * n % 8).i64_rotl().local_set(13 * n % 8)),
        after: |f| (0..8).for_each(|local| drop(f.local_get(local).global_set(0))),
        ..CONTESTED
    },
    Bomb {
        name: "shifts of many locals",
        unit: |f, n| drop(f.local_get(n % LOCALS).local_get(7 * n % LOCALS).i64_shl().local_set(13 * n % LOCALS)),
        ..CONTESTED
    },
    Bomb {
        name: "divisions of many locals",
        unit: |f, n| drop(f.local_get(n % LOCALS).local_get(7 * n % LOCALS).i64_div_s().local_set(13 * n % LOCALS)),
        ..CONTESTED
    },
    Bomb {
        name: "divisions by constants of many locals",
        unit: |f, n| drop(f.local_get(n % LOCALS).i64_const(i64::from(n) + 3).i64_div_s().local_set(13 * n % LOCALS)),
        ..CONTESTED
    },
    Bomb {
        name: "products that come again",
        locals: LOCALS + 1,
        unit: |f, n| {
            f.local_get(LOCALS).local_get(n % LOCALS).local_get(n / LOCALS % 50).i64_mul().i64_add().local_set(LOCALS);
        },
        after: |f| {
            store(f);
            f.local_get(LOCALS).global_set(0);
        },
        ..CONTESTED
    },
    Bomb {
        name: "products by constants that come again",
        unit: |f, n| {
            f.local_get(n % 8).local_get(8).i64_const(i64::from(n % 3_000)).i64_mul().i64_xor().local_set(n % 8);
        },
        ..CONTESTED
    },
    Bomb {
        name: "loads that come again",
        unit: |f, n| {
            f.local_get(n % 8).i32_const((8 * (n % 3_000)).cast_signed()).i64_load(memarg()).i64_xor();
            f.local_set(n % 8);
        },
        ..CONTESTED
    },
    Bomb {
        name: "loads that are used at the end",
        unit: |f, n| {
            f.local_get(n % 8).i32_const((8 * n).cast_signed()).i64_load(memarg()).i64_xor().local_set(n % 8);
        },
        ..CONTESTED
    },
    Bomb {
        name: "calls that are used at the end",
        unit: |f, n| drop(f.local_get(n % 8).local_get(n % 8).call(IDENTITY).i64_xor().local_set(n % 8)),
        ..CONTESTED
    },
    Bomb {
        name: "global variables that are used at the end",
        before: |_| (),
        unit: |f, n| {
            f.local_get(n % 8)
                .global_get(n % 100)
                .i64_xor()
                .local_set(n % 8)
                .i64_const(i64::from(n))
                .global_set(n % 100);
        },
        ..CONTESTED
    },
    Bomb {
        name: "loads far off",
        unit: |f, n| {
            let far = MemArg { offset: 0xffff_fff0 - u64::from(n % 5_000), align: 3, memory_index: 0 };
            f.local_get(n % 8).i32_wrap_i64().i64_load(far).local_set((n + 1) % 8);
        },
        ..CONTESTED
    },
    Bomb {
        name: "loads just less far off",
        unit: |f, n| {
            let far = MemArg { offset: 0x7fff_fff0 - u64::from(n % 5_000), align: 3, memory_index: 0 };
            f.local_get(n % 8).i32_wrap_i64().i64_load(far).local_set((n + 1) % 8);
        },
        ..CONTESTED
    },
];

fn load(f: Sink<'_, '_>) {
    (0..LOCALS).for_each(|local| drop(f.i32_const(8 * local.cast_signed()).i64_load(memarg()).local_set(local)));
}

fn store(f: Sink<'_, '_>) {
    (0..LOCALS).for_each(|local| drop(f.local_get(local).global_set(0)));
}
