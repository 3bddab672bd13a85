//! What a page shows of an output, against what really came.
//!
//! Compared word by word, so that the widths of columns do not matter. Some words differ each time, and any of their kind
//! will do:
//!
//! | shown | any |
//! |---|---|
//! | `2026-11-21T01:00:00.000Z` | time |
//! | `1795169702113` | number of 13 digits: a revision, or an entry of a Redis stream |
//! | `8e3c6c01` | number of 8 digits from 0 to f: the beginning of a node's id |
//! | `…` in a line | text; in a word, letters |
//! | `…` alone in a line | lines |

/// Whether the output is as shown.
pub(crate) fn is_as_shown(shown: &[String], output: &str) -> bool {
    let shown: Vec<Vec<String>> = shown.iter().map(|line| words(line)).collect();
    let lines: Vec<Vec<String>> = output.lines().map(words).collect();
    let (shown, lines) = (trimmed(&shown), trimmed(&lines));
    matches(
        shown,
        lines,
        &|line: &Vec<String>| line == &["…"],
        &|shown, line| {
            matches(
                shown,
                line,
                &|word: &String| word == "…",
                &|shown, word| is_word_as_shown(shown, word),
            )
        },
    )
}

fn is_word_as_shown(shown: &str, word: &str) -> bool {
    let Some((beginning, end)) = shown.split_once('…') else {
        return shown == word;
    };
    let rest = word.strip_prefix(beginning);
    rest.is_some_and(|rest| rest.ends_with(end))
}

/// Without empty lines at the end.
fn trimmed(lines: &[Vec<String>]) -> &[Vec<String>] {
    let end = lines.iter().rposition(|line| !line.is_empty());
    &lines[..end.map_or(0, |end| end + 1)]
}

/// Whether a list is as shown, where a gap stands for any number of its items.
fn matches<T>(
    shown: &[T],
    real: &[T],
    is_gap: &impl Fn(&T) -> bool,
    is_same: &impl Fn(&T, &T) -> bool,
) -> bool {
    match shown {
        [] => real.is_empty(),
        [gap, rest @ ..] if is_gap(gap) => {
            (0..=real.len()).any(|skipped| matches(rest, &real[skipped..], is_gap, is_same))
        }
        [first, rest @ ..] => real.split_first().is_some_and(|(word, others)| {
            is_same(first, word) && matches(rest, others, is_gap, is_same)
        }),
    }
}

/// The words of a line, those that differ each time as their kind.
fn words(line: &str) -> Vec<String> {
    line.split_whitespace().map(kind).collect()
}

fn kind(word: &str) -> String {
    let core = word.trim_end_matches([',', ';', ':', ')']);
    let rest = word.strip_prefix(core).unwrap_or_default();
    let (number, more) = core.split_once('-').unwrap_or((core, ""));
    if is_time(core) {
        format!("<time>{rest}")
    } else if number.len() == 13 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        format!("<revision>-{more}{rest}")
    } else if core.len() == 8 && core.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        format!("<id>{rest}")
    } else {
        word.to_owned()
    }
}

fn is_time(word: &str) -> bool {
    let pattern = "0000-00-00T00:00:00.000Z";
    word.len() == pattern.len()
        && word
            .bytes()
            .zip(pattern.bytes())
            .all(|(byte, pattern)| match pattern {
                b'0' => byte.is_ascii_digit(),
                other => byte == other,
            })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_shown(shown: &str, output: &str) -> bool {
        let shown: Vec<String> = shown.lines().map(str::to_owned).collect();
        is_as_shown(&shown, output)
    }

    #[test]
    fn what_differs_each_time_does_not_matter() {
        for (shown, output) in [
            ("a  b", "a b\n\n"),
            (
                "since 2026-11-21T01:00:00.000Z, x",
                "since 2027-01-02T03:04:05.678Z, x\n",
            ),
            ("(revision 1795169702113)", "(revision 1800000000000)\n"),
            ("1795169702113-0", "1800000000000-0\n"),
            ("web-1 8e3c6c01", "web-1 01234567\n"),
            ("a … d", "a b c d\n"),
            ("pass=…", "pass=1234\n"),
            ("{\"id\":\"…\"}", "{\"id\":\"1234\"}\n"),
            ("a\n…\nd", "a\nb\nc\nd\n"),
            ("a\n…", "a\n"),
            ("", ""),
        ] {
            assert!(is_shown(shown, output), "{shown} {output}");
        }
    }

    #[test]
    fn all_else_matters() {
        for (shown, output) in [
            ("a", "b\n"),
            ("a", "a\nb\n"),
            ("a\nb", "a\n"),
            ("a …", "b a\n"),
            ("pass=…x", "pass=1234\n"),
            ("2026-11-21T01:00:00.000Z", "soon\n"),
            ("revision 1795169702113", "revision 7\n"),
            ("", "a\n"),
        ] {
            assert!(!is_shown(shown, output), "{shown} {output}");
        }
    }
}
