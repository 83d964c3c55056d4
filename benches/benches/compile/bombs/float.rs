//! Floating point: what yields a NaN is made canonical, and some operators become many of a processor's instructions.

use super::{Bomb, PLAIN};

pub(super) const BOMBS: &[Bomb] = &[
    Bomb {
        name: "additions of floats",
        units: 28_000,
        before: |f| drop(f.f64_const(1.5.into())),
        unit: |f, n| drop(f.local_get(n % 8).f64_reinterpret_i64().f64_add()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "square roots of floats",
        units: 58_000,
        before: |f| drop(f.f64_const(1.5.into())),
        unit: |f, _| drop(f.f64_sqrt()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "the least of floats",
        units: 28_000,
        before: |f| drop(f.f32_const(1.5.into())),
        unit: |f, n| drop(f.local_get(n % 8).f32_convert_i64_u().f32_min()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "floats to the nearest",
        units: 58_000,
        before: |f| drop(f.f64_const(1.5.into())),
        unit: |f, _| drop(f.f64_nearest()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "floats narrowed and widened",
        units: 29_000,
        before: |f| drop(f.f64_const(1.5.into())),
        unit: |f, _| drop(f.f32_demote_f64().f64_promote_f32()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "floats to integers, with traps",
        units: 29_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, _| drop(f.f64_reinterpret_i64().i64_trunc_f64_s()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "floats to unsigned integers, with traps",
        units: 29_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, _| drop(f.f64_reinterpret_i64().i64_trunc_f64_u()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "floats to integers, without traps",
        units: 29_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, _| drop(f.f64_reinterpret_i64().i64_trunc_sat_f64_u()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "integers to floats and back",
        units: 29_000,
        before: |f| drop(f.local_get(0)),
        unit: |f, _| drop(f.f64_convert_i64_u().i64_trunc_sat_f64_s()),
        after: |f| drop(f.drop()),
        ..PLAIN
    },
    Bomb {
        name: "products of floats that stay",
        units: 11_000,
        unit: |f, n| {
            f.local_get(n % 8).f64_reinterpret_i64().local_get((n + 1) % 8).f64_reinterpret_i64().f64_mul();
            f.i64_reinterpret_f64().local_set((n + 2) % 8);
        },
        ..PLAIN
    },
];
