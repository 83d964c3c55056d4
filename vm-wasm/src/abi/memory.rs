//! Access to a contract's memory through the pointers that it passes.

use vm_core::Trap;

/// The bytes of `[pointer, pointer + length)`.
pub(super) fn read(memory: &[u8], pointer: u32, length: u32) -> Result<&[u8], Trap> {
    let start = pointer as usize;
    start.checked_add(length as usize).and_then(|end| memory.get(start..end)).ok_or(Trap::BadHostCall)
}

/// Copies bytes to `pointer`.
pub(super) fn write(memory: &mut [u8], pointer: u32, bytes: &[u8]) -> Result<(), Trap> {
    let start = pointer as usize;
    let target = start.checked_add(bytes.len()).and_then(|end| memory.get_mut(start..end)).ok_or(Trap::BadHostCall)?;
    target.copy_from_slice(bytes);
    Ok(())
}

/// The UTF-8 text of `[pointer, pointer + length)`.
pub(super) fn text(memory: &[u8], pointer: u32, length: u32) -> Result<&str, Trap> {
    std::str::from_utf8(read(memory, pointer, length)?).map_err(|_| Trap::BadHostCall)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_end_at_the_memory() {
        let mut memory = [1, 2, 3, 4];
        assert_eq!(read(&memory, 1, 3), Ok(&[2, 3, 4][..]));
        assert_eq!(read(&memory, 4, 0), Ok(&[][..]));
        assert_eq!(read(&memory, 5, 0), Err(Trap::BadHostCall));
        assert_eq!(read(&memory, u32::MAX, u32::MAX), Err(Trap::BadHostCall));
        assert_eq!(write(&mut memory, 3, &[9, 9]), Err(Trap::BadHostCall));
        assert_eq!(write(&mut memory, 2, &[9, 9]), Ok(()));
        assert_eq!(memory, [1, 2, 9, 9]);
    }
}
