//! Who may see what: the door of a node, from outside.

mod asking;
mod auditing;
mod certificates;
mod commands;
mod door;
mod hiding;
mod hostile;
mod passing;
mod proxied;
mod walking;
