//! The link's TLS, server side: version 1.3 with raw public keys (RFC 7250); only the committee's identity keys are let in.

use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, UnixTime},
    server::{
        AlwaysResolvesServerRawPublicKeys,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
    sign::CertifiedKey,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the key.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// The 32 bytes of an Ed25519 SubjectPublicKeyInfo.
pub fn ed25519_of(spki: &[u8]) -> Option<[u8; 32]> {
    spki.strip_prefix(&ED25519_SPKI[..])?.try_into().ok()
}

/// Accepts the custodians of one committee.
#[derive(Debug)]
struct Committee {
    identities: BTreeMap<[u8; 32], u16>,
    provider: Arc<CryptoProvider>,
}

impl ClientCertVerifier for Committee {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let known = ed25519_of(end_entity).is_some_and(|key| self.identities.contains_key(&key));
        if known && intermediates.is_empty() {
            Ok(ClientCertVerified::assertion())
        } else {
            Err(Error::General("the peer is no custodian of this tenant".to_owned()))
        }
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// Configuration for accepting custodians, by identity key.
pub fn server(link_key: &SigningKey, identities: BTreeMap<[u8; 32], u16>) -> Result<ServerConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let der = link_key
        .to_pkcs8_der()
        .map_err(|_| Error::General("the link key has no PKCS#8 form".to_owned()))?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()));
    let signer = provider.key_provider.load_private_key(private)?;
    let spki = [&ED25519_SPKI[..], link_key.verifying_key().as_bytes()].concat();
    let own = Arc::new(CertifiedKey::new(vec![CertificateDer::from(spki)], signer));
    let verifier = Committee {
        identities,
        provider: Arc::clone(&provider),
    };
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(own)));
    config.alpn_protocols = vec![b"quorate/1".to_vec()];
    config.send_tls13_tickets = 0;
    Ok(config)
}
