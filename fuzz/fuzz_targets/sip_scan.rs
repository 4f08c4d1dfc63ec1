#![no_main]
libfuzzer_sys::fuzz_target!(|octets: &[u8]| hepcat_sip::fuzz_bodies::sip_scan(octets));
