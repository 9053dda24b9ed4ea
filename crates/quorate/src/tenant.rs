//! Making a tenant: keys for every part in its own directory, genesis, configuration files. What `up` writes anybody can write.

use crate::{
    clock,
    layout::{Layout, TenantFile},
};
use anyhow::{Context, Result, bail};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey, EncodePrivateKey, spki::der::pem::LineEnding},
};
use quorate_custodian::files;
use quorate_protocol::{Committee, envelope::EnvelopeKey, sealing::generate_audit_key};
use quorate_rules::{
    QuorumRule, RULES_VERSION,
    body::GenesisBody,
    cbor::{Array, Canonical},
    name::{Issuer, PartyName},
    record::{Admin, AdminSet, CustodianRecord, GatewayRecord},
};
use quorate_store::file;
use rand_core::{OsRng, RngCore};
use std::path::Path;

/// Name of the demo's gateway.
pub const GATEWAY: &str = "gateway-1";
/// Name of the demo's administrator.
pub const ADMIN: &str = "admin";

/// Makes the demo tenant. Nothing may be there yet; `tenant.toml` is written last, so that a half-made tenant is not taken for one.
pub fn make(layout: &Layout, tenant: &TenantFile) -> Result<()> {
    let rule = QuorumRule::new(tenant.custodians, tenant.threshold, tenant.faulty)?;
    let issuer = Issuer::new(tenant.issuer.clone())?;
    // First of all, because it is what tells a tenant that was begun from somebody else's directory.
    std::fs::create_dir_all(layout.root().join("admin"))?;
    let mut custodians = Vec::new();
    for number in 1..=rule.custodians() {
        custodians.push(make_custodian(&layout.custodian(number), number)?);
    }
    let link = SigningKey::generate(&mut OsRng);
    let gateway = layout.gateway();
    std::fs::create_dir_all(&gateway)?;
    files::write_key(&gateway.join("link.key"), &link.to_bytes())?;

    let admin = SigningKey::generate(&mut OsRng);
    let pem = admin
        .to_pkcs8_pem(LineEnding::LF)
        .context("the administrator's key cannot be written")?;
    file::write_secret(&layout.admin_key(), pem.as_bytes())?;
    let (audit_secret, audit_public) = generate_audit_key(&mut OsRng);
    files::write_key(&layout.audit_key(), &audit_secret)?;

    let mut nonce = [0; 32];
    OsRng.fill_bytes(&mut nonce);
    let genesis = GenesisBody {
        issuer,
        log: 1,
        demo: true,
        quorum: rule,
        token_alg: tenant.token_alg,
        custodians,
        admins: AdminSet {
            k: 1,
            admins: vec![Admin {
                name: PartyName::new(ADMIN)?,
                key: Array(admin.verifying_key().to_bytes()),
            }],
        },
        gateways: vec![GatewayRecord {
            name: PartyName::new(GATEWAY)?,
            link_key: Array(link.verifying_key().to_bytes()),
        }],
        audit_key: Array(audit_public),
        decision_delay_ms: 0,
        rules: RULES_VERSION,
        created_ms: clock::now_ms(),
        nonce: Array(nonce),
    };
    let bytes = genesis.to_canonical();
    if Committee::from_genesis(&bytes).is_err() {
        bail!("the genesis document is not sound; this is a fault of quorate");
    }
    for place in (1..=rule.custodians())
        .map(|number| layout.custodian(number))
        .chain([gateway])
    {
        file::write_whole(&place.join("genesis.cbor"), &bytes, file::Durability::Now)?;
    }
    file::write_whole(&layout.genesis(), &bytes, file::Durability::Now)?;
    file::write_whole(
        &layout.tenant_file(),
        toml::to_string(tenant)?.as_bytes(),
        file::Durability::Now,
    )?;
    Ok(())
}

fn make_custodian(place: &Path, number: u16) -> Result<CustodianRecord> {
    std::fs::create_dir_all(place)?;
    let (identity, cosigner) = (SigningKey::generate(&mut OsRng), SigningKey::generate(&mut OsRng));
    let envelope = EnvelopeKey::generate(&mut OsRng);
    let mut seal = zeroize::Zeroizing::new([0; 32]);
    OsRng.fill_bytes(seal.as_mut());
    files::write_key(&place.join("identity.key"), &identity.to_bytes())?;
    files::write_key(&place.join("cosigner.key"), &cosigner.to_bytes())?;
    files::write_key(&place.join("envelope.key"), envelope.danger_bytes())?;
    files::write_key(&place.join("seal.key"), &seal)?;
    Ok(CustodianRecord {
        name: PartyName::new(format!("custodian-{number}"))?,
        identity_key: Array(identity.verifying_key().to_bytes()),
        cosigner_key: Array(cosigner.verifying_key().to_bytes()),
        envelope_key: Array(envelope.public()),
    })
}

/// Writes the configuration files of all parts; the same on every start.
pub fn configure(layout: &Layout, tenant: &TenantFile, link_of: impl Fn(u16) -> u16) -> Result<()> {
    let port = |offset: u16| tenant.port.checked_add(offset).context("--port is too high");
    let gateway = format!(
        "name = \"{GATEWAY}\"\ngenesis = \"genesis.cbor\"\nlink_key = \"link.key\"\nstore = \"gateway.redb\"\n\
         public = \"public\"\nlisten = \"127.0.0.1:{}\"\nlink = \"127.0.0.1:{}\"\nurl = \"{}\"\n",
        port(1)?,
        port(2)?,
        // As discovery names it: DPoP proofs say where they were sent (RFC 9449 §4.2).
        tenant.gateway
    );
    file::write_whole(
        &layout.gateway().join("gateway.toml"),
        gateway.as_bytes(),
        file::Durability::Now,
    )?;
    for number in 1..=tenant.custodians {
        let custodian = format!(
            "number = {number}\ngenesis = \"genesis.cbor\"\nidentity_key = \"identity.key\"\n\
             envelope_key = \"envelope.key\"\nseal_key = \"seal.key\"\nstore = \"custodian.redb\"\nshares = \"shares\"\n\n\
             [[gateway]]\nname = \"{GATEWAY}\"\naddress = \"127.0.0.1:{}\"\n",
            link_of(number)
        );
        let place = layout.custodian(number).join("custodian.toml");
        file::write_whole(&place, custodian.as_bytes(), file::Durability::Now)?;
    }
    Ok(())
}

/// Reads an administrator's key, PKCS#8 PEM.
pub fn read_admin_key(path: &Path) -> Result<SigningKey> {
    let Some(pem) = file::read_bounded(path, 16 * 1024)? else {
        bail!(
            "there is no administrator key {}; name one with --admin-key",
            path.display()
        );
    };
    let pem = zeroize::Zeroizing::new(pem);
    let pem = std::str::from_utf8(&pem).context("the administrator's key is not PEM")?;
    SigningKey::from_pkcs8_pem(pem).with_context(|| format!("{} is no Ed25519 key in PKCS#8 PEM", path.display()))
}
