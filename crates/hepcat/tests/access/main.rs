//! Who may see what: the door of a node, from outside.

mod asking;
mod commands;
mod door;
mod hiding;
