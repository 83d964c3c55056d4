// SPDX-License-Identifier: MIT OR Apache-2.0
//! Work without state, as rustc compiles contracts: what metering costs there. Built into `compute.wasm` by
//! `rustc --edition 2024 --crate-type cdylib --target wasm32-unknown-unknown -Copt-level=s -Coverflow-checks=on -Cpanic=abort
//! -Cstrip=symbols -Clink-arg=-zstack-size=32768 compute.rs`. Every export takes a number of rounds and returns a checksum.

#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

const SHA256: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01,
    0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc,
    0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147,
    0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08,
    0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208,
    0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

/// The compression function of SHA-256, over so many blocks of 64 bytes.
#[unsafe(no_mangle)]
pub extern "C" fn sha256(blocks: u32) -> u32 {
    let mut state: [u32; 8] = [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ];
    let mut words = [0u32; 64];
    for block in 0..blocks {
        for (index, word) in words.iter_mut().take(16).enumerate() {
            *word = (block ^ index as u32).swap_bytes();
        }
        for i in 16..64 {
            let (a, b) = (words[i - 15], words[i - 2]);
            let low = a.rotate_right(7) ^ a.rotate_right(18) ^ (a >> 3);
            let high = b.rotate_right(17) ^ b.rotate_right(19) ^ (b >> 10);
            words[i] = words[i - 16].wrapping_add(low).wrapping_add(words[i - 7]).wrapping_add(high);
        }
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = state;
        for i in 0..64 {
            let sum = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
            let choice = (e & f) ^ (!e & g);
            let first = h.wrapping_add(sum).wrapping_add(choice).wrapping_add(SHA256[i]).wrapping_add(words[i]);
            let sum = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
            let second = sum.wrapping_add((a & b) ^ (a & c) ^ (b & c));
            (h, g, f, e, d, c, b, a) = (g, f, e, d.wrapping_add(first), c, b, a, first.wrapping_add(second));
        }
        for (part, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
            *part = part.wrapping_add(new);
        }
    }
    state[0]
}

/// So many permutations of Keccak-f[1600]; its constants come from the shift register that defines them.
#[unsafe(no_mangle)]
pub extern "C" fn keccak(rounds: u32) -> u32 {
    let mut lanes = [0u64; 25];
    lanes[0] = 1;
    for _ in 0..rounds {
        let mut register = 1u8;
        for _ in 0..24 {
            let mut parity = [0u64; 5];
            for x in 0..5 {
                parity[x] = lanes[x] ^ lanes[x + 5] ^ lanes[x + 10] ^ lanes[x + 15] ^ lanes[x + 20];
            }
            for x in 0..5 {
                let mix = parity[(x + 4) % 5] ^ parity[(x + 1) % 5].rotate_left(1);
                for y in 0..5 {
                    lanes[x + 5 * y] ^= mix;
                }
            }
            let (mut x, mut y, mut moved) = (1, 0, lanes[1]);
            for step in 1..25u32 {
                (x, y) = (y, (2 * x + 3 * y) % 5);
                let rotated = moved.rotate_left(step * (step + 1) / 2 % 64);
                moved = lanes[x + 5 * y];
                lanes[x + 5 * y] = rotated;
            }
            for y in 0..5 {
                let row = [lanes[5 * y], lanes[5 * y + 1], lanes[5 * y + 2], lanes[5 * y + 3], lanes[5 * y + 4]];
                for x in 0..5 {
                    lanes[5 * y + x] = row[x] ^ (!row[(x + 1) % 5] & row[(x + 2) % 5]);
                }
            }
            for bit in 0..7 {
                if register & 1 == 1 {
                    lanes[0] ^= 1 << ((1u32 << bit) - 1);
                }
                register = (register << 1) ^ (if register >> 7 == 1 { 0x71 } else { 0 });
            }
        }
    }
    lanes[0] as u32
}

const CELLS: usize = 1 << 16;
static mut BYTES: [u8; CELLS] = [0; CELLS];

/// The primes below so many, at most 65,536, by the sieve.
#[unsafe(no_mangle)]
pub extern "C" fn sieve(limit: u32) -> u32 {
    // SAFETY: a contract has one thread, and nothing else holds the array.
    let composite = unsafe { &mut *(&raw mut BYTES) };
    let limit = CELLS.min(limit as usize);
    composite.fill(0);
    let mut primes = 0;
    for number in 2..limit {
        if composite[number] == 0 {
            primes += 1;
            let mut multiple = number * number;
            while multiple < limit && number < 256 {
                composite[multiple] = 1;
                multiple += number;
            }
        }
    }
    primes
}

/// Sorts so many pseudo-random numbers, at most 4,096, as the standard library does.
#[unsafe(no_mangle)]
pub extern "C" fn sort(count: u32) -> u32 {
    let mut numbers = [0u32; 4096];
    let mut seed = 1u32;
    for number in &mut numbers {
        seed ^= seed << 13;
        seed ^= seed >> 17;
        seed ^= seed << 5;
        *number = seed;
    }
    let numbers = &mut numbers[..4096.min(count as usize)];
    numbers.sort_unstable();
    numbers[numbers.len() / 2]
}

/// The square of a matrix, so many times, modulo 2^64.
#[unsafe(no_mangle)]
pub extern "C" fn matrix(rounds: u32) -> u32 {
    const SIDE: usize = 24;
    let mut matrix = [[0u64; SIDE]; SIDE];
    for (row, cells) in matrix.iter_mut().enumerate() {
        for (column, cell) in cells.iter_mut().enumerate() {
            *cell = (row * 31 + column * 17 + 1) as u64;
        }
    }
    for _ in 0..rounds {
        let mut square = [[0u64; SIDE]; SIDE];
        for row in 0..SIDE {
            for column in 0..SIDE {
                for inner in 0..SIDE {
                    square[row][column] =
                        square[row][column].wrapping_add(matrix[row][inner].wrapping_mul(matrix[inner][column]));
                }
            }
        }
        matrix = square;
    }
    matrix[1][2] as u32
}

trait Shape {
    fn area(&self, scale: u32) -> u32;
}

struct Square(u32);
struct Rectangle(u32, u32);
struct Triangle(u32, u32);

impl Shape for Square {
    fn area(&self, scale: u32) -> u32 {
        self.0.wrapping_mul(self.0).wrapping_mul(scale)
    }
}

impl Shape for Rectangle {
    fn area(&self, scale: u32) -> u32 {
        self.0.wrapping_mul(self.1).wrapping_add(scale)
    }
}

impl Shape for Triangle {
    fn area(&self, scale: u32) -> u32 {
        if scale & 1 == 0 { self.0.wrapping_mul(self.1) / 2 } else { scale }
    }
}

/// Calls of methods that are known only when they run.
#[unsafe(no_mangle)]
pub extern "C" fn dispatch(rounds: u32) -> u32 {
    let shapes: [&dyn Shape; 4] = [&Square(3), &Rectangle(4, 5), &Triangle(6, 7), &Square(8)];
    let mut sum = 0u32;
    for round in 0..rounds {
        let shape = core::hint::black_box(shapes[(round & 3) as usize]);
        sum = sum.wrapping_add(shape.area(round));
    }
    sum
}
