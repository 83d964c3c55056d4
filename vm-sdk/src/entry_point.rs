/// The one line of a contract's `src/main.rs`: makes a WASM module or a container's executable out of the contract.
///
/// ```no_run
/// # struct Empty;
/// # #[vm_sdk::contract]
/// # impl Empty {
/// #     #[view]
/// #     pub fn answer(_cx: &vm_sdk::Context) -> u8 { 42 }
/// # }
/// # mod executable { use super::Empty;
/// vm_sdk::main!(Empty);
/// # }
/// # fn main() {}
/// ```
#[cfg(all(feature = "container", not(target_arch = "wasm32")))]
#[macro_export]
macro_rules! main {
    ($contract:ty) => {
        fn main() -> ::std::process::ExitCode {
            $crate::container::serve::<$contract>()
        }
    };
}

/// The one line of a contract's `src/main.rs`. It needs the feature `container`, except for WASM.
#[cfg(not(any(feature = "container", target_arch = "wasm32")))]
#[macro_export]
macro_rules! main {
    ($contract:ty) => {
        ::core::compile_error!("a container's executable needs vm-sdk's feature `container`");
    };
}

/// The one line of a contract's `src/main.rs`: makes a WASM module out of the contract.
#[cfg(target_arch = "wasm32")]
#[macro_export]
macro_rules! main {
    ($contract:ty) => {
        #[global_allocator]
        static ALLOCATOR: $crate::wasm::Allocator = $crate::wasm::Allocator::new();

        #[used]
        #[unsafe(link_section = "vm.interface")]
        static INTERFACE: [u8; <$contract as $crate::Contract>::INTERFACE.len()] =
            $crate::abi::joined(&[<$contract as $crate::Contract>::INTERFACE]);

        #[unsafe(no_mangle)]
        extern "C" fn vm_call(entry: u32, method_length: usize, input_length: usize) -> u32 {
            $crate::wasm::perform::<$contract>(entry, method_length, input_length)
        }

        // A module has no program to start. Only a build without `#![no_main]` asks for this.
        #[allow(dead_code, reason = "unused with #![no_main]")]
        fn main() {}
    };
}
