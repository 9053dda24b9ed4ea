//! People, their passkeys, and the clients they sign in to, as the fold keeps them.

use super::{FoldEntry, Registry};
use crate::{
    Refusal,
    cbor::{Array, Bytes, Canonical},
    enrolment::{Enroller, EnrolmentBody, EnrolmentStatement},
    grant::Jti,
    name::{ClientId, Subject},
    person::{
        ClientAuthentication, ClientPrivateRecord, CredentialRecord, InteractiveClientRecord, InvitationRecord,
        Stopped, StoppedRecord, UserRecord,
    },
    record::{Record, credential_key, stopped_key},
    revocation::{RevocationBody, SESSION_MEMORY_MS, TOKEN_MEMORY_MS, of_reused_code},
    webauthn::PasskeyKey,
};
use quorate_tlog::hash::{Hash, sha256};

/// Digest of a passkey's public key, by which a second registration is noticed.
pub(super) fn key_digest(key: &PasskeyKey) -> Hash {
    sha256(&[crate::domain::PASSKEY_KEY, &minicbor::to_vec(key).unwrap_or_default()])
}

/// Longest time that an invitation may be open: 30 days.
const MAX_INVITATION_MS: u64 = 30 * 24 * 3_600_000;

/// Deciding.
impl Registry {
    pub(super) fn may_put_interactive(&self, client: &InteractiveClientRecord, private: &ClientPrivateRecord) -> bool {
        let secret = match (client.authentication, &private.secret) {
            (ClientAuthentication::ClientSecret, Some(hashes)) => hashes.is_complete(),
            (ClientAuthentication::ClientSecret, None) => false,
            (ClientAuthentication::None | ClientAuthentication::PrivateKeyJwt, secret) => secret.is_none(),
        };
        secret && client.check().is_ok() && private.id == client.id && self.client(&client.id).is_none()
    }

    /// A person's identifier belongs to one user name for good, and the page makes the tag key, so a decision names none.
    pub(super) fn may_invite(&self, user: &UserRecord, key: &Array<32>, expires_ms: u64, time_ms: u64) -> bool {
        let unique = self
            .users()
            .all(|other| (other.sub == user.sub) == (other.username == user.username));
        user.check().is_ok()
            && user.tag_key.is_none()
            && unique
            && crate::jwk::PublicJwk::Ed25519(*key).is_sound()
            && !self
                .records
                .contains_key(&format!("invitation/{}", crate::record::hex(&key.0)))
            && expires_ms > time_ms
            && expires_ms.saturating_sub(time_ms) <= MAX_INVITATION_MS
    }

    pub(super) fn invite(&mut self, index: u64, salt: &[u8; 32], user: &UserRecord, key: &Array<32>, expires_ms: u64) {
        let invitation = InvitationRecord {
            key: *key,
            sub: user.sub.clone(),
            username: user.username.clone(),
            name: user.name.clone(),
            expires_ms,
        };
        let tag_key = self.user(&user.sub).and_then(|known| known.tag_key.clone());
        let user = UserRecord {
            tag_key,
            ..user.clone()
        };
        self.put(index, salt, Record::User(user));
        self.put(index, salt, Record::Invitation(invitation));
    }

    pub(super) fn suspend_user(&mut self, index: u64, salt: &[u8; 32], sub: &Subject) {
        if let Some(user) = self.user(sub) {
            let mut stopped = user.clone();
            stopped.suspended = true;
            self.put(index, salt, Record::User(stopped));
        }
    }

    pub(super) fn stop_passkey(&mut self, index: u64, salt: &[u8; 32], id: &Array<32>) {
        if let Some(credential) = self.passkey(id) {
            let mut stopped = credential.clone();
            stopped.revoked = true;
            self.put(index, salt, Record::Credential(stopped));
        }
    }

    pub(super) fn forget_stopped(&mut self, time_ms: u64) {
        let dead: Vec<String> = self
            .stopped()
            .filter(|stopped| stopped.until_ms <= time_ms)
            .map(|stopped| stopped_key(&stopped.what))
            .collect();
        for key in dead {
            self.records.remove(&key);
        }
    }
}

/// Folding.
impl Registry {
    pub(super) fn apply_enrolment(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        let body = EnrolmentBody::from_canonical(entry.body).map_err(|_| Refusal::WrongEnrolment)?;
        let statement = body.read_statement()?;
        let sub = self.check_enrolment(&body, &statement, entry.time_ms)?;
        let user = self.user(&sub).ok_or(Refusal::UnknownInvitation)?;
        if user.tag_key.as_ref() != Some(&statement.user_key) {
            let known = UserRecord {
                tag_key: Some(statement.user_key.clone()),
                ..user.clone()
            };
            self.put(entry.index, entry.salt, Record::User(known));
        }
        if let Some(key) = &statement.invitation {
            self.records
                .remove(&format!("invitation/{}", crate::record::hex(&key.0)));
        }
        let credential = CredentialRecord {
            id: statement.credential_id.clone(),
            sub,
            key: statement.key.clone(),
            label: statement.label.clone(),
            enrolled_ms: entry.time_ms,
            revoked: false,
        };
        self.put(entry.index, entry.salt, Record::Credential(credential));
        self.refresh();
        Ok(())
    }

    /// Whose passkey it will be, if everything about the enrolment but the age of its anchor holds.
    fn check_enrolment(
        &self,
        body: &EnrolmentBody,
        statement: &EnrolmentStatement,
        time_ms: u64,
    ) -> Result<Subject, Refusal> {
        if self.issuer() != Some(&statement.issuer) {
            return Err(Refusal::WrongIssuer);
        }
        let (sub, by) = match (&statement.invitation, &statement.by) {
            (Some(key), None) => {
                let invitation = self.invitation(key).ok_or(Refusal::UnknownInvitation)?;
                if invitation.expires_ms < time_ms {
                    return Err(Refusal::UnknownInvitation);
                }
                (&invitation.sub, Enroller::Invitation(key))
            }
            (None, Some(id)) => {
                let credential = self.active_credential(id)?;
                (&credential.sub, Enroller::Passkey(&credential.id, &credential.key))
            }
            _ => return Err(Refusal::WrongEnrolment),
        };
        let user = self.active_user(sub)?;
        body.verify(statement, by)?;
        // Only a passkey's page knows the key. Who lost every passkey begins with a new one; tokens of before stay under the old.
        let starts_anew = statement.invitation.is_some() && self.credentials_of(sub).all(|(known, _)| known.revoked);
        let tag_key_fits = match &user.tag_key {
            Some(known) if !starts_anew => *known == statement.user_key,
            _ => self
                .users()
                .all(|other| other.sub == *sub || other.tag_key.as_ref() != Some(&statement.user_key)),
        };
        if !tag_key_fits {
            return Err(Refusal::WrongEnrolment);
        }
        let taken = self.credential(&statement.credential_id).is_some()
            || self.passkey_keys.contains(&key_digest(&statement.key))
            || self.credentials_of(sub).count() >= UserRecord::MAX_PASSKEYS;
        if taken {
            return Err(Refusal::CredentialTaken);
        }
        Ok(sub.clone())
    }

    pub(super) fn apply_revocation(&mut self, entry: &FoldEntry<'_>) -> Result<(), Refusal> {
        let body = RevocationBody::from_canonical(entry.body).map_err(|_| Refusal::WrongRevocation)?;
        let stopped = self.stopped_by(&body)?;
        let mut news = false;
        for what in stopped {
            let memory_ms = match &what {
                Stopped::Code(_) | Stopped::Token(..) => TOKEN_MEMORY_MS,
                Stopped::Session(..) => SESSION_MEMORY_MS,
            };
            if !self.is_stopped(&what) {
                news = true;
                let until_ms = entry.time_ms.saturating_add(memory_ms);
                self.put(
                    entry.index,
                    entry.salt,
                    Record::Stopped(StoppedRecord { what, until_ms }),
                );
            }
        }
        if !news {
            return Err(Refusal::AlreadyRevoked);
        }
        self.refresh();
        Ok(())
    }

    fn stopped_by(&self, body: &RevocationBody) -> Result<Vec<Stopped>, Refusal> {
        let issuer = self.issuer().ok_or(Refusal::WrongIssuer)?;
        match body {
            RevocationBody::ReusedCode(grant, identity, code) => {
                Ok(vec![of_reused_code(issuer, grant, identity, code)?])
            }
            RevocationBody::ByOwner(_, tap) => {
                let statement = body.statement().ok_or(Refusal::WrongRevocation)??;
                if statement.version != 1 || statement.issuer != *issuer {
                    return Err(Refusal::WrongIssuer);
                }
                let credential = self.active_credential(&tap.credential_id)?;
                crate::webauthn::verify(tap, &credential.key, &statement.challenge(), issuer)?;
                let token = statement.token()?;
                if token.sub != credential.sub {
                    return Err(Refusal::WrongRevocation);
                }
                let sub = token.sub;
                let by_jti = token.jti.map(|jti| Stopped::Token(sub.clone(), jti));
                let by_sid = token.sid.map(|sid| Stopped::Session(sub.clone(), sid));
                Ok(by_jti.into_iter().chain(by_sid).collect())
            }
        }
    }
}

/// Reading.
impl Registry {
    /// The client of this identifier that people sign in to.
    pub fn interactive_client(&self, id: &ClientId) -> Option<&InteractiveClientRecord> {
        match self.record(&format!("client/{id}"))? {
            Record::InteractiveClient(client) => Some(client),
            _ => None,
        }
    }

    /// All clients that people sign in to.
    pub fn interactive_clients(&self) -> impl Iterator<Item = &InteractiveClientRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::InteractiveClient(client) => Some(client),
            _ => None,
        })
    }

    /// What is kept of such a client besides its public record.
    pub fn client_private(&self, id: &ClientId) -> Option<&ClientPrivateRecord> {
        match self.record(&format!("client-private/{id}"))? {
            Record::ClientPrivate(client) => Some(client),
            _ => None,
        }
    }

    /// The person of this identifier.
    pub fn user(&self, sub: &Subject) -> Option<&UserRecord> {
        match self.record(&format!("user/{sub}"))? {
            Record::User(user) => Some(user),
            _ => None,
        }
    }

    /// The person of this identifier, if the account is not stopped.
    pub fn active_user(&self, sub: &Subject) -> Result<&UserRecord, Refusal> {
        let user = self.user(sub).ok_or(Refusal::UnknownCredential)?;
        if user.suspended {
            Err(Refusal::UserSuspended)
        } else {
            Ok(user)
        }
    }

    /// Everybody.
    pub fn users(&self) -> impl Iterator<Item = &UserRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::User(user) => Some(user),
            _ => None,
        })
    }

    /// The invitation of this public key.
    pub fn invitation(&self, key: &Array<32>) -> Option<&InvitationRecord> {
        match self.record(&format!("invitation/{}", crate::record::hex(&key.0)))? {
            Record::Invitation(invitation) => Some(invitation),
            _ => None,
        }
    }

    /// Invitations that were not used yet.
    pub fn invitations(&self) -> impl Iterator<Item = &InvitationRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::Invitation(invitation) => Some(invitation),
            _ => None,
        })
    }

    /// The passkey of this id.
    pub fn credential(&self, id: &Bytes) -> Option<&CredentialRecord> {
        match self.record(&credential_key(id))? {
            Record::Credential(credential) => Some(credential),
            _ => None,
        }
    }

    /// The passkey whose credential id has this digest.
    pub(super) fn passkey(&self, id: &Array<32>) -> Option<&CredentialRecord> {
        match self.record(&format!("credential/{}", crate::record::hex(&id.0)))? {
            Record::Credential(credential) => Some(credential),
            _ => None,
        }
    }

    /// The passkey of this id, if it was not stopped.
    pub fn active_credential(&self, id: &Bytes) -> Result<&CredentialRecord, Refusal> {
        let credential = self.credential(id).ok_or(Refusal::UnknownCredential)?;
        if credential.revoked {
            Err(Refusal::CredentialRevoked)
        } else {
            Ok(credential)
        }
    }

    /// A person's passkeys, with the index of the entry that last changed each.
    pub fn credentials_of<'a>(&'a self, sub: &'a Subject) -> impl Iterator<Item = (&'a CredentialRecord, u64)> {
        self.records.values().filter_map(move |stored| match &stored.record {
            Record::Credential(credential) if credential.sub == *sub => Some((credential, stored.changed_at)),
            _ => None,
        })
    }

    pub(super) fn stopped(&self) -> impl Iterator<Item = &StoppedRecord> {
        self.records.values().filter_map(|stored| match &stored.record {
            Record::Stopped(stopped) => Some(stopped),
            _ => None,
        })
    }

    /// Whether a person's token was stopped, for itself, with its code or with its session.
    pub fn is_token_stopped(&self, sub: &Subject, jti: &Jti, sid: Option<&str>) -> bool {
        let jti = Array(*jti.as_bytes());
        self.is_stopped(&Stopped::Code(jti))
            || self.is_stopped(&Stopped::Token(sub.clone(), jti))
            || sid.is_some_and(|sid| self.is_stopped(&Stopped::Session(sub.clone(), sid.to_owned())))
    }

    /// Whether this was stopped.
    pub fn is_stopped(&self, what: &Stopped) -> bool {
        self.records.contains_key(&stopped_key(what))
    }
}
