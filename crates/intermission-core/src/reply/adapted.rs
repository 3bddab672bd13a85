//! A place for what an adapter makes of rendered replies.

use std::any::Any;
use std::fmt;
use std::sync::{Arc, OnceLock};

/// Holds one value of a type that only its adapter knows. Clones share it.
#[derive(Clone, Default)]
pub(super) struct Adapted(Arc<OnceLock<Box<dyn Any + Send + Sync>>>);

impl Adapted {
    /// The value, made now if there is none; `None` if there is one of another type.
    pub(super) fn get<T: Any + Default + Send + Sync>(&self) -> Option<&T> {
        self.0.get_or_init(|| Box::<T>::default()).downcast_ref()
    }
}

impl fmt::Debug for Adapted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Adapted(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_who_asks_decides_on_the_type() {
        let adapted = Adapted::default();
        let shared = adapted.clone();
        assert_eq!(adapted.get::<u8>(), Some(&0));
        assert_eq!(shared.get::<u16>(), None);
        assert!(std::ptr::eq(
            adapted.get::<u8>().unwrap(),
            shared.get::<u8>().unwrap()
        ));
    }
}
