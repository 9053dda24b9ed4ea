//! A software authenticator and browser of three algorithms, which also answer what no honest one would.

use aws_lc_rs::{
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer as _, SigningKey};
use quorate_rules::{
    Refusal,
    cbor::{Array, Bytes},
    name::Issuer,
    webauthn::{Answered, Assertion, PasskeyKey, verify},
};
use quorate_tlog::hash::sha256;
use std::sync::LazyLock;

pub(crate) const ORIGIN: &str = "https://id.example.org:8443";
pub(crate) const HOST: &str = "id.example.org";
pub(crate) const CHALLENGE: [u8; 32] = [0xfb; 32];

pub(crate) const UP: u8 = 0x01;
pub(crate) const UV: u8 = 0x04;
pub(crate) const BE: u8 = 0x08;
pub(crate) const BS: u8 = 0x10;
pub(crate) const AT: u8 = 0x40;
pub(crate) const ED: u8 = 0x80;

/// A private key of a passkey.
pub(crate) enum Passkey {
    P256(EcdsaKeyPair),
    Ed25519(SigningKey),
    Rsa(RsaKeyPair),
}

/// One passkey of each algorithm, made once.
pub(crate) static PASSKEYS: LazyLock<[Passkey; 3]> = LazyLock::new(|| {
    [
        Passkey::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
        Passkey::Ed25519(SigningKey::generate(&mut rand_core::OsRng)),
        Passkey::rsa(KeySize::Rsa2048),
    ]
});

impl Passkey {
    pub(crate) fn rsa(size: KeySize) -> Self {
        Self::Rsa(RsaKeyPair::generate(size).unwrap())
    }

    pub(crate) fn key(&self) -> PasskeyKey {
        match self {
            // SEC 1: one byte 4, then x and y.
            Self::P256(pair) => PasskeyKey::P256(Array(pair.public_key().as_ref()[1..].try_into().unwrap())),
            Self::Ed25519(key) => PasskeyKey::Ed25519(Array(key.verifying_key().to_bytes())),
            Self::Rsa(pair) => {
                // RFC 8017 A.1.1: SEQUENCE { INTEGER n, INTEGER e }, with headers of four bytes, a zero before n, and e = 65537.
                let der = pair.public_key().as_ref();
                let (n, e) = der[8..].split_at(der.len() - 8 - 5);
                assert_eq!((n[0], e), (0, &[2, 3, 1, 0, 1][..]));
                PasskeyKey::Rsa(Bytes(n[1..].to_vec()), Bytes(e[2..].to_vec()))
            }
        }
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256(pair) => pair.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec(),
            Self::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

/// An answer before it is signed. Member values are raw JSON, so that any text can stand there, also twice.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) credential_id: Vec<u8>,
    pub(crate) rp_id: String,
    pub(crate) flags: u8,
    pub(crate) sign_count: u32,
    /// What follows the counter.
    pub(crate) tail: Vec<u8>,
    pub(crate) members: Vec<(String, String)>,
    /// Instead of the members: any bytes.
    pub(crate) client_data: Option<Vec<u8>>,
    /// Bytes of the authenticator data that are left out at the end.
    pub(crate) cut: usize,
}

/// What an honest browser and authenticator make on the issuer's page.
pub(crate) fn honest() -> Draft {
    let members = [
        ("type", "\"webauthn.get\"".to_owned()),
        ("challenge", format!("\"{}\"", B64.encode(CHALLENGE))),
        ("origin", format!("\"{ORIGIN}\"")),
        ("crossOrigin", "false".to_owned()),
    ];
    Draft {
        credential_id: vec![7; 16],
        rp_id: HOST.to_owned(),
        flags: UP | UV,
        sign_count: 0,
        tail: Vec::new(),
        members: members.map(|(name, value)| (name.to_owned(), value)).to_vec(),
        client_data: None,
        cut: 0,
    }
}

impl Draft {
    /// The member with this raw JSON, where it stands or at the end.
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        match self.members.iter_mut().find(|(member, _)| member == name) {
            Some(member) => value.clone_into(&mut member.1),
            None => self.members.push((name.to_owned(), value.to_owned())),
        }
        self
    }

    /// The member once more, at the end.
    pub(crate) fn again(mut self, name: &str, value: &str) -> Self {
        self.members.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.members.retain(|(member, _)| member != name);
        self
    }

    pub(crate) fn client_data(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.client_data = Some(bytes.into());
        self
    }

    pub(crate) fn flags(mut self, flags: u8) -> Self {
        self.flags = flags;
        self
    }

    pub(crate) fn rp_id(mut self, rp_id: &str) -> Self {
        rp_id.clone_into(&mut self.rp_id);
        self
    }

    /// The flag for extension outputs, and these bytes.
    pub(crate) fn extensions(mut self, bytes: &[u8]) -> Self {
        self.flags |= ED;
        self.tail.extend(bytes);
        self
    }

    pub(crate) fn tail(mut self, bytes: &[u8]) -> Self {
        self.tail.extend(bytes);
        self
    }

    pub(crate) fn cut(mut self, bytes: usize) -> Self {
        self.cut = bytes;
        self
    }

    pub(crate) fn sign_count(mut self, count: u32) -> Self {
        self.sign_count = count;
        self
    }

    pub(crate) fn credential_id(mut self, bytes: &[u8]) -> Self {
        self.credential_id = bytes.to_vec();
        self
    }

    pub(crate) fn client_json(&self) -> Vec<u8> {
        self.client_data.clone().unwrap_or_else(|| {
            let members: Vec<String> = self
                .members
                .iter()
                .map(|(name, value)| format!("\"{name}\":{value}"))
                .collect();
            format!("{{{}}}", members.join(",")).into_bytes()
        })
    }

    pub(crate) fn authenticator_data(&self) -> Vec<u8> {
        let whole = [
            &sha256(&[self.rp_id.as_bytes()]).as_bytes()[..],
            &[self.flags],
            &self.sign_count.to_be_bytes(),
            &self.tail,
        ]
        .concat();
        whole[..whole.len() - self.cut].to_vec()
    }

    /// The answer, signed over whatever the draft says.
    pub(crate) fn signed(&self, passkey: &Passkey) -> Assertion {
        signed(
            &self.credential_id,
            self.authenticator_data(),
            self.client_json(),
            passkey,
        )
    }
}

/// An answer over exactly these bytes.
pub(crate) fn signed(id: &[u8], authenticator_data: Vec<u8>, client_data: Vec<u8>, passkey: &Passkey) -> Assertion {
    let message = [&authenticator_data[..], sha256(&[&client_data]).as_bytes()].concat();
    Assertion {
        credential_id: Bytes(id.to_vec()),
        authenticator_data: Bytes(authenticator_data),
        client_data: Bytes(client_data),
        signature: Bytes(passkey.sign(&message)),
    }
}

/// What an answer must answer to.
pub(crate) struct Question {
    pub(crate) issuer: Issuer,
    pub(crate) challenge: [u8; 32],
}

/// The question that [`honest`] answers.
pub(crate) fn question() -> Question {
    Question {
        issuer: Issuer::new(ORIGIN).unwrap(),
        challenge: CHALLENGE,
    }
}

/// The rules' judgement of an answer to [`CHALLENGE`] at [`ORIGIN`].
pub(crate) fn judged(assertion: &Assertion, key: &PasskeyKey) -> Result<Answered, Refusal> {
    let Question { issuer, challenge } = question();
    verify(assertion, key, &challenge, &issuer)
}
