//! Who may see what: the door of a node, from outside.

mod asking;
mod auditing;
mod commands;
mod door;
mod hiding;
