//! The man page: the command and all its verbs on one page.

use std::fmt::Write as _;
use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::args;
use crate::exit_code::ExitCode;

const ENVIRONMENT: &str = "\
.SH ENVIRONMENT
.TP
\\fBINTERMISSION_STATE\\fR
The state, unless \\-\\-state names one
.TP
\\fBINTERMISSION_USER\\fR
Who asks, unless \\-\\-requested\\-by says so
.TP
\\fBNO_COLOR\\fR
If it is set and not empty, nothing is coloured
";

/// The page, in roff.
pub(crate) fn manual() -> io::Result<String> {
    let mut command = args::command().disable_help_subcommand(true);
    command.build();
    let man = Man::new(command.clone()).manual("Intermission");
    let mut head = Vec::new();
    man.render_title(&mut head)?;
    man.render_name_section(&mut head)?;
    man.render_synopsis_section(&mut head)?;
    man.render_description_section(&mut head)?;
    man.render_options_section(&mut head)?;
    let mut page = text(head)?;
    for verb in command.get_subcommands() {
        page.push_str(&section(verb)?);
        for part in verb.get_subcommands() {
            page.push_str(&section(part)?);
        }
    }
    page.push_str(&listing(args::STATES, "SH"));
    page.push_str(ENVIRONMENT);
    page.push_str(&examples(&command, "SH"));
    page.push_str(".SH \"EXIT STATUS\"\n");
    for code in ExitCode::ALL {
        // Writing into a `String` cannot fail.
        let _ = write!(
            page,
            ".TP\n\\fB{}\\fR\n{}\n",
            code.number(),
            roff(code.meaning())
        );
    }
    let _ = write!(
        page,
        ".TP\n\\fBany other\\fR\n{}\n",
        roff(ExitCode::Child(0).meaning())
    );
    Ok(page)
}

/// One verb as a section of the page: what would be the sections of a page of its own become its parts.
fn section(verb: &Command) -> io::Result<String> {
    // The options of every verb are said once, at the top.
    let verb = verb.clone().mut_args(|arg| {
        let is_said_already =
            arg.is_global_set() || arg.get_id() == "help" || arg.get_id() == "version";
        arg.hide(is_said_already)
    });
    let name = verb
        .get_bin_name()
        .unwrap_or_else(|| verb.get_name())
        .to_uppercase();
    let examples = examples(&verb, "SS");
    let man = Man::new(verb);
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    let parts = format!("\n{}", text(parts)?).replace("\n.SH ", "\n.SS ");
    Ok(format!(".SH \"{}\"{parts}{examples}", roff(&name)))
}

/// The examples of a verb's help, line by line.
fn examples(verb: &Command, heading: &str) -> String {
    let Some(help) = verb.get_after_help() else {
        return String::new();
    };
    listing(&help.to_string(), heading)
}

/// A text whose first line is its title, line by line.
fn listing(text: &str, heading: &str) -> String {
    let mut lines = text.lines();
    let title = lines
        .next()
        .unwrap_or_default()
        .trim_end_matches(':')
        .to_uppercase();
    let lines: String = lines
        .map(|line| format!("{}\n", roff(line.trim_start())))
        .collect();
    format!(".{heading} {}\n.nf\n{lines}.fi\n", roff(&title))
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// A text that roff shows as it is. None of ours begins with one of roff's control characters.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e")
        .replace('-', "\\-")
        .replace('\'', "\\(aq")
}
