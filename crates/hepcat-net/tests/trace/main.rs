//! Messages of our own: what is packed, and what of it is read again.

mod examples;
mod hep_ids_are_sent_to_by_name;
mod opensips_bytes_are_reproduced;
mod packing_is_correct_by_default;
mod parts;
mod wrapped_payloads_are_read;
