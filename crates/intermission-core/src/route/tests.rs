use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use RouteAccess::{Always, Ordinary, StartsExecution};

fn table(rows: &[(&str, RouteAccess)]) -> RouteTable {
    rows.iter()
        .fold(RouteTable::new(), |table, (route, access)| {
            match route.split_once(' ') {
                Some((method, pattern)) => table.with_method(method, pattern, *access),
                None => table.with(route, *access),
            }
            .unwrap()
        })
}

#[test]
fn words_are_strict() {
    for word in ["", "Always", "starts_execution", "startsexecution", "true"] {
        assert!(word.parse::<RouteAccess>().is_err(), "{word}");
    }
    for access in RouteAccess::ALL {
        assert_eq!(access.to_string().parse(), Ok(access));
        let json = serde_json::to_string(&access).unwrap();
        assert_eq!(json, format!("\"{access}\""));
        assert_eq!(serde_json::from_str::<RouteAccess>(&json).unwrap(), access);
    }
}

#[test]
fn a_literal_pattern_matches_itself_only() {
    let table = table(&[("/health", Always), ("/a/b/", Always), ("/", Ordinary)]);
    assert_eq!(table.access("GET", "/health"), Some(Always));
    assert_eq!(table.access("BREW", "/health"), Some(Always));
    assert_eq!(table.access("GET", "/a/b/"), Some(Always));
    assert_eq!(table.access("GET", "/"), Some(Ordinary));
    for path in [
        "",
        "*",
        "health",
        "/healthz",
        "/healthz-admin",
        "/health-",
        "/healt",
        "/health/",
        "/health/live",
        "//health",
        "/./health",
        "/x/../health",
        "/HEALTH",
        "/Health",
        "/%68ealth",
        "/health%00",
        "/health%20",
        "/health ",
        "/health?",
        "/health;x",
        "\\health",
        "/a/b",
        "/a//b/",
        "//",
        "http://host/health",
    ] {
        assert_eq!(table.access("GET", path), None, "{path}");
    }
}

#[test]
fn captures_take_whole_segments() {
    let table = table(&[
        ("/users/{id}", Ordinary),
        ("/users/{id}/jobs/{job}/", StartsExecution),
        ("/files/{*path}", Ordinary),
        ("/{{raw}}/x{{y", Always),
        ("/dash/{user-id}", Ordinary),
    ]);
    for (path, expected) in [
        ("/users/7", Some(Ordinary)),
        ("/users/%2e", Some(Ordinary)),
        ("/users/", None),
        ("/users", None),
        ("/users/7/", None),
        ("/users//jobs/1/", None),
        ("/users/7/jobs/1/", Some(StartsExecution)),
        ("/users/7/jobs/1", None),
        ("/files/a", Some(Ordinary)),
        ("/files/a/b/", Some(Ordinary)),
        ("/files//a", Some(Ordinary)),
        ("/files", None),
        ("/files/", None),
        ("/files//", None),
        ("/filesystem/a", None),
        ("/FILES/a", None),
        ("/{raw}/x{y", Some(Always)),
        ("/dash/7", Some(Ordinary)),
        ("/{{raw}}/x{{y", None),
        ("users/7", None),
    ] {
        assert_eq!(table.access("GET", path), expected, "{path}");
    }
}

#[test]
fn the_most_specific_row_decides_whatever_the_order() {
    let mut rows = [
        ("/{*rest}", Ordinary),
        ("/{a}/b/{c}", StartsExecution),
        ("/a/{b}/{c}", Always),
        ("/a/{*rest}", StartsExecution),
        ("/a/b/c", Ordinary),
        ("/a/{b}/x", StartsExecution),
        ("/{a}/{b}/x", Always),
    ];
    for _ in 0..rows.len() {
        rows.rotate_left(1);
        let table = table(&rows);
        for (path, expected) in [
            ("/a/b/c", Ordinary),
            ("/a/b/d", Always),
            ("/a/b/x", StartsExecution),
            ("/a/b", StartsExecution),
            ("/a/b/c/d", StartsExecution),
            ("/z/b/c", StartsExecution),
            ("/z/b/x", StartsExecution),
            ("/z/y/x", Always),
            ("/z", Ordinary),
            ("/z/y/z", Ordinary),
        ] {
            assert_eq!(table.access("GET", path), Some(expected), "{path}");
        }
        assert_eq!(table.access("GET", "/"), None);
    }
}

#[test]
fn a_row_with_the_method_goes_first() {
    let table = table(&[
        ("/jobs", Ordinary),
        ("POST /jobs", StartsExecution),
        ("GET /probe", Always),
        ("GET /split", Always),
        ("HEAD /split", Ordinary),
        ("DELETE /jobs/{id}", StartsExecution),
        ("/{*rest}", Ordinary),
    ]);
    for (method, path, expected) in [
        ("POST", "/jobs", StartsExecution),
        ("GET", "/jobs", Ordinary),
        ("post", "/jobs", Ordinary),
        ("GET", "/probe", Always),
        ("HEAD", "/probe", Always),
        ("POST", "/probe", Ordinary),
        ("HEAD", "/split", Ordinary),
        ("GET", "/split", Always),
        ("DELETE", "/jobs/7", StartsExecution),
        ("GET", "/jobs/7", Ordinary),
    ] {
        assert_eq!(
            table.access(method, path),
            Some(expected),
            "{method} {path}"
        );
    }
}

#[test]
fn an_ambiguous_path_is_opened_by_no_template() {
    let rows = [
        ("/public/{*rest}", Always),
        ("/avatars/{name}", Always),
        ("/public/secret", Ordinary),
    ];
    let open = table(&rows);
    for path in [
        "/public/a",
        "/public/a/b.css",
        "/public/.well-known/...",
        "/public/..a/a..",
        "/public/my%20file%C3%A9.css",
        "/public/a@2x,b;c=d:e!$&'()*+~.png",
        "/public/%00",
        "/avatars/j%C3%BCrgen",
    ] {
        assert_eq!(open.access("GET", path), Some(Always), "{path}");
    }
    let ambiguous = [
        "/public/../admin",
        "/public/..",
        "/public/.",
        "/public/./a",
        "/public//a",
        "/public/a/",
        "/public/a//b",
        "/public/%2e%2e/admin",
        "/public/%2E%2E/admin",
        "/public/.%2e/admin",
        "/public/..%2fadmin",
        "/public/..%2Fadmin",
        "/public/..%5cadmin",
        "/public/..%5Cadmin",
        "/public/..\\admin",
        "/public/%252e%252e/admin",
        "/public/%%32e",
        "/public/%73ecret",
        "/public/s%65cret",
        "/public/a%40b",
        "/public/a%2Fb",
        "/public/a%5Cb",
        "/public/a%25b",
        "/public/%c3%a9",
        "/public/é",
        "/public/100%",
        "/public/%2",
        "/public/%zz",
        "/public/a b",
        "/public/a?b",
        "/public/a\"b",
        "/avatars/%2e%2e",
        "/avatars/..",
    ];
    let fallen_back = open.clone().with("/{*rest}", StartsExecution).unwrap();
    for path in ambiguous {
        assert_eq!(open.access("GET", path), None, "{path}");
        assert_eq!(
            fallen_back.access("GET", path),
            Some(StartsExecution),
            "{path}"
        );
    }
    // Rows that open nothing, and literal ones, stay as they are.
    let closed = table(&[("/public/{*rest}", Ordinary), ("/x/%2e/", Always)]);
    for path in ambiguous.iter().filter(|path| path.starts_with("/public")) {
        assert_eq!(closed.access("GET", path), Some(Ordinary), "{path}");
    }
    assert_eq!(closed.access("GET", "/x/%2e/"), Some(Always));
}

#[test]
fn a_bad_row_is_an_error_that_says_why() {
    for (method, pattern, why) in [
        (None, "", "begin with `/`"),
        (None, "health", "begin with `/`"),
        (None, "*", "begin with `/`"),
        (None, "/a b", "holds no `?`"),
        (None, "/a?b=c", "holds no `?`"),
        (None, "/a#b", "holds no `?`"),
        (None, "/a\n", "holds no `?`"),
        (None, "/é", "holds no `?`"),
        (None, "/{", "a brace stands alone: write `{name}`"),
        (None, "/}", "a brace stands alone"),
        (None, "/{a", "a brace stands alone"),
        (None, "/a}", "a brace stands alone"),
        (None, "/x{a}", "a brace stands alone"),
        (None, "/{a}x", "a brace stands alone"),
        (None, "/{{{a}}}", "a brace stands alone"),
        (None, "/{}", "need a plain name"),
        (None, "/{*}", "need a plain name"),
        (None, "/{a}{b}", "need a plain name"),
        (None, "/{a}}", "need a plain name"),
        (None, "/{a*}", "need a plain name"),
        (None, "/{**a}", "need a plain name"),
        (None, "/{id:[0-9]+}", "need a plain name"),
        (None, "/:id", "axum 0.7: write `{name}`"),
        (None, "/a/*rest", "axum 0.7"),
        (None, "/{*a}/b", "must be the last segment"),
        (None, "/{*a}/{*b}", "must be the last segment"),
        (None, "/{*a}/", "must be the last segment"),
        (Some(""), "/a", "the method is no token"),
        (Some("get"), "/a", "the method is no token in capitals"),
        (Some("Post"), "/a", "the method is no token in capitals"),
        (Some("GET "), "/a", "the method is no token"),
    ] {
        let table = RouteTable::new();
        let error = match method {
            Some(method) => table.with_method(method, pattern, Always),
            None => table.with(pattern, Always),
        }
        .unwrap_err()
        .to_string();
        assert!(error.contains(why), "{pattern:?}: {error}");
        assert!(error.contains(&pattern.escape_debug().to_string()) && !error.contains('\n'));
    }
}

#[test]
fn one_pattern_has_one_access() {
    let once = table(&[("/a/{x}", Always), ("GET /b", Ordinary)]);
    let twice = once.clone().with("/a/{y}", Always).unwrap();
    assert_eq!(twice.with_method("GET", "/b", Ordinary).unwrap(), once);

    let error = once.clone().with("/a/{y}", Ordinary).unwrap_err();
    assert_eq!(
        error.to_string(),
        "bad route `/a/{y}`: another row already gives it `always`: keep one of them"
    );
    let error = once.with_method("GET", "/b", Always).unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("bad route `GET /b`: another row"),
        "{error}"
    );
}

#[test]
fn an_empty_table_matches_nothing() {
    let empty = RouteTable::new();
    assert!(empty.is_empty() && !empty.has(Always));
    assert_eq!(empty.access("GET", "/"), None);
    let one = table(&[("GET /{a}", Always)]);
    assert!(!one.is_empty() && one.has(Always) && !one.has(Ordinary));
    assert!(table(&[("/a", StartsExecution)]).has(StartsExecution));
}

fn segment() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "", ".", "..", "%2e", "%61", "a%20"])
            .prop_map(str::to_owned),
        "[a-z%.]{0,4}",
    ]
}

fn letter() -> impl Strategy<Value = u8> {
    prop_oneof![3 => prop::sample::select(b"ab/.%\\@;+ \xe9".to_vec()), 1 => any::<u8>()]
}

fn path() -> impl Strategy<Value = String> {
    vec(segment(), 1..5).prop_map(|segments| format!("/{}", segments.join("/")))
}

fn pattern() -> impl Strategy<Value = String> {
    let segment = prop_oneof![3 => segment(), 2 => Just("{x}".to_owned())];
    (
        vec(segment, 0..4),
        prop_oneof![Just(""), Just("/{*x}"), Just("/a")],
    )
        .prop_map(|(segments, end)| match (segments.join("/"), end) {
            (begun, "") => format!("/{begun}"),
            (begun, end) if begun.is_empty() => end.to_owned(),
            (begun, end) => format!("/{begun}{end}"),
        })
}

fn access() -> impl Strategy<Value = RouteAccess> {
    prop::sample::select(RouteAccess::ALL.to_vec())
}

/// Rules 1, 3 and 5 once more, told by recursion over both sequences and without any order of rows: the rank of
/// a match lists the kinds of its segments.
fn rank(pattern: &[&str], path: &[&str]) -> Option<Vec<u8>> {
    match (pattern, path) {
        ([], []) => Some(Vec::new()),
        (["{*x}"], path) if path.iter().any(|segment| !segment.is_empty()) => Some(vec![2]),
        ([wanted, pattern @ ..], [given, path @ ..]) => {
            let kind = match *wanted {
                "{x}" if !given.is_empty() => 1,
                literal if literal == *given => 0,
                _ => return None,
            };
            let mut rank = rank(pattern, path)?;
            rank.insert(0, kind);
            Some(rank)
        }
        _ => None,
    }
}

proptest! {
    #[test]
    fn the_table_is_the_rule(
        rows in vec((pattern(), access()), 0..8),
        path in path(),
    ) {
        let mut table = RouteTable::new();
        let mut kept: Vec<(String, RouteAccess)> = Vec::new();
        for (pattern, access) in rows {
            if let Ok(more) = table.clone().with(&pattern, access) {
                table = more;
                kept.push((pattern, access));
            } else {
                prop_assert!(kept.iter().any(|(known, _)| *known == pattern), "{}", pattern);
            }
        }
        let split = |text: &str| text.split('/').skip(1).map(str::to_owned).collect::<Vec<_>>();
        let decided = |path: &str| {
            let given = split(path);
            let given: Vec<&str> = given.iter().map(String::as_str).collect();
            kept.iter()
                .filter_map(|(pattern, access)| {
                    let wanted = split(pattern);
                    let wanted: Vec<&str> = wanted.iter().map(String::as_str).collect();
                    let opens = *access == Always && pattern.contains('{');
                    (!opens || !is_ambiguous(path))
                        .then(|| rank(&wanted, &given))
                        .flatten()
                        .map(|rank| (rank, *access))
                })
                .min_by(|(left, _), (right, _)| left.cmp(right))
                .map(|(_, access)| access)
        };
        let is_written = kept.iter().any(|(pattern, _)| *pattern == path);
        let widely = tidied(&path).and_then(|path| decided(&path));
        let expected = match widely {
            Some(StartsExecution) if !is_written => widely,
            _ => decided(&path),
        };
        prop_assert_eq!(table.access("GET", &path), expected, "{} in {:?}", path, kept);
    }

    /// So no second spelling of a path that a row keeps closed gets past that row.
    #[test]
    fn what_is_not_ambiguous_has_one_spelling(
        letters in vec((letter(), 0_u8..3, 0_u8..3), 0..6),
    ) {
        let spell = |how: fn(&(u8, u8, u8)) -> u8| {
            let letters = letters.iter().map(|letter| match (how(letter), letter.0) {
                (0, raw) if raw.is_ascii() => char::from(raw).to_string(),
                (1, byte) => format!("%{byte:02x}"),
                (_, byte) => format!("%{byte:02X}"),
            });
            format!("/{}", letters.collect::<String>())
        };
        let (one, other) = (spell(|letter| letter.1), spell(|letter| letter.2));
        prop_assert!(
            one == other || is_ambiguous(&one) || is_ambiguous(&other),
            "{} and {}", one, other
        );
    }

    #[test]
    fn a_literal_matches_exactly_itself(literal in path(), other in path()) {
        let table = RouteTable::new().with(&literal, Always).unwrap();
        prop_assert_eq!(table.access("GET", &literal), Some(Always));
        prop_assert_eq!(table.access("GET", &other).is_some(), other == literal);
    }

    #[test]
    fn nothing_panics(
        patterns in vec(any::<String>().prop_map(|text| format!("/{text}")), 0..4),
        method in any::<String>(),
        path in any::<String>(),
    ) {
        let mut table = RouteTable::new();
        for pattern in &patterns {
            table = table.clone().with(pattern, Always).unwrap_or(table);
            table = table
                .clone()
                .with_method(&method, pattern, Ordinary)
                .unwrap_or(table);
        }
        for path in patterns.iter().chain([&path]) {
            if let Some(access) = table.access(&method, path) {
                prop_assert!(table.has(access));
            }
        }
    }
}

#[test]
fn what_starts_executions_is_matched_in_every_spelling() {
    let table = RouteTable::new()
        .with("/jobs", StartsExecution)
        .and_then(|table| table.with("/jobs/", Ordinary))
        .and_then(|table| table.with_method("POST", "/imports/{kind}", StartsExecution))
        .and_then(|table| table.with("/health", Always))
        .and_then(|table| table.with("/{*rest}", Ordinary))
        .unwrap();
    let access = |method, path| table.access(method, path).unwrap();
    for path in [
        "/jobs",
        "//jobs",
        "/%6aobs",
        "/x/../jobs",
        "/jobs//",
        "/%2fjobs",
    ] {
        assert_eq!(access("POST", path), StartsExecution, "{path}");
    }
    for path in [
        "/imports/mail",
        "/imports//mail",
        "/imports/mail/",
        "/%69mports/mail",
    ] {
        assert_eq!(access("POST", path), StartsExecution, "{path}");
        assert_eq!(access("PUT", path), Ordinary, "{path}");
    }
    // What the operator wrote goes before what a framework might do.
    assert_eq!(access("POST", "/jobs/"), Ordinary);
    // What opens is matched as it was sent.
    for path in ["//health", "/health/", "/%68ealth", "/x/../health"] {
        assert_eq!(access("GET", path), Ordinary, "{path}");
    }
    assert_eq!(access("GET", "/health"), Always);
}
