//! Fields of a JSON object, taken out one by one; what is wrong with any of them is kept until the end.

use serde_json::{Map, Value};

use crate::problem::{FieldError, Problem};

/// The object that a body is.
///
/// # Errors
///
/// It is no JSON, or no object.
pub(crate) fn object(body: &[u8]) -> Result<Fields, Problem<'static>> {
    match serde_json::from_slice(body) {
        Ok(Value::Object(object)) => Ok(Fields::from(object)),
        Ok(_) => Err(Problem::new(
            422,
            "the body is no JSON object: send `{}` or one with the documented fields",
        )),
        Err(error) => Err(Problem::new(400, format!("the body is no JSON: {error}"))),
    }
}

/// See the [module's documentation](self).
#[derive(Debug)]
pub(crate) struct Fields {
    object: Map<String, Value>,
    errors: Vec<FieldError>,
}

impl Fields {
    pub(crate) fn is_absent(&self, name: &str) -> bool {
        self.object.get(name).is_none_or(Value::is_null)
    }

    /// Whether nothing was said against a field so far.
    pub(crate) fn is_fine(&self, name: &str) -> bool {
        self.errors.iter().all(|error| error.field != name)
    }

    /// Takes over what is wrong with an object within this one.
    pub(crate) fn adopt(&mut self, name: &str, mut inner: Self, known: &[&str]) {
        inner.refuse_the_rest(known);
        for error in inner.errors {
            self.bad(format!("{name}.{}", error.field), error.problem);
        }
    }

    /// Whether a field is there, and says `null`: for what can be taken back.
    pub(crate) fn is_withdrawn(&self, name: &str) -> bool {
        self.object.get(name).is_some_and(Value::is_null)
    }

    /// A field, or `None` if it is absent or `null`.
    pub(crate) fn take(&mut self, name: &str) -> Option<Value> {
        self.object.remove(name).filter(|value| !value.is_null())
    }

    pub(crate) fn bad(&mut self, field: impl Into<String>, problem: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.into(),
            problem: problem.into(),
        });
    }

    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        match self.take(name)? {
            Value::String(text) => Some(text),
            other => self.is_no(name, &other, "a text"),
        }
    }

    pub(crate) fn truth(&mut self, name: &str) -> Option<bool> {
        match self.take(name)? {
            Value::Bool(truth) => Some(truth),
            other => self.is_no(name, &other, "true or false"),
        }
    }

    /// Whole seconds, within what a maintenance may take.
    pub(crate) fn seconds(&mut self, name: &str, least: u64) -> Option<std::time::Duration> {
        let value = self.take(name)?;
        // A whole number may be written as `60.0`, which JSON does not tell from `60`.
        let seconds = value.as_u64().or_else(|| whole(value.as_f64()?));
        match seconds {
            Some(seconds) if (least..=A_YEAR).contains(&seconds) => {
                Some(std::time::Duration::from_secs(seconds))
            }
            _ => {
                let what = format!("a whole number of seconds from {least} to {A_YEAR}");
                self.is_no(name, &value, &what)
            }
        }
    }

    /// A text that something reads.
    pub(crate) fn parsed<T, E: std::fmt::Display>(
        &mut self,
        name: &str,
        parse: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        let text = self.text(name)?;
        match parse(&text) {
            Ok(value) => Some(value),
            Err(error) => {
                self.bad(name, error.to_string());
                None
            }
        }
    }

    pub(crate) fn is_no<T>(&mut self, name: &str, value: &Value, what: &str) -> Option<T> {
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::String(_) => "a text",
            Value::Array(_) => "a list",
            Value::Object(_) => "an object",
        };
        let is_of_that_kind = what.contains("number") && value.is_number();
        let problem = if is_of_that_kind {
            format!("{value} is not {what}")
        } else {
            format!("must be {what}, and is {found}")
        };
        self.bad(name, problem);
        None
    }

    /// The value, unless a field was bad or is not known.
    pub(crate) fn finish<T>(mut self, known: &[&str], value: T) -> Result<T, Problem<'static>> {
        self.refuse_the_rest(known);
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(Problem::fields(self.errors))
        }
    }

    /// What is left is not known: a misspelt field must not be taken for one that was not sent.
    fn refuse_the_rest(&mut self, known: &[&str]) {
        let unknown: Vec<String> = self.object.keys().cloned().collect();
        for name in unknown {
            let known = known.join(", ");
            let problem = if known.is_empty() {
                "there is no such field: send `{}`".to_owned()
            } else {
                format!("there is no such field: there are {known}")
            };
            self.bad(name, problem);
        }
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(object: Map<String, Value>) -> Self {
        Self {
            object,
            errors: Vec::new(),
        }
    }
}

/// The longest time that may be asked for, in seconds.
const A_YEAR: u64 = 365 * 24 * 60 * 60;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked to be a small whole number"
)]
fn whole(number: f64) -> Option<u64> {
    let is_whole = number.fract() == 0.0 && (0.0..1e12).contains(&number);
    is_whole.then_some(number as u64)
}
