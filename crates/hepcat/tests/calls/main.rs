//! Messages become calls: states, times, flags, links.

mod attachments;
mod correlation;
mod feed;
mod memory;
mod order;
mod parking;
mod queries;
mod registrations;
mod saved;
mod scenes;
mod states;
mod through_messages;
mod whole;
