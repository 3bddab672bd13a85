//! The value of a header, without formatting it.

use std::fmt;

use bytes::Bytes;

/// The value of one header: visible ASCII and spaces, never a line break.
///
/// The forms are public so that an adapter can take over each without a copy: a static text, shared bytes, or a
/// number, for which every framework has a conversion of its own. [`HeaderText::visit`] serves them all alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an adapter that copies a new form by accident should not compile"
)]
pub enum HeaderText<'a> {
    /// A fixed text.
    Static(&'static str),
    /// A text rendered once, which may be cloned instead of copied.
    Shared(&'a Bytes),
    /// A number, in decimal digits.
    Number(u64),
}

impl HeaderText<'_> {
    /// Calls `visitor` with the value as bytes, without allocating.
    ///
    /// # Examples
    ///
    /// ```
    /// use intermission_core::reply::HeaderText;
    ///
    /// let length = HeaderText::Number(300).visit(|bytes| {
    ///     assert_eq!(bytes, b"300");
    ///     bytes.len()
    /// });
    /// assert_eq!(length, 3);
    /// ```
    pub fn visit<R>(self, visitor: impl FnOnce(&[u8]) -> R) -> R {
        match self {
            Self::Static(text) => visitor(text.as_bytes()),
            Self::Shared(bytes) => visitor(bytes),
            Self::Number(number) => visitor(digits(number, &mut [0; MAX_DIGITS])),
        }
    }
}

impl fmt::Display for HeaderText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visit(|bytes| f.pad(&String::from_utf8_lossy(bytes)))
    }
}

/// Bytes whose every clone is a count: `Bytes::from` would put off an allocation to the first refusal.
pub(super) fn shared(text: impl AsRef<[u8]> + Send + 'static) -> Bytes {
    Bytes::from_owner(text)
}

/// The digits of `u64::MAX`.
const MAX_DIGITS: usize = 20;

fn digits(mut number: u64, buffer: &mut [u8; MAX_DIGITS]) -> &[u8] {
    let mut start = MAX_DIGITS;
    for (index, place) in buffer.iter_mut().enumerate().rev() {
        *place = b'0' + u8::try_from(number % 10).unwrap_or(0);
        number /= 10;
        start = index;
        if number == 0 {
            break;
        }
    }
    buffer.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_like_the_standard_library_does() {
        for number in [0, 1, 9, 10, 99, 100, 300, 86_400, u64::MAX - 1, u64::MAX] {
            assert_eq!(HeaderText::Number(number).to_string(), number.to_string());
        }
    }

    #[test]
    fn every_form_is_visited_as_its_bytes() {
        let shared = Bytes::from_static(b"shared");
        assert_eq!(
            HeaderText::Static("static").visit(<[u8]>::to_vec),
            b"static"
        );
        assert_eq!(HeaderText::Shared(&shared).visit(<[u8]>::to_vec), b"shared");
    }
}
