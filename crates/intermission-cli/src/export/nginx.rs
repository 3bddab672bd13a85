//! For nginx: maps for its `http` block, and the rest for a `server` block.

use super::{Forms, HTML, HTML_TYPE, JSON, JSON_TYPE, MARK, TEXT, accepts, content_type, headers};

/// An address that visitors cannot ask for: the location is internal.
const LOCATION: &str = "/.intermission-export/";

pub(super) fn of_http(forms: &Forms) -> String {
    let mut text = format!(
        "{MARK}\n# For the `http` block.\n\
         map $http_accept $intermission_file {{\n    default {TEXT};\n    \"~*{}\" {HTML};\n    \
         \"~*{}\" {JSON};\n}}\n",
        accepts(HTML_TYPE),
        accepts(JSON_TYPE),
    );
    let values = || headers(&forms.text).into_iter().chain(special(forms));
    if values().any(|(_, value)| value.contains('$')) {
        // A `$` begins a variable wherever one may stand, and has no escape. Here none may stand.
        text.extend([format!("geo ${DOLLAR} {{\n    default \"$\";\n}}\n")]);
    }
    let stays = headers(&forms.page_that_stays);
    for header in special(forms) {
        // `$request_method` is GET by then, whatever the visitor sent; `$request` is not touched.
        let methods = if stays.contains(&header) {
            ""
        } else {
            "(GET|HEAD) "
        };
        let (name, value) = header;
        text.extend([format!(
            "map \"$intermission_file $request\" ${} {{\n    default \"\";\n    \"~^{} {methods}\" \"{}\";\n}}\n",
            variable(name),
            HTML.replace('.', "\\."),
            quoted(&value),
        )]);
    }
    text
}

pub(super) fn of_server(forms: &Forms, directory: &str) -> String {
    let mut text = format!(
        "{MARK}\n# For the `server` block; nginx-http.conf belongs into the `http` block.\n\
         # The application's own answers pass, its own 503 included.\n\
         proxy_intercept_errors off;\n\
         error_page 502 504 =503 {LOCATION}$intermission_file;\n\
         location ^~ {LOCATION} {{\n    internal;\n    alias \"{directory}/\";\n    types {{\n"
    );
    for (reply, ending) in [
        (&forms.page, "html"),
        (&forms.problem, "json"),
        (&forms.text, "txt"),
    ] {
        text.extend([format!(
            "        \"{}\" {ending};\n",
            quoted(&content_type(reply))
        )]);
    }
    text.push_str("    }\n    etag off;\n    add_header last-modified \"\";\n");
    for (name, value) in headers(&forms.text) {
        text.extend([format!(
            "    add_header {name} \"{}\" always;\n",
            quoted(&value)
        )]);
    }
    // nginx leaves a header away whose value is empty.
    for (name, _) in special(forms) {
        text.extend([format!(
            "    add_header {name} ${} always;\n",
            variable(name)
        )]);
    }
    text.push_str("}\n");
    text
}

/// What the page alone is sent with.
fn special(forms: &Forms) -> Vec<(&'static str, String)> {
    let common = headers(&forms.text);
    let mut special = headers(&forms.page);
    special.retain(|header| !common.contains(header));
    special
}

fn variable(name: &str) -> String {
    format!("intermission_{}", name.replace('-', "_"))
}

/// The variable that holds a `$`.
const DOLLAR: &str = "intermission_dollar";

/// A header's value, which is visible ASCII, where nginx expands variables.
fn quoted(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('$', &format!("${{{DOLLAR}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dollar_is_no_variable() {
        assert_eq!(
            quoted(r#"a $5 "note" \ more"#),
            r#"a ${intermission_dollar}5 \"note\" \\ more"#
        );
    }
}
