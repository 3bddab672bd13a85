//! Where the command writes: data for programs and people on one stream, everything else on the other.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use anstream::{AutoStream, ColorChoice};
use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};

use crate::failure::{Failure, Told};
use crate::render::text::printable;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();

/// The two streams of the command: *data* (stdout) and *notes* (stderr).
///
/// What is asked for goes to the data stream, and nothing else does, so that a script can read it. Colours are used
/// only on a terminal that wants them, and never carry meaning.
///
/// ```
/// use intermission_cli::{Environment, ExitCode, Output, run};
///
/// let (mut data, mut notes) = (Vec::new(), Vec::new());
/// let code = run(["intermission", "frobnicate"], &Environment::default(), &mut Output::new(&mut data, &mut notes));
/// assert_eq!(code, ExitCode::Usage);
/// assert!(data.is_empty());
/// assert!(String::from_utf8_lossy(&notes).contains("unrecognized subcommand 'frobnicate'"));
/// ```
pub struct Output<'a> {
    data: Box<dyn Write + 'a>,
    notes: Box<dyn Write + 'a>,
    data_is_coloured: bool,
    notes_are_coloured: bool,
    shows_progress: bool,
}

impl<'a> Output<'a> {
    /// Two streams without colours and without a progress line.
    #[must_use]
    pub fn new(data: impl Write + 'a, notes: impl Write + 'a) -> Self {
        Self {
            data: Box::new(data),
            notes: Box::new(notes),
            data_is_coloured: false,
            notes_are_coloured: false,
            shows_progress: false,
        }
    }

    /// Standard output and standard error of this process. Colours follow the terminal, `NO_COLOR` and its
    /// relatives.
    #[must_use]
    pub fn of_process() -> Output<'static> {
        let (data, notes) = (io::stdout(), io::stderr());
        Output {
            data_is_coloured: AutoStream::choice(&data) != ColorChoice::Never,
            notes_are_coloured: AutoStream::choice(&notes) != ColorChoice::Never,
            shows_progress: notes.is_terminal(),
            data: Box::new(data),
            notes: Box::new(notes),
        }
    }

    pub(crate) const fn without_colours(&mut self) {
        self.data_is_coloured = false;
        self.notes_are_coloured = false;
    }

    pub(crate) const fn data_is_coloured(&self) -> bool {
        self.data_is_coloured
    }

    pub(crate) const fn notes_are_coloured(&self) -> bool {
        self.notes_are_coloured
    }

    /// Writes data as it is.
    pub(crate) fn data(&mut self, data: &[u8]) -> Result<(), Failure> {
        self.data.write_all(data)?;
        Ok(self.data.flush()?)
    }

    /// Writes one line of data.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        self.data(format!("{line}\n").as_bytes())
    }

    /// Writes one JSON object on a line of its own.
    pub(crate) fn json(&mut self, object: &impl serde::Serialize) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(object).map_err(io::Error::from)?;
        line.push(b'\n');
        self.data(&line)
    }

    /// Writes a text to the notes as it is.
    pub(crate) fn raw_note(&mut self, text: &str) -> Result<(), Failure> {
        self.notes.write_all(text.as_bytes())?;
        Ok(self.notes.flush()?)
    }

    /// Says something to the person at the terminal, on one line.
    pub(crate) fn note(&mut self, line: &str) -> Result<(), Failure> {
        self.raw_note(&format!("{}\n", printable(line)))
    }

    pub(crate) fn warning(&mut self, line: &str) -> Result<(), Failure> {
        let label = self.label(WARNING, "warning:");
        self.raw_note(&format!("{label} {}\n", printable(line)))
    }

    pub(crate) fn hint(&mut self, line: &str) -> Result<(), Failure> {
        let label = self.label(HINT, "hint:");
        self.raw_note(&format!("{label} {}\n", printable(line)))
    }

    pub(crate) fn told(&mut self, told: &Told) -> Result<(), Failure> {
        let label = self.label(ERROR, "error:");
        self.raw_note(&format!("{label} {}\n", printable(&told.message)))?;
        told.hint.iter().try_for_each(|hint| self.hint(hint))
    }

    /// A line that is written over again and again; invisible unless the notes go to a terminal.
    pub(crate) fn progress(&self) -> ProgressBar {
        if !self.shows_progress {
            return ProgressBar::hidden();
        }
        // The template is a constant with known keys. Should indicatif ever refuse it, its own line does, too.
        let style = ProgressStyle::with_template("{wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        ProgressBar::new_spinner().with_style(style)
    }

    fn label(&self, style: Style, label: &str) -> String {
        painted(self.notes_are_coloured, style, label)
    }
}

impl fmt::Debug for Output<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output")
            .field("shows_progress", &self.shows_progress)
            .finish_non_exhaustive()
    }
}

/// The text in a style, or as it is.
pub(crate) fn painted(coloured: bool, style: Style, text: &str) -> String {
    if coloured {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}
