//! Reading a list, of which an equal one may be known already.

use std::fmt;

use serde::de::{self, DeserializeSeed, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use super::{AllowList, BadNetwork, BadNetworks, Network};

impl<'de> Deserialize<'de> for AllowList {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        ReadAfter(&Self::default()).deserialize(deserializer)
    }
}

/// From which length on a text is hashed before it is read.
pub(super) const LONG: usize = 1 << 16;

impl AllowList {
    /// Reads the wire form. If it says the same as `known`, that is shared.
    pub(crate) fn from_json_after(json: &str, known: &Self) -> serde_json::Result<Self> {
        let hash = (json.len() >= LONG).then(|| Sha256::digest(json).into());
        if hash.is_some() && known.0.text.get() == hash.as_ref() {
            return Ok(known.clone());
        }
        let list = ReadAfter(known).deserialize(&mut serde_json::Deserializer::from_str(json))?;
        if let Some(hash) = hash {
            // It may have been read from another text before, and then that one stays the one that is known.
            let _ = list.0.text.set(hash);
        }
        Ok(list)
    }
}

/// Reads a list of which another is known already. If they are equal, the known one is shared: each entry is compared as
/// it is read, and nothing is sorted, merged or allocated.
struct ReadAfter<'a>(&'a AllowList);

impl<'de> DeserializeSeed<'de> for ReadAfter<'_> {
    type Value = AllowList;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<AllowList, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for ReadAfter<'_> {
    type Value = AllowList;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of networks as strings")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<AllowList, A::Error> {
        let mut reader = Reader::after(self.0);
        while seq.next_element_seed(Entry(&mut reader))?.is_some() {}
        reader.finish().map_err(de::Error::custom)
    }
}

/// One entry, read without a copy of its text.
struct Entry<'a, 'known>(&'a mut Reader<'known>);

impl<'de> DeserializeSeed<'de> for Entry<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Entry<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a network as a string")
    }

    fn visit_str<E>(self, v: &str) -> Result<(), E> {
        self.0.read(v);
        Ok(())
    }
}

/// Collects the good entries and the bad ones, so that all bad ones can be named.
pub(super) struct Reader<'known> {
    known: &'known AllowList,
    /// With how many networks of the known list this one begins. They are not copied before it goes on otherwise.
    same: usize,
    networks: Vec<Network>,
    bad: Vec<BadNetwork>,
}

impl<'known> Reader<'known> {
    pub(super) const fn after(known: &'known AllowList) -> Self {
        Self {
            known,
            same: 0,
            networks: Vec::new(),
            bad: Vec::new(),
        }
    }

    pub(super) fn read(&mut self, entry: &str) {
        match entry.parse() {
            Ok(network) if self.goes_on_as_known(network) => self.same += 1,
            Ok(network) => {
                self.copy_what_is_same();
                self.networks.push(network);
            }
            Err(bad) => self.bad.push(bad),
        }
    }

    fn goes_on_as_known(&self, network: Network) -> bool {
        self.networks.is_empty() && self.known.0.networks.get(self.same) == Some(&network)
    }

    fn copy_what_is_same(&mut self) {
        if self.networks.is_empty() {
            self.networks.extend(self.known.networks().take(self.same));
        }
    }

    pub(super) fn finish(mut self) -> Result<AllowList, BadNetworks> {
        if !self.bad.is_empty() {
            return Err(BadNetworks(self.bad));
        }
        if self.networks.is_empty() && self.same == self.known.len() {
            return Ok(self.known.clone());
        }
        self.copy_what_is_same();
        Ok(self.networks.into_iter().collect())
    }
}
