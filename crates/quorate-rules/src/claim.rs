//! Claims about people that tokens may hold (OpenID Connect Core §5.1, §5.4), and the scopes that ask for them.

use crate::{json::ObjectWriter, name::Scope, record::UserRecord};
use minicbor::{Decode, Decoder, Encode, Encoder};

/// A claim about a person. Others are never asked for, whatever a request names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Claim {
    /// `email`
    Email,
    /// `email_verified`
    EmailVerified,
    /// `groups`
    Groups,
    /// `name`
    Name,
    /// `preferred_username`
    PreferredUsername,
}

impl Claim {
    /// All of them, in the order of their names.
    pub const ALL: [Self; 5] = [
        Self::Email,
        Self::EmailVerified,
        Self::Groups,
        Self::Name,
        Self::PreferredUsername,
    ];

    /// Its name in tokens.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::EmailVerified => "email_verified",
            Self::Groups => "groups",
            Self::Name => "name",
            Self::PreferredUsername => "preferred_username",
        }
    }

    /// The claim of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|claim| claim.name() == name)
    }

    /// The scope that asks for it.
    pub const fn scope(self) -> &'static str {
        match self {
            Self::Email | Self::EmailVerified => "email",
            Self::Groups => "groups",
            Self::Name | Self::PreferredUsername => "profile",
        }
    }

    /// Claims that a scope asks for.
    pub fn of_scope(scope: &Scope) -> impl Iterator<Item = Self> + '_ {
        Self::ALL.into_iter().filter(|claim| scope.holds(claim.scope()))
    }

    /// Writes its value for a user; a claim without a value is left out (Core §5.3.2).
    pub fn write(self, user: &UserRecord, object: &mut ObjectWriter) {
        match self {
            Self::Email => {
                if let Some(email) = &user.email {
                    object.text(self.name(), email.as_str());
                }
            }
            Self::EmailVerified => {
                if user.email.is_some() {
                    object.boolean(self.name(), user.email_verified);
                }
            }
            Self::Groups => {
                let groups: Vec<&str> = user.groups.iter().map(|group| group.as_str()).collect();
                object.texts(self.name(), &groups);
            }
            Self::Name => {
                let name = user.name.as_ref().map_or(user.username.as_str(), |name| name.as_str());
                object.text(self.name(), name);
            }
            Self::PreferredUsername => {
                object.text(self.name(), user.username.as_str());
            }
        }
    }
}

impl<C> Encode<C> for Claim {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(self.name())?.ok()
    }
}

impl<'b, C> Decode<'b, C> for Claim {
    fn decode(d: &mut Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Self::from_name(d.str()?).ok_or_else(|| minicbor::decode::Error::message("claim"))
    }
}
