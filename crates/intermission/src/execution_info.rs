//! What a piece of work is.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use intermission_core::{ActivationId, ScopeName};

/// What a piece of work is, for the lists that operators read while they wait.
#[derive(Clone)]
#[must_use]
pub struct ExecutionInfo {
    /// Unless `rare` has one that is not static.
    kind: &'static str,
    label: Option<Box<str>>,
    // All of this is written down and thrown away for every execution, and few have any of it. `Arc` and not `Box`, since
    // whether there is one to drop is looked at in place, and not in a call.
    rare: Option<Arc<Rare>>,
}

#[derive(Clone, Default)]
struct Rare {
    kind: Option<String>,
    scopes: Vec<ScopeName>,
    past: Vec<ActivationId>,
}

impl ExecutionInfo {
    /// Work of this kind: `job`, `import`, `mail`.
    #[inline]
    pub fn new(kind: impl Into<Cow<'static, str>>) -> Self {
        match kind.into() {
            Cow::Borrowed(kind) => Self {
                kind,
                label: None,
                rare: None,
            },
            Cow::Owned(kind) => {
                let mut info = Self::new("");
                info.rare().kind = Some(kind);
                info
            }
        }
    }

    /// It is done for this part of the site, too: while the scope is closed it cannot begin, and the scope's drain waits for
    /// it.
    pub fn with_scope(mut self, scope: ScopeName) -> Self {
        self.rare().scopes.push(scope);
        self
    }

    /// Which piece of work it is: an order's number, a file's name. Operators see it; put no secret into it.
    pub fn with_label(mut self, label: impl Into<Box<str>>) -> Self {
        self.label = Some(label.into());
        self
    }

    /// The activations of its scopes past which it is let in: nobody waits for it on their account.
    pub(crate) fn with_past(mut self, past: Vec<ActivationId>) -> Self {
        if !past.is_empty() {
            self.rare().past = past;
        }
        self
    }

    fn rare(&mut self) -> &mut Rare {
        Arc::make_mut(self.rare.get_or_insert_default())
    }

    /// All of it, leaving nothing.
    pub(crate) fn take(&mut self) -> Self {
        std::mem::replace(self, Self::new(""))
    }

    /// What kind of work it is.
    #[must_use]
    pub fn kind(&self) -> &str {
        let owned = self.rare.as_ref().and_then(|rare| rare.kind.as_deref());
        owned.unwrap_or(self.kind)
    }

    /// The parts of the site for which it is done.
    #[inline]
    #[must_use]
    pub fn scopes(&self) -> &[ScopeName] {
        self.rare.as_ref().map_or(&[], |rare| &rare.scopes)
    }

    pub(crate) fn past(&self) -> &[ActivationId] {
        self.rare.as_ref().map_or(&[], |rare| &rare.past)
    }

    /// Which piece of work it is.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }
}

impl PartialEq for ExecutionInfo {
    fn eq(&self, other: &Self) -> bool {
        (self.kind(), self.label(), self.scopes()) == (other.kind(), other.label(), other.scopes())
    }
}

impl Eq for ExecutionInfo {}

impl fmt::Debug for ExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecutionInfo")
            .field("kind", &self.kind())
            .field("label", &self.label())
            .field("scopes", &self.scopes())
            .finish()
    }
}

impl fmt::Display for ExecutionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.label() {
            Some(label) => write!(f, "{} {label}", self.kind()),
            None => f.write_str(self.kind()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_says_what_it_was_told_however_it_is_kept() {
        let shop: ScopeName = "shop".parse().unwrap();
        let named = |kind: Cow<'static, str>| ExecutionInfo::new(kind);
        for kind in [Cow::Borrowed("job"), Cow::Owned("job".to_owned())] {
            let plain = named(kind.clone());
            assert_eq!((plain.kind(), plain.label()), ("job", None));
            let labelled = plain.clone().with_label("1").with_label("2");
            assert_eq!((labelled.kind(), labelled.label()), ("job", Some("2")));
            let before = labelled.clone().with_scope(shop.clone());
            let after = plain.clone().with_scope(shop.clone()).with_label("2");
            assert_eq!(before, after);
            assert_eq!(before.scopes(), std::slice::from_ref(&shop));
            assert_eq!(before.to_string(), "job 2");
            assert_eq!(plain, named("job".into()));
            assert_ne!(plain, labelled);
        }
    }
}
