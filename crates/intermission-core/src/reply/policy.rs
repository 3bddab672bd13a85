//! What the application sets once about its refusals.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use super::vendor::{VendorFormat, VendorFormats};
use super::{Marker, Notice, PageTemplate};

/// How an application refuses: what does not change from one activation to the next.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use intermission_core::reply::{RefusalStatus, ReplyPolicy};
///
/// let policy = ReplyPolicy::default()
///     .with_site("Harbour Library")
///     .with_retry_after(Duration::from_secs(120))
///     .with_jitter(Duration::ZERO..=Duration::from_secs(30));
/// assert_eq!(policy.status(), RefusalStatus::SERVICE_UNAVAILABLE);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReplyPolicy {
    status: RefusalStatus,
    retry_after: Duration,
    jitter: Option<RangeInclusive<Duration>>,
    site: String,
    default_message: Option<String>,
    heading: String,
    until_label: String,
    language: String,
    page: PageTemplate,
    vendor_formats: VendorFormats,
}

impl Default for ReplyPolicy {
    /// 503, five minutes, no jitter, an unnamed site, English, and the built-in page.
    fn default() -> Self {
        Self {
            status: RefusalStatus::default(),
            retry_after: Duration::from_secs(300),
            jitter: None,
            site: String::new(),
            default_message: None,
            heading: "Under maintenance".to_owned(),
            until_label: "Expected back".to_owned(),
            language: "en".to_owned(),
            page: PageTemplate::default(),
            vendor_formats: VendorFormats::default(),
        }
    }
}

impl ReplyPolicy {
    /// The HTTP status of a refusal; 503 by default.
    ///
    /// Some load balancers take a node that answers 503 out of service, which is why there is a choice. A 200 has a
    /// price: crawlers index the notice, and the sender of a webhook believes that it was delivered.
    #[must_use]
    pub fn with_status(mut self, status: RefusalStatus) -> Self {
        self.status = status;
        self
    }

    /// The `Retry-After` of an activation that announces neither an end nor a value of its own; five minutes by
    /// default. Rounded up to whole seconds, and at least one.
    #[must_use]
    pub fn with_retry_after(mut self, retry_after: Duration) -> Self {
        self.retry_after = retry_after;
        self
    }

    /// Adds a different number of whole seconds out of that range to each `Retry-After`, so that not everybody
    /// comes back in the same second. The ends may come in either order. None by default; Drupal picks its whole
    /// `Retry-After` out of a range instead, which may send visitors back before the announced end.
    #[must_use]
    pub fn with_jitter(mut self, jitter: impl Into<Option<RangeInclusive<Duration>>>) -> Self {
        self.jitter = jitter.into();
        self
    }

    /// The name of the site, for the page's title and the default message. Without one, that is "This site".
    #[must_use]
    pub fn with_site(mut self, site: impl Into<String>) -> Self {
        self.site = site.into();
        self
    }

    /// What to say where the operator said nothing. By default, in Drupal's words: "… is currently under
    /// maintenance. We should be back shortly. Thank you for your patience."
    #[must_use]
    pub fn with_default_message(mut self, message: impl Into<String>) -> Self {
        self.default_message = Some(message.into());
        self
    }

    /// The headline of the built-in page; "Under maintenance" by default.
    #[must_use]
    pub fn with_heading(mut self, heading: impl Into<String>) -> Self {
        self.heading = heading.into();
        self
    }

    /// The words before the announced end on the built-in page and in the text; "Expected back" by default.
    #[must_use]
    pub fn with_until_label(mut self, label: impl Into<String>) -> Self {
        self.until_label = label.into();
        self
    }

    /// The language (as in BCP 47) that the built-in page declares, so that screen readers pronounce it right;
    /// `en` by default. The words do not change by it: set the heading, the label and the default message too. How the
    /// announced end is written does, where the browser runs the page's script.
    ///
    /// There is no `Content-Language` header: nobody can promise which language the operator writes in.
    #[must_use]
    pub fn with_language(mut self, language: impl Into<String>) -> Self {
        self.language = language.into();
        self
    }

    /// The page; the built-in one by default.
    ///
    /// If your own fails to load, keep this one: a broken template must not cost visitors the notice.
    #[must_use]
    pub fn with_page(mut self, page: PageTemplate) -> Self {
        self.page = page;
        self
    }

    /// Another format of refusals, for the paths of an API whose clients know one already. Of several that are for the same
    /// path, the first counts. None by default.
    #[must_use]
    pub fn with_vendor_format(mut self, format: impl VendorFormat) -> Self {
        self.vendor_formats.add(format);
        self
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub const fn status(&self) -> RefusalStatus {
        self.status
    }

    /// The `Retry-After` where the activation says nothing.
    #[must_use]
    pub const fn retry_after(&self) -> Duration {
        self.retry_after
    }

    /// What is added to each `Retry-After`.
    #[must_use]
    pub const fn jitter(&self) -> Option<&RangeInclusive<Duration>> {
        self.jitter.as_ref()
    }

    /// The name of the site, or "This site".
    #[must_use]
    pub fn site(&self) -> &str {
        self.own_site().unwrap_or("This site")
    }

    /// The headline of the built-in page.
    #[must_use]
    pub fn heading(&self) -> &str {
        &self.heading
    }

    /// The words before the announced end.
    #[must_use]
    pub fn until_label(&self) -> &str {
        &self.until_label
    }

    /// The language that the built-in page declares.
    #[must_use]
    pub fn language(&self) -> &str {
        &self.language
    }

    /// The page.
    #[must_use]
    pub const fn page(&self) -> &PageTemplate {
        &self.page
    }

    pub(super) const fn vendor_formats(&self) -> &VendorFormats {
        &self.vendor_formats
    }

    /// The site's name, if it was given one.
    pub(super) fn own_site(&self) -> Option<&str> {
        given(&self.site)
    }

    /// What to say: the operator's words, else the application's, else ours.
    pub(super) fn message_for<'a>(&'a self, notice: &Notice<'a>) -> Cow<'a, str> {
        let said = notice
            .message()
            .and_then(given)
            .or_else(|| self.default_message.as_deref().and_then(given));
        if let Some(message) = said {
            return Cow::Borrowed(message);
        }
        let site = self.site();
        Cow::Owned(match notice.marker() {
            Marker::Activated | Marker::Activating => format!(
                "{site} is currently under maintenance. We should be back shortly. Thank you for your patience."
            ),
            Marker::ReadOnly => format!(
                "{site} is currently under maintenance and can only be read. \
                 Changes should be possible again shortly. Thank you for your patience."
            ),
        })
    }
}

/// The text, unless it is blank.
fn given(text: &str) -> Option<&str> {
    (!text.trim().is_empty()).then_some(text)
}

/// The HTTP status of a refusal: 200 to 599.
///
/// # Examples
///
/// ```
/// use intermission_core::reply::RefusalStatus;
///
/// assert_eq!(RefusalStatus::default().as_u16(), 503);
/// assert_eq!(RefusalStatus::new(200)?.as_u16(), 200);
/// assert!(RefusalStatus::new(101).is_err());
/// # Ok::<(), intermission_core::reply::BadStatus>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RefusalStatus(u16);

impl RefusalStatus {
    /// 503, which tells crawlers, load balancers and senders of webhooks to come back.
    pub const SERVICE_UNAVAILABLE: Self = Self(503);

    /// That status.
    ///
    /// 204, 205 and 304 have no content: such a refusal has its headers and no body.
    ///
    /// # Errors
    ///
    /// [`BadStatus`] outside of 200 to 599.
    pub const fn new(status: u16) -> Result<Self, BadStatus> {
        if matches!(status, 200..=599) {
            Ok(Self(status))
        } else {
            Err(BadStatus { status })
        }
    }

    /// The number.
    #[must_use]
    pub const fn as_u16(self) -> u16 {
        self.0
    }

    /// Whether HTTP knows a body for this status.
    pub(super) const fn allows_content(self) -> bool {
        !matches!(self.0, 204 | 205 | 304)
    }
}

impl Default for RefusalStatus {
    fn default() -> Self {
        Self::SERVICE_UNAVAILABLE
    }
}

impl TryFrom<u16> for RefusalStatus {
    type Error = BadStatus;

    fn try_from(status: u16) -> Result<Self, Self::Error> {
        Self::new(status)
    }
}

impl fmt::Display for RefusalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A number that is no final HTTP status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{status} is not a status for a refusal: choose one from 200 to 599")]
pub struct BadStatus {
    status: u16,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_final_statuses_can_be_built() {
        for status in [0, 100, 199, 600, u16::MAX] {
            let error = RefusalStatus::new(status).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("{status} is not a status for a refusal: choose one from 200 to 599")
            );
        }
        for status in 200..=599 {
            assert_eq!(RefusalStatus::try_from(status).unwrap().as_u16(), status);
        }
    }

    #[test]
    fn the_message_is_the_operators_then_the_applications_then_ours() {
        let policy = ReplyPolicy::default().with_default_message("the application's");
        let notice = Notice::new(Marker::Activated);
        assert_eq!(
            policy.message_for(&notice.with_message("the operator's")),
            "the operator's"
        );
        assert_eq!(
            policy.message_for(&notice.with_message(" \n")),
            "the application's"
        );
        assert_eq!(
            ReplyPolicy::default().message_for(&notice),
            "This site is currently under maintenance. We should be back shortly. Thank you for your patience."
        );
        assert_eq!(
            ReplyPolicy::default()
                .with_site("Harbour Library")
                .message_for(&Notice::new(Marker::ReadOnly)),
            "Harbour Library is currently under maintenance and can only be read. \
             Changes should be possible again shortly. Thank you for your patience."
        );
    }
}
