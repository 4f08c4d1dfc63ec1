#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| hepcat_wire::fuzz_bodies::rewrite(octets));
