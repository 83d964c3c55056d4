//! A small allocator for short lives: a module's memory is new with every call and gone after it.
#![allow(unsafe_code, reason = "an allocator hands out raw memory")]

use std::alloc::{GlobalAlloc, Layout};
use std::arch::wasm32::{memory_grow, memory_size};
use std::cell::UnsafeCell;
use std::ptr;

use super::imports;

const PAGE: usize = 64 << 10;

/// The reason of the import `abort`: there is no memory left.
const OUT_OF_MEMORY: u32 = 1;

/// Blocks have 16, 32, 64, ... bytes; the smallest is also the alignment of all of them.
const SMALLEST: usize = 16;

/// Power-of-two blocks: freed ones wait in a list for each size, new ones come from the end of what is used. Every
/// operation takes constant time and 500 bytes of code do it all.
///
/// It never answers that there is no memory: the call ends there, as a trap that says so. Left to the standard library, it
/// would look like any panic; and no contract should depend on how much memory its host has.
#[derive(Debug)]
pub struct Allocator(UnsafeCell<Heap>);

#[derive(Debug)]
struct Heap {
    /// The first free block of each size; a free block starts with the address of the next one.
    free: [usize; usize::BITS as usize],
    /// Where the unused memory starts, 0 before the first use, and where it ends.
    unused: usize,
    end: usize,
}

// SAFETY: a module has one thread, because the ABI's memory is not shared.
unsafe impl Sync for Allocator {}

unsafe extern "C" {
    /// The linker's symbol behind all static data; only its address means something.
    static __heap_base: u8;
}

impl Allocator {
    /// The allocator; there is one in a module.
    #[allow(clippy::new_without_default, reason = "for a static only")]
    pub const fn new() -> Self {
        Self(UnsafeCell::new(Heap { free: [0; usize::BITS as usize], unused: 0, end: 0 }))
    }
}

impl Heap {
    /// A block, and whether it is all zeros because it was never used.
    fn take(&mut self, layout: Layout) -> (*mut u8, bool) {
        let size = block_size(layout);
        if layout.align() <= SMALLEST
            && let Some(first) = self.free.get_mut(size.trailing_zeros() as usize)
            && *first != 0
        {
            let block = *first as *mut usize;
            // SAFETY: blocks in the list are free, aligned to 16 and hold the next one's address.
            *first = unsafe { *block };
            return (block.cast(), false);
        }
        (self.extend(size, layout.align().max(SMALLEST)), true)
    }

    fn extend(&mut self, size: usize, align: usize) -> *mut u8 {
        if self.unused == 0 {
            self.unused = (&raw const __heap_base).addr();
            self.end = memory_size(0) * PAGE;
        }
        let start = self.unused.next_multiple_of(align);
        let Some(end) = start.checked_add(size).filter(|end| self.reaches(*end)) else {
            imports::abort(OUT_OF_MEMORY);
        };
        self.unused = end;
        start as *mut u8
    }

    /// Grows the memory as needed; false if the host denies it.
    fn reaches(&mut self, end: usize) -> bool {
        if end > self.end {
            let pages = (end - self.end).div_ceil(PAGE);
            if memory_grow(0, pages) == usize::MAX {
                return false;
            }
            self.end += pages * PAGE;
        }
        true
    }

    fn give_back(&mut self, block: *mut u8, layout: Layout) {
        if let Some(first) = self.free.get_mut(block_size(layout).trailing_zeros() as usize) {
            // SAFETY: the block is the caller's to give, has at least 16 bytes and their alignment.
            unsafe { *block.cast::<usize>() = *first };
            *first = block.addr();
        }
    }
}

/// A layout's size is at most `isize::MAX`, so the next power of two exists.
fn block_size(layout: Layout) -> usize {
    layout.size().max(SMALLEST).next_power_of_two()
}

// SAFETY: blocks do not overlap while they are in use, because each comes from a list that it leaves or from memory that
// was not used before; they have the size and alignment that were asked for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: there is one thread, and nothing that runs meanwhile allocates.
        unsafe { (*self.0.get()).take(layout).0 }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in alloc.
        let (block, zeroed) = unsafe { (*self.0.get()).take(layout) };
        if !zeroed {
            // SAFETY: the block is as large as the layout.
            unsafe { ptr::write_bytes(block, 0, layout.size()) };
        }
        block
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as in alloc.
        unsafe { (*self.0.get()).give_back(block, layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: the caller gives a valid size for this alignment.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        if block_size(wanted) == block_size(layout) {
            return block;
        }
        // SAFETY: both blocks have at least the smaller size and do not overlap.
        unsafe {
            let moved = self.alloc(wanted);
            ptr::copy_nonoverlapping(block, moved, layout.size().min(size));
            self.dealloc(block, layout);
            moved
        }
    }
}
