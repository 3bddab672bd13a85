//! Finding something on a page, and using it.

use std::fmt;
use std::marker::PhantomData;

use fantoccini::elements;
use serde_json::{Value, json};

use super::Browser;

/// All elements that assistive technology is told of, as `{element, role, name}`.
const OUTLINE: &str = "
    const shown = element => element.checkVisibility({opacityProperty: true, visibilityProperty: true});
    const outline = () => [...document.querySelectorAll('body, body *')].filter(shown)
        .map(element => ({element, role: element.computedRole, name: element.computedName}))
        .filter(({role}) => role && !['none', 'generic', 'presentation'].includes(role));
";

/// Something on the page that was found. It may go when the page changes: find it anew then.
pub struct Element<'a> {
    _browser: PhantomData<&'a Browser>,
    element: elements::Element,
    /// What it was found by.
    what: String,
}

impl Browser {
    /// Finds what has this role and this name, as a screen reader announces it: `find("button", "Activate")`. A field's
    /// name is its label.
    ///
    /// # Panics
    ///
    /// For longer than [`PATIENCE`](crate::wait::PATIENCE) there is none, or more than one.
    pub async fn find(&self, role: &str, name: &str) -> Element<'_> {
        let what = format!("{role} `{name}`");
        let script = format!(
            "{OUTLINE}
            const found = outline().filter(({{role, name}}) => role === arguments[0] && name === arguments[1]);
            return found.length === 1 ? found[0].element : null;"
        );
        let arguments = vec![json!(role), json!(name)];
        let found = self
            .wait_for(&format!("there is one {what}"), &script, arguments)
            .await;
        self.element(&found, what)
    }

    /// How many things have this role and this name just now.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn count(&self, role: &str, name: &str) -> usize {
        let script = format!(
            "{OUTLINE}
            return outline().filter(({{role, name}}) => role === arguments[0] && name === arguments[1]).length;"
        );
        let count = self.execute(&script, vec![json!(role), json!(name)]).await;
        let count = count.as_u64().expect("a count");
        usize::try_from(count).expect("a small number")
    }

    /// The role and the name of what has the focus. The whole document has it if nothing else does.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn focused(&self) -> (String, String) {
        let script = "const focused = document.activeElement;
            return [focused.computedRole, focused.computedName];";
        let answer = self.execute(script, Vec::new()).await;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&answer[0]), text(&answer[1]))
    }

    /// Where it is.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn url(&self) -> String {
        let url = self.client.current_url().await.expect("a page has a URL");
        url.to_string()
    }

    /// The page as a screen reader would list it, a line for each thing: for messages of failed tests.
    ///
    /// # Panics
    ///
    /// The browser is gone.
    pub async fn outline(&self) -> String {
        let script = format!(
            "{OUTLINE} return outline().map(({{role, name}}) => `  ${{role}} \\`${{name}}\\``).join('\\n');"
        );
        let outline = self.execute(&script, Vec::new()).await;
        outline.as_str().unwrap_or_default().to_owned()
    }

    fn element(&self, found: &Value, what: String) -> Element<'_> {
        let id = found
            .as_object()
            .and_then(|found| found.values().next())
            .and_then(Value::as_str);
        let id = id.unwrap_or_else(|| panic!("not an element: {found}"));
        Element {
            _browser: PhantomData,
            element: elements::Element::from_element_id(self.client.clone(), id.to_owned().into()),
            what,
        }
    }
}

impl Element<'_> {
    /// Clicks on it: where it is seen, and nowhere else. Something in front of it is a failure.
    ///
    /// # Panics
    ///
    /// It cannot be clicked.
    pub async fn click(&self) {
        self.check("clicked", self.element.click().await);
    }

    /// Replaces what is in the field.
    ///
    /// # Panics
    ///
    /// Nothing can be typed there.
    pub async fn fill(&self, text: &str) {
        self.check("cleared", self.element.clear().await);
        self.type_text(text).await;
    }

    /// Types, after what is in the field already.
    ///
    /// # Panics
    ///
    /// Nothing can be typed there.
    pub async fn type_text(&self, text: &str) {
        self.check("typed into", self.element.send_keys(text).await);
    }

    /// Chooses from a list, by what can be read there.
    ///
    /// # Panics
    ///
    /// It is no list, or has nothing of that name.
    pub async fn choose(&self, label: &str) {
        self.check("chosen from", self.element.select_by_label(label).await);
    }

    /// What can be read in it.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn text(&self) -> String {
        self.check("read", self.element.text().await)
    }

    /// What is in the field.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn value(&self) -> String {
        let value = self.check("read", self.element.prop("value").await);
        value.unwrap_or_default()
    }

    /// An attribute.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn attribute(&self, name: &str) -> Option<String> {
        self.check("read", self.element.attr(name).await)
    }

    /// Whether it can be used.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn is_enabled(&self) -> bool {
        self.check("asked", self.element.is_enabled().await)
    }

    /// Whether it is ticked, or chosen.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn is_selected(&self) -> bool {
        self.check("asked", self.element.is_selected().await)
    }

    /// Width and height, in CSS pixels.
    ///
    /// # Panics
    ///
    /// It is gone.
    pub async fn size(&self) -> (f64, f64) {
        let (_, _, width, height) = self.check("measured", self.element.rectangle().await);
        (width, height)
    }

    fn check<T, E: fmt::Display>(&self, how: &str, result: Result<T, E>) -> T {
        result.unwrap_or_else(|error| panic!("{} cannot be {how}: {error}", self.what))
    }
}

impl fmt::Debug for Element<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Element").field(&self.what).finish()
    }
}
