//! What the cases are, in words.

/// What the cases of one framework have in common: the first word of their names. Those of the gate have none.
pub(super) const GROUPS: &[(&str, Option<&str>)] = &[
    ("The gate by itself", None),
    ("A function, called", Some("tower")),
    ("axum", Some("axum")),
    ("actix-web", Some("actix")),
    ("warp", Some("warp")),
    ("hyper, bytes to bytes", Some("hyper")),
];

/// The group of a case.
pub(super) fn group(name: &str) -> Option<&'static str> {
    let first = name.split('-').next();
    GROUPS
        .iter()
        .filter_map(|(_, prefix)| *prefix)
        .find(|prefix| first == Some(prefix))
}

const WORDS: &[(&str, &str)] = &[
    (
        "nothing",
        "the loop around each case, in none of the others",
    ),
    ("decide-off", "decide, mode off"),
    ("decide-refused", "decide, refused by the default rule"),
    ("decide-address-1", "decide, admitted by 1 listed network"),
    (
        "decide-address-100",
        "decide, admitted by 1 of 100 networks",
    ),
    (
        "decide-address-10000",
        "decide, admitted by 1 of 10,000 networks",
    ),
    (
        "decide-address-1000000",
        "decide, admitted by 1 of 1,000,000 networks",
    ),
    (
        "decide-scope-none-of-10000",
        "decide, of no scope, 10,000 closed",
    ),
    (
        "decide-scope-open-of-10000",
        "decide, of an open scope, 10,000 closed",
    ),
    (
        "decide-scope-refused-of-10000",
        "decide, refused by 1 of 10,000 scopes",
    ),
    ("admit-off", "admit and end a request, mode off"),
    ("admit-refused", "admit, refused"),
    (
        "admit-execution",
        "admit and end a request that starts an execution",
    ),
    ("execution", "begin and end an execution, mode off"),
    ("execution-refused", "begin an execution, refused"),
    ("bare", "hello"),
    ("bare-body", "hello, its body looked at until its end"),
    ("bare-layer", "hello, Router::layer that does nothing"),
    ("bare-scope", "hello in a scope"),
    ("off", "gate around all, mode off"),
    ("off-around", "layer around the service, mode off"),
    (
        "off-around-table",
        "layer around the service with a table, mode off",
    ),
    ("off-flags", "gate around all with flags, mode off"),
    ("off-layer", "Router::layer, mode off"),
    ("off-layer-table", "Router::layer with a table, mode off"),
    ("off-scope", "MaintenanceScope, mode off"),
    ("off-table", "gate around all with a table, mode off"),
    ("refused", "refused"),
    ("refused-around", "layer around the service, refused"),
];

/// What a case does. One without words is shown by its name.
pub(super) fn does(name: &str) -> &str {
    let case = match group(name) {
        None => name,
        Some(_) => name.split_once('-').map_or(name, |(_, case)| case),
    };
    let words = WORDS.iter().find(|(named, _)| *named == case);
    words.map_or(name, |(_, words)| words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_has_words() {
        for name in crate::cases::names() {
            assert_ne!(does(&name), name.as_str());
        }
    }
}
