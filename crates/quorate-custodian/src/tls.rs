//! The link's TLS: version 1.3 with raw public keys (RFC 7250), pinned on both sides. No certificates, no names, no expiry.

use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use rustls::{
    ClientConfig, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::{
        AlwaysResolvesClientRawPublicKeys,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls13_signature_with_raw_key},
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime},
    sign::CertifiedKey,
};
use std::sync::Arc;

/// DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410) up to the key.
const ED25519_SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

fn spki(public: &[u8; 32]) -> Vec<u8> {
    [&ED25519_SPKI[..], public].concat()
}

/// Accepts exactly one gateway.
#[derive(Debug)]
struct PinnedGateway {
    expected: Vec<u8>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for PinnedGateway {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if end_entity.as_ref() == self.expected && intermediates.is_empty() {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(Error::General("the peer is not the enrolled gateway".to_owned()))
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

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}

/// Configuration for dialling one gateway with this custodian's identity.
pub fn client(identity: &SigningKey, gateway: &[u8; 32]) -> Result<ClientConfig, Error> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let der = identity
        .to_pkcs8_der()
        .map_err(|_| Error::General("the identity key has no PKCS#8 form".to_owned()))?;
    let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der.as_bytes().to_vec()));
    let signer = provider.key_provider.load_private_key(private)?;
    let public = CertificateDer::from(spki(identity.verifying_key().as_bytes()));
    let own = Arc::new(CertifiedKey::new(vec![public], signer));
    let verifier = PinnedGateway {
        expected: spki(gateway),
        provider: Arc::clone(&provider),
    };
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(own)));
    config.alpn_protocols = vec![b"quorate/1".to_vec()];
    // Every connection proves possession of both keys anew.
    config.resumption = rustls::client::Resumption::disabled();
    Ok(config)
}
