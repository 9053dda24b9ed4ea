//! Threshold ECDSA in a running system, with a custodian that strikes or lies in a round of the test's choice.

use crate::{
    chaos::SECOND_SETS,
    fellow::{Conduct, Deed, FELLOW, Fellow, ROUNDS},
    load::{Target, access_token, all_stand_in_the_log},
    machine_path::exchange,
    processes::wait_for,
    system::System,
};
use quorate_rules::TokenAlg;
use serde_json::{Value, json};

/// A system of ES256 tokens, one of whose custodians the test plays.
fn played() -> (System, Fellow) {
    let mut system = System::of(TokenAlg::Es256);
    system.down();
    let fellow = Fellow::start(&system);
    system.up(&[]);
    all_vote(&system);
    (system, fellow)
}

fn status(system: &System) -> Value {
    let (_, status) = exchange(&system.gateway, "GET", "/status", &[], "").unwrap();
    serde_json::from_str(&status).unwrap()
}

fn all_vote(system: &System) {
    wait_for("the votes of all", || (status(system)["voting"] == 4).then_some(()));
}

/// Tokens, one by one, until the custodian has done what it was told and the gateway counts more under this name; a lie in an attempt that
/// came to nothing for another reason shows nowhere. Nobody is turned away meanwhile.
fn until_felt(system: &System, fellow: &Fellow, conduct: Conduct, name: &str, tokens: &mut Vec<String>) -> Deed {
    let target = Target::of(system);
    let before = system.counted(name);
    fellow.conduct(conduct);
    for _ in 0..60 {
        let (status, body) = target.ask().unwrap();
        assert_eq!(status, 200, "{conduct:?}: {body}");
        tokens.push(access_token(&body));
        let deed = fellow.deeds().last().copied();
        if let Some(deed) = deed.filter(|_| system.counted(name) > before) {
            fellow.conduct(Conduct::Honest);
            return deed;
        }
    }
    let done = fellow.deeds().len();
    panic!(
        "{conduct:?} was not felt; it was done {done} times; logs: {}",
        system.logs()
    );
}

#[test]
fn a_signer_killed_in_each_round_costs_nobody_a_token() {
    let (system, fellow) = played();
    let mut tokens = Vec::new();
    for in_round in 1..=ROUNDS {
        let before = system.run_file().processes;
        let deed = until_felt(&system, &fellow, Conduct::Kills { in_round }, SECOND_SETS, &mut tokens);
        let name = format!("custodian-{}", deed.to);
        // Started again, it signs again.
        wait_for("the restart", || {
            (system.run_file().processes.get(&name)? != &before[&name]).then_some(())
        });
        all_vote(&system);
        assert_eq!(status(&system)["bans"], json!([]), "dying is no cheating");
    }
    all_stand_in_the_log(&system, &tokens);
}

#[test]
fn a_lying_custodian_is_named_and_tokens_go_on() {
    let (mut system, fellow) = played();
    let mut tokens = Vec::new();
    let gateway_log = |system: &System| std::fs::read_to_string(system.layout_dir().join("logs/gateway.log")).unwrap();

    // Nothing in an envelope: whom it was for says so, and signs with it again in the next batch.
    for in_round in [1, 2] {
        let conduct = Conduct::SealsNothing { in_round };
        until_felt(&system, &fellow, conduct, "quorate_disputes_total", &mut tokens);
    }
    assert!(gateway_log(&system).contains("another custodian could not use its outputs"));
    assert_eq!(status(&system)["bans"], json!([]));

    // A false output in the last round spoils the signature; sets without it do not fail, and so it is found.
    let misbehaved = "quorate_misbehaved_total";
    until_felt(&system, &fellow, Conduct::Spoils, misbehaved, &mut tokens);
    assert!(
        gateway_log(&system).contains(&format!("custodian {FELLOW} misbehaved: signatures fail with it")),
        "{}",
        gateway_log(&system)
    );

    // It is asked last from now on, until a gateway starts that knows nothing of it.
    system.down();
    system.up(&[]);
    all_vote(&system);

    // A cheat in a multiplication is banned by whom it cheated, for good.
    let deed = until_felt(&system, &fellow, Conduct::Cheats, "quorate_bans_total", &mut tokens);
    let ban = json!([{ "by": deed.to, "custodian": FELLOW }]);
    assert_eq!(status(&system)["bans"], ban);
    assert_eq!(system.counted("quorate_bans_total"), 1);
    let told = system.succeed(&["status"]);
    assert!(
        told.contains(&format!("custodian {} caught custodian {FELLOW} cheating", deed.to)),
        "{told}"
    );
    let victim = system.layout_dir().join(format!("logs/custodian-{}.log", deed.to));
    assert!(std::fs::read_to_string(victim).unwrap().contains("ERROR"));

    system.down();
    system.up(&[]);
    all_vote(&system);
    assert_eq!(status(&system)["bans"], ban, "it outlives every process");
    let target = Target::of(&system);
    for _ in 0..10 {
        let (status, body) = target.ask().unwrap();
        assert_eq!(status, 200, "{body}");
        tokens.push(access_token(&body));
    }
    all_stand_in_the_log(&system, &tokens);
}
