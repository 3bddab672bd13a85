//! The style and the script in the page, and the policy that allows these two and nothing else.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

static STYLE: LazyLock<String> = LazyLock::new(|| {
    normalized(concat!(
        include_str!("style/base.css"),
        include_str!("style/state.css"),
        include_str!("style/forms.css"),
        include_str!("style/lists.css"),
    ))
});

static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    normalized(concat!(
        "\"use strict\";\n(() => {\n",
        include_str!("script/time.js"),
        include_str!("script/morph.js"),
        include_str!("script/follow.js"),
        include_str!("script/problem.js"),
        include_str!("script/send.js"),
        include_str!("script/confirm.js"),
        include_str!("script/words.js"),
        include_str!("script/switch.js"),
        include_str!("script/access.js"),
        include_str!("script/scopes.js"),
        include_str!("script/explain.js"),
        include_str!("script/start.js"),
        "})();\n",
    ))
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; img-src data:; form-action 'none'; \
         base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
        hash(&STYLE),
        hash(&SCRIPT)
    )
});

static BUILD: LazyLock<String> = LazyLock::new(|| hash(&format!("{}{}", *STYLE, *SCRIPT)));

/// What is between `<style>` and `</style>`.
pub(super) fn style() -> &'static str {
    &STYLE
}

/// What is between `<script>` and `</script>`.
pub(super) fn script() -> &'static str {
    &SCRIPT
}

/// The page's `Content-Security-Policy`. No text becomes markup or script in it, whatever the script does: Trusted Types
/// are required, and none exist.
pub(super) fn policy() -> &'static str {
    &POLICY
}

/// Names this style and this script, so that a page that was loaded before an upgrade notices.
pub(super) fn build() -> &'static str {
    &BUILD
}

/// The line breaks of a browser, which hashes what it reads: whatever an editor or a checkout made of the files.
fn normalized(text: &str) -> String {
    text.replace("\r\n", "\n")
}

fn hash(content: &str) -> String {
    STANDARD.encode(Sha256::digest(content))
}
