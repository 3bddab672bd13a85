//! For Caddy: a part of a site's block.

use super::{Forms, HTML, HTML_TYPE, JSON, JSON_TYPE, MARK, TEXT, accepts, content_type, headers};

pub(super) fn snippet(forms: &Forms, directory: &str) -> String {
    let mut text = format!(
        "{MARK}\n# For the block of a site: import \"{directory}/Caddyfile\"\n\
         handle_errors {{\n\
         \x20   @intermission expression `{{http.error.status_code}} in [502, 504]`\n\
         \x20   route @intermission {{\n\
         \x20       @html header_regexp Accept `(?i){}`\n\
         \x20       @json header_regexp Accept `(?i){}`\n\
         \x20       @reload method GET HEAD\n\
         \x20       @stay not method GET HEAD\n\
         \x20       request_header -If-None-Match\n\
         \x20       request_header -If-Modified-Since\n\
         \x20       request_header -If-Unmodified-Since\n\
         \x20       request_header -If-Match\n\
         \x20       request_header -Range\n\
         \x20       root * \"{directory}\"\n",
        accepts(HTML_TYPE),
        accepts(JSON_TYPE),
    );
    for (matcher, file, repeatable, other) in [
        ("@html", HTML, &forms.page, &forms.page_that_stays),
        ("@json", JSON, &forms.problem, &forms.problem),
        ("", TEXT, &forms.text, &forms.text),
    ] {
        text.extend([format!(
            "        handle {matcher}{}{{\n            rewrite * /{file}\n            header content-type \"{}\"\n",
            if matcher.is_empty() { "" } else { " " },
            content_type(repeatable),
        )]);
        let always = headers(other);
        for header in headers(repeatable) {
            let matcher = if always.contains(&header) {
                ""
            } else {
                "@reload "
            };
            let (name, value) = header;
            text.extend([format!(
                "            header {matcher}{name} \"{}\"\n",
                value.replace('"', "\\\"")
            )]);
        }
        // The file server answers no other method than these.
        text.push_str(
            "            method @stay GET\n            file_server {\n                status 503\n            }\n        }\n",
        );
    }
    text.push_str("    }\n}\n");
    text
}
