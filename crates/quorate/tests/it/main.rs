//! Whole systems of real processes, used as people and attackers would use them.

#![expect(unreachable_pub, reason = "modules of one test binary share their items as they are")]

mod browser;
mod chaos;
mod committee;
mod es256_clients;
mod evil_gateway;
mod evil_person;
mod faults;
mod fellow;
mod floors;
mod help;
mod lies;
mod load;
mod machine_path;
mod person;
mod processes;
mod rekey;
mod replay;
mod secrecy;
mod site;
mod stock_clients;
mod system;
#[path = "../../../quorate-protocol/tests/it/written.rs"]
mod written;
