//! Loops in each other of which only the outermost reads the locals, so that they are live in all of them.

use wasm_encoder::BlockType;

use super::{Bomb, PLAIN, Sink, memarg};

pub(super) const BOMBS: &[Bomb] = &[
    Bomb {
        name: "joins in a loop in a loop that reads 400 locals",
        locals: 400,
        before: loops::<2, 400>,
        unit: join,
        after: ends::<2>,
        ..PLAIN
    },
    Bomb {
        name: "joins in 3 loops, the outermost reads 400 locals",
        locals: 400,
        before: loops::<3, 400>,
        unit: join,
        after: ends::<3>,
        ..PLAIN
    },
    Bomb {
        name: "joins in 6 loops, the outermost reads 400 locals",
        locals: 400,
        before: loops::<6, 400>,
        unit: join,
        after: ends::<6>,
        ..PLAIN
    },
    Bomb {
        name: "joins in 20 loops, the outermost reads 400 locals",
        locals: 400,
        before: loops::<20, 400>,
        unit: join,
        after: ends::<20>,
        ..PLAIN
    },
    Bomb {
        name: "joins in 3 loops, the outermost reads 2,000 locals",
        locals: 2_000,
        before: loops::<3, 2_000>,
        unit: join,
        after: ends::<3>,
        ..PLAIN
    },
    Bomb {
        name: "br_tables in 3 loops, the outermost reads 400 locals",
        locals: 400,
        before: loops::<3, 400>,
        unit: br_table,
        after: ends::<3>,
        ..PLAIN
    },
    Bomb {
        name: "br_tables in 6 loops, the outermost reads 400 locals",
        locals: 400,
        before: loops::<6, 400>,
        unit: br_table,
        after: ends::<6>,
        ..PLAIN
    },
    Bomb {
        name: "br_tables in 20 loops, the outermost reads 2,000 locals",
        locals: 2_000,
        before: loops::<20, 2_000>,
        unit: br_table,
        after: ends::<20>,
        ..PLAIN
    },
    Bomb {
        name: "loops in 3 loops, the outermost reads 100 locals",
        locals: 100,
        before: loops::<3, 100>,
        unit: |f, n| drop(f.loop_(BlockType::Empty).local_get(n % 8).i32_wrap_i64().br_if(0).end()),
        after: ends::<3>,
        ..PLAIN
    },
];

/// Begins so many loops after each other; the first changes all locals, and each of the others has a branch to the one around it.
fn loops<const DEPTH: u32, const LOCALS: u32>(f: Sink<'_, '_>) {
    (0..LOCALS).for_each(|local| drop(f.i32_const(0).i64_load(memarg()).local_set(local)));
    f.loop_(BlockType::Empty);
    (0..LOCALS).for_each(|local| drop(f.local_get(local).i64_const(1).i64_add().local_set(local)));
    for depth in 1..DEPTH {
        f.loop_(BlockType::Empty).local_get(0).i64_const(i64::from(depth)).i64_eq().br_if(1);
    }
}

fn ends<const DEPTH: u32>(f: Sink<'_, '_>) {
    f.br(0);
    (0..DEPTH).for_each(|_| drop(f.end()));
}

fn join(f: Sink<'_, '_>, _: u32) {
    f.block(BlockType::Empty).local_get(0).i32_wrap_i64().br_if(0);
    f.local_get(0).i64_const(1).i64_add().local_set(0).end();
}

fn br_table(f: Sink<'_, '_>, _: u32) {
    (0..8).for_each(|_| drop(f.block(BlockType::Empty)));
    f.local_get(0).i32_wrap_i64().br_table((0..200).map(|n| n % 8), 0);
    (0..8).for_each(|_| drop(f.end()));
}
