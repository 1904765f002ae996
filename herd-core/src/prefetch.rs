//! Tells the processor which memory is needed soon. The only unsafe code of this crate, and a hint at that.
//!
//! A million clients do not fit into any cache: looking one up waits twice for memory, about 100 ns each. Announced a
//! batch ahead, the waits overlap.

/// Starts to bring the cache line of `place` near; does nothing where that cannot be asked for.
#[inline]
pub(crate) fn prefetch<T>(place: &T) {
    prefetch_address(std::ptr::from_ref(place).addr());
}

/// The same by address, which need not be anybody's memory.
#[inline]
pub(crate) fn prefetch_address(address: usize) {
    #[cfg(target_arch = "x86_64")]
    #[expect(
        unsafe_code,
        reason = "the instruction is only callable so; it cannot fault and changes nothing"
    )]
    // SAFETY: every x86-64 processor has SSE, and a prefetch of any address is allowed: it reads nothing that the program sees.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::without_provenance(address));
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = address;
}
