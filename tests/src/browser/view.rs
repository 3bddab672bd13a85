//! How a page is looked at.

use std::fmt;

use serde_json::{Value, json};

/// The size of the window, and the preferred colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct View {
    /// In CSS pixels.
    pub width: u32,
    /// In CSS pixels.
    pub height: u32,
    /// Whether dark colours are preferred.
    pub dark: bool,
}

impl View {
    /// A window on a desk.
    pub const WIDE: Self = Self {
        width: 1280,
        height: 900,
        dark: false,
    };

    /// A phone.
    pub const NARROW: Self = Self {
        width: 360,
        height: 740,
        dark: false,
    };

    /// Both, each in light and dark colours.
    pub const ALL: [Self; 4] = [
        Self::WIDE,
        Self::WIDE.in_the_dark(),
        Self::NARROW,
        Self::NARROW.in_the_dark(),
    ];

    /// The same for somebody who prefers dark colours.
    #[must_use]
    pub const fn in_the_dark(self) -> Self {
        Self { dark: true, ..self }
    }

    /// The commands of the DevTools protocol that make a page look so.
    pub(super) fn emulation(self) -> [(&'static str, Value); 2] {
        let colours = if self.dark { "dark" } else { "light" };
        [
            (
                "Emulation.setDeviceMetricsOverride",
                json!({
                    "width": self.width,
                    "height": self.height,
                    "deviceScaleFactor": 1,
                    // With what a phone does: it heeds the page's viewport, and scrollbars take no room.
                    "mobile": self.width < 600,
                }),
            ),
            (
                "Emulation.setEmulatedMedia",
                json!({"features": [{"name": "prefers-color-scheme", "value": colours}]}),
            ),
        ]
    }
}

/// `wide`, `narrow` or the width, and `-dark`: for the names of pictures.
impl fmt::Display for View {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.width, self.height) {
            (1280, 900) => f.write_str("wide")?,
            (360, 740) => f.write_str("narrow")?,
            (width, _) => write!(f, "{width}")?,
        }
        f.write_str(if self.dark { "-dark" } else { "-light" })
    }
}
