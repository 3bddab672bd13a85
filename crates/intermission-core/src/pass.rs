//! Bypasses for single persons, given as a link.
//!
//! A pass is 128 random bits that are shown once. The record holds only their SHA-256, so that whoever reads the
//! store, its backups or the history cannot pass. Laravel's secret is one for everybody, lives in clear text in the
//! state, and revives when it is reused; here each person has an own one that ends by its time, by its
//! revocation, and with the maintenance.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::Timestamp;
use crate::id::{NoRandomness, random_bytes};

/// What a record knows of a pass: everything but the secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Pass {
    /// A short name for lists and for the revocation. Says nothing about the secret.
    pub id: PassId,
    /// Whom it was made for.
    pub subject: String,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    hash: PassHash,
}

impl Pass {
    /// A fresh pass, and the secret that is to be shown once.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give.
    pub fn issue(
        subject: impl Into<String>,
        expires_at: Option<Timestamp>,
    ) -> Result<(Self, PassSecret), NoRandomness> {
        let secret = PassSecret(random_bytes()?);
        let id = PassId(u64::from_ne_bytes(random_bytes()?));
        Ok((
            Self {
                id,
                subject: subject.into(),
                expires_at,
                hash: secret.hash(),
            },
            secret,
        ))
    }

    /// Whether this pass is still good at that time.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Whether `secret` opens this pass at that time.
    ///
    /// # Security
    ///
    /// The comparison takes the same time whatever differs.
    #[must_use]
    pub fn accepts(&self, secret: &PassSecret, now: Timestamp) -> bool {
        self.belongs_to(secret) && self.is_current(now)
    }

    /// Whether this is the pass of that secret, whether it is still good or not.
    ///
    /// # Security
    ///
    /// The comparison takes the same time whatever differs.
    #[must_use]
    pub fn belongs_to(&self, secret: &PassSecret) -> bool {
        bool::from(self.hash.0.ct_eq(&secret.hash().0))
    }
}

impl fmt::Debug for Pass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            subject,
            expires_at,
            hash: _,
        } = self;
        f.debug_struct("Pass")
            .field("id", id)
            .field("subject", subject)
            .field("expires_at", expires_at)
            .finish_non_exhaustive()
    }
}

/// The secret of a pass: 128 bits, written as 32 hexadecimal digits.
///
/// # Security
///
/// `Debug` shows nothing of it. `Display` shows all of it: that is the one time that it is shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PassSecret([u8; 16]);

impl PassSecret {
    fn hash(&self) -> PassHash {
        PassHash(Sha256::digest(self.0).into())
    }
}

impl fmt::Debug for PassSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PassSecret(..)")
    }
}

impl fmt::Display for PassSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl FromStr for PassSecret {
    type Err = BadPass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(Self)
    }
}

/// A text that cannot be a pass's secret, id or hash. It does not repeat the text, which might be a secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a pass: copy all of its hexadecimal digits and nothing else")]
#[non_exhaustive]
pub struct BadPass;

/// The short name of a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PassId(u64);

impl fmt::Display for PassId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for PassId {
    type Err = BadPass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(|bytes| Self(u64::from_be_bytes(bytes)))
    }
}

#[derive(Clone, PartialEq, Eq)]
struct PassHash([u8; 32]);

impl fmt::Display for PassHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        hex(&self.0, f)
    }
}

impl FromStr for PassHash {
    type Err = BadPass;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        unhex(text).map(Self)
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?
                    .parse()
                    .map_err(serde::de::Error::custom)
            }
        }
    };
}

serde_as_text!(PassId);
serde_as_text!(PassHash);

fn hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

fn unhex<const N: usize>(text: &str) -> Result<[u8; N], BadPass> {
    let digits = text.as_bytes();
    if digits.len() != N * 2 {
        return Err(BadPass);
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        for &digit in pair {
            let value = char::from(digit).to_digit(16).ok_or(BadPass)?;
            *byte = (*byte << 4) | u8::try_from(value).map_err(|_| BadPass)?;
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_its_own_pass_until_it_ends() {
        let end = Timestamp::from_millis(1_000);
        let (pass, secret) = Pass::issue("ana", Some(end)).unwrap();
        let (_, other) = Pass::issue("ana", Some(end)).unwrap();
        assert!(pass.accepts(&secret, Timestamp::from_millis(999)));
        assert!(!pass.accepts(&secret, end) && pass.belongs_to(&secret));
        assert!(!pass.accepts(&other, Timestamp::from_millis(999)));
        assert_eq!(secret.to_string().parse(), Ok(secret));
    }

    #[test]
    fn nothing_but_display_shows_the_secret() {
        let (pass, secret) = Pass::issue("ana", None).unwrap();
        let shown = format!(
            "{pass:?} {secret:?} {}",
            serde_json::to_string(&pass).unwrap()
        );
        assert!(!shown.contains(&secret.to_string()));
        assert!(
            !"zz"
                .repeat(16)
                .parse::<PassSecret>()
                .unwrap_err()
                .to_string()
                .contains("zz")
        );
    }
}
