//! What refused visitors get: the same in each example.

use std::path::Path;

use anyhow::{Context, Result};
use intermission::reply::{PageTemplate, ReplyPolicy};
use intermission_admin::cloudify::Refusals;

/// The built-in page or the application's own, and Cloudify's errors for Cloudify's clients.
pub(crate) fn policy(site: Option<&str>, page: Option<&Path>) -> ReplyPolicy {
    let mut policy = ReplyPolicy::default().with_vendor_format(Refusals::default());
    if let Some(site) = site {
        policy = policy.with_site(site);
    }
    match page.map(template).transpose() {
        Ok(None) => policy,
        Ok(Some(page)) => policy.with_page(page),
        Err(error) => {
            warn(&error);
            policy
        }
    }
}

fn template(file: &Path) -> Result<PageTemplate> {
    let text = std::fs::read_to_string(file);
    let text = text.with_context(|| format!("cannot read {}", file.display()))?;
    PageTemplate::parse(&text).with_context(|| format!("{} is no page", file.display()))
}

/// A broken page must not cost visitors the notice, so the built-in one is served meanwhile.
#[expect(clippy::print_stderr, reason = "an example has no log")]
fn warn(error: &anyhow::Error) {
    eprintln!("error: {error:#}; visitors get the built-in page until it is mended");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_page_is_one_and_a_broken_one_costs_nobody_the_notice() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/page.html");
        let own = policy(Some("Harbour Library"), Some(Path::new(page)));
        assert!(
            own.page()
                .source()
                .is_some_and(|html| html.contains("{{message}}"))
        );
        for broken in ["/nonexistent/page.html", env!("CARGO_MANIFEST_DIR")] {
            let policy = policy(None, Some(Path::new(broken)));
            assert_eq!(policy.page().source(), None);
        }
    }
}
