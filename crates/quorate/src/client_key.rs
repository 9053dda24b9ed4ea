//! Clients' private keys as JWK files, and the assertions they sign (RFC 7523).

use anyhow::{Context, Result, bail};
use aws_lc_rs::{
    encoding::{AsBigEndian, EcPrivateKeyBin},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use ed25519_dalek::{Signer, SigningKey};
use quorate_rules::{cbor::Array, json::StrictObject, jwk::PublicJwk};
use quorate_store::file;
use rand_core::{OsRng, RngCore};
use std::path::Path;
use zeroize::Zeroizing;

/// A client's private key.
pub struct ClientKey {
    public: PublicJwk,
    secret: Secret,
}

enum Secret {
    Ed25519(SigningKey),
    P256(Box<EcdsaKeyPair>, Zeroizing<Vec<u8>>),
}

impl ClientKey {
    /// Makes a key: "ES256" or "EdDSA".
    pub fn generate(alg: &str) -> Result<Self> {
        match alg {
            "EdDSA" => Ok(Self::ed25519(SigningKey::generate(&mut OsRng))),
            "ES256" => {
                let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).context("no key came out")?;
                let secret: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().context("no key came out")?;
                let secret = Zeroizing::new(secret.as_ref().to_vec());
                Self::p256(pair, secret)
            }
            other => bail!("client keys are ES256 or EdDSA, not {other}"),
        }
    }

    fn ed25519(key: SigningKey) -> Self {
        Self {
            public: PublicJwk::Ed25519(Array(key.verifying_key().to_bytes())),
            secret: Secret::Ed25519(key),
        }
    }

    fn p256(pair: EcdsaKeyPair, secret: Zeroizing<Vec<u8>>) -> Result<Self> {
        let point = pair.public_key().as_ref();
        let xy = point
            .strip_prefix(&[4])
            .and_then(|xy| xy.try_into().ok())
            .context("not an uncompressed point")?;
        Ok(Self {
            public: PublicJwk::P256(Array(xy)),
            secret: Secret::P256(Box::new(pair), secret),
        })
    }

    /// Reads a private JWK file.
    pub fn read(path: &Path) -> Result<Self> {
        let Some(bytes) = file::read_bounded(path, 16 * 1024)? else {
            bail!(
                "there is no client key {}; `quorate client list` shows which clients exist",
                path.display()
            );
        };
        let bytes = Zeroizing::new(bytes);
        let public = PublicJwk::parse(&bytes).with_context(|| format!("{}", path.display()))?;
        let object = StrictObject::parse(&bytes).context("not a JWK")?;
        let secret = object
            .text("d")
            .with_context(|| format!("{} is a public key; the private one is needed", path.display()))?;
        let secret = Zeroizing::new(B64.decode(secret).context("d is not base64url")?);
        match &public {
            PublicJwk::Ed25519(_) => {
                let seed: [u8; 32] = secret.as_slice().try_into().context("d has 32 bytes")?;
                let key = Self::ed25519(SigningKey::from_bytes(&seed));
                if key.public == public {
                    Ok(key)
                } else {
                    bail!("x and d of {} do not belong together", path.display())
                }
            }
            PublicJwk::P256(Array(xy)) => {
                let point = [&[4u8][..], xy].concat();
                let pair =
                    EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &secret, &point)
                        .with_context(|| format!("x, y and d of {} do not belong together", path.display()))?;
                Self::p256(pair, secret)
            }
        }
    }

    /// Writes the private JWK, readable by its owner only.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut jwk: serde_json::Value = serde_json::from_str(&self.public.to_json())?;
        let secret = match &self.secret {
            Secret::Ed25519(key) => B64.encode(key.to_bytes()),
            Secret::P256(_, secret) => B64.encode(secret),
        };
        jwk["d"] = serde_json::Value::String(secret);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        let mut text = Zeroizing::new(serde_json::to_vec_pretty(&jwk)?);
        text.push(b'\n');
        Ok(file::write_secret(path, &text)?)
    }

    /// The public key.
    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// Signs a compact JWS over claims.
    pub fn sign(&self, claims: &serde_json::Value) -> Result<String> {
        let header = serde_json::json!({ "alg": self.public.alg(), "kid": self.public.thumbprint(), "typ": "JWT" });
        let input = format!(
            "{}.{}",
            B64.encode(serde_json::to_vec(&header)?),
            B64.encode(serde_json::to_vec(claims)?)
        );
        let signature = match &self.secret {
            Secret::Ed25519(key) => key.sign(input.as_bytes()).to_bytes().to_vec(),
            Secret::P256(pair, _) => pair
                .sign(&SystemRandom::new(), input.as_bytes())
                .context("no signature came out")?
                .as_ref()
                .to_vec(),
        };
        Ok(format!("{input}.{}", B64.encode(signature)))
    }

    /// A fresh assertion for the token endpoint: audience is the issuer alone (RFC 10070), alive for a minute.
    pub fn assertion(&self, client_id: &str, issuer: &str, now_ms: u64) -> Result<String> {
        let mut jti = [0u8; 16];
        OsRng.fill_bytes(&mut jti);
        let now = now_ms / 1000;
        self.sign(&serde_json::json!({
            "iss": client_id, "sub": client_id, "aud": issuer, "jti": B64.encode(jti), "iat": now, "exp": now + 60,
        }))
    }
}
