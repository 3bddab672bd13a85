//! The refusal of a gRPC call: a trailers-only response.
//!
//! Its status travels in the headers, with HTTP 200 and no body; the framework sends them with the end of the
//! stream. `grpc-retry-pushback-ms` is what gRPC clients with a retry policy read instead of `Retry-After`.

use bytes::Bytes;

use super::header::shared;

/// The gRPC status `UNAVAILABLE`.
pub(super) const UNAVAILABLE: &str = "14";

/// The longest `grpc-message`: clients limit all headers together, some to 8 KiB, and report an overlong list as
/// an error of the transport.
const MAX_MESSAGE_BYTES: usize = 1_024;

/// Clients read the delay as a signed 32-bit number; 24 days are enough for it.
const MAX_PUSHBACK_MS: u64 = 2_147_483_647;

/// Whether a content type is gRPC's: `application/grpc`, alone or with a `+` suffix. `application/grpc-web` is
/// another protocol, whose clients expect a body.
pub(super) fn is_grpc(content_type: &[u8]) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let content_type = content_type.trim_ascii();
    content_type
        .split_at_checked(GRPC.len())
        .is_some_and(|(start, rest)| {
            start.eq_ignore_ascii_case(GRPC)
                && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
        })
}

/// The message, percent-encoded as gRPC defines it, and cut at a character if it is too long.
pub(super) fn message(text: &str) -> Bytes {
    let mut encoded = Vec::new();
    for character in text.trim().chars() {
        let before = encoded.len();
        for &byte in character.encode_utf8(&mut [0; 4]).as_bytes() {
            if matches!(byte, b' '..=b'~') && byte != b'%' {
                encoded.push(byte);
            } else {
                encoded.extend([b'%', hex_digit(byte >> 4), hex_digit(byte & 0xF)]);
            }
        }
        if encoded.len() > MAX_MESSAGE_BYTES {
            encoded.truncate(before);
            break;
        }
    }
    shared(encoded)
}

/// How many milliseconds a client should wait, for that `Retry-After`.
pub(super) fn pushback_ms(retry_after_s: u64) -> u64 {
    retry_after_s.saturating_mul(1_000).min(MAX_PUSHBACK_MS)
}

const fn hex_digit(nibble: u8) -> u8 {
    match nibble {
        0..=9 => b'0' + nibble,
        _ => b'A' + nibble - 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn table_of_content_types() {
        for (content_type, expected) in [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("application/grpc;charset=utf-8", true),
            (" Application/GRPC ", true),
            ("application/grpc-web", false),
            ("application/grpc-web+proto", false),
            ("application/grpcx", false),
            ("application/json", false),
            ("text/application/grpc", false),
            ("", false),
        ] {
            assert_eq!(is_grpc(content_type.as_bytes()), expected, "{content_type}");
        }
    }

    #[test]
    fn messages_are_encoded_as_grpc_wants_them() {
        for (text, expected) in [
            ("Back soon. Sorry!", "Back soon. Sorry!"),
            (" 100%\n", "100%25"),
            ("a\nb\u{7f}", "a%0Ab%7F"),
            ("Zurück", "Zur%C3%BCck"),
        ] {
            assert_eq!(message(text), expected);
        }
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let encoded = message(&format!("a{}", "\u{1f6e0}".repeat(1_000)));
        assert_eq!(encoded.len(), 1 + 85 * 12);
        assert!(encoded.ends_with(b"%F0%9F%9B%A0"));
    }

    #[test]
    fn the_delay_fits_thirty_two_bits() {
        assert_eq!(pushback_ms(300), 300_000);
        assert_eq!(pushback_ms(u64::MAX), 2_147_483_647);
    }

    fn decoded(encoded: &[u8]) -> String {
        let mut bytes = Vec::new();
        let mut rest = encoded.iter();
        while let Some(&byte) = rest.next() {
            if byte == b'%' {
                let digits = [*rest.next().unwrap(), *rest.next().unwrap()];
                let digits = std::str::from_utf8(&digits).unwrap().to_owned();
                bytes.push(u8::from_str_radix(&digits, 16).unwrap());
            } else {
                bytes.push(byte);
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    proptest! {
        #[test]
        fn every_message_is_a_header_and_reads_back(text in any::<String>()) {
            let encoded = message(&text);
            prop_assert!(encoded.iter().all(|byte| (b' '..=b'~').contains(byte)));
            prop_assert!(encoded.len() <= MAX_MESSAGE_BYTES);
            let decoded = decoded(&encoded);
            prop_assert!(text.trim().starts_with(&decoded));
            if encoded.len() < MAX_MESSAGE_BYTES - 12 {
                prop_assert_eq!(text.trim(), decoded);
            }
        }
    }
}
