//! Whole systems of real processes, used as people and attackers would use them.

mod chaos;
mod committee;
mod evil_gateway;
mod floors;
mod machine_path;
mod system;
