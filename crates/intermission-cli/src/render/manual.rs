//! The man page: the command and all its verbs on one page.

use std::io;

use clap::Command;
use clap_mangen::Man;

use crate::args;
use crate::exit_code::ExitCode;

/// The page, in roff.
pub(crate) fn manual() -> io::Result<String> {
    let mut command = args::command().disable_help_subcommand(true).after_help(None).after_long_help(None);
    command.build();
    let man = Man::new(command.clone()).manual("Intermission");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    let mut page = text(page)?;
    for verb in command.get_subcommands() {
        page.push_str(&section(verb)?);
        for part in verb.get_subcommands() {
            page.push_str(&section(part)?);
        }
    }
    page.push_str(".SH \"EXIT STATUS\"\n");
    for code in ExitCode::ALL {
        page.push_str(&format!(".TP\n\\fB{}\\fR\n{}\n", code.number(), roff(code.meaning())));
    }
    Ok(page)
}

/// One verb as a section of the page: what would be the sections of a page of its own become its parts.
fn section(verb: &Command) -> io::Result<String> {
    // The options of every verb are said once, at the top.
    let own = verb.get_arguments().filter(|option| !option.is_global_set()).cloned().collect::<Vec<_>>();
    let has_options = own.iter().any(|option| option.get_id() != "help");
    let name = verb.get_bin_name().unwrap_or_else(|| verb.get_name()).to_owned();
    let mut alone = Command::new(name.clone()).bin_name(name.clone()).disable_help_flag(true).args(own);
    alone = alone.about(verb.get_about().cloned()).long_about(verb.get_long_about().cloned());
    alone = alone.after_help(verb.get_after_help().cloned());
    let _ = has_options;
    let man = Man::new(alone);
    let mut parts = Vec::new();
    man.render_synopsis_section(&mut parts)?;
    man.render_description_section(&mut parts)?;
    man.render_options_section(&mut parts)?;
    man.render_extra_section(&mut parts)?;
    Ok(text(parts)?)
}

fn text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(io::Error::other)
}

/// A text whose hyphens stay hyphens when they are copied.
fn roff(text: &str) -> String {
    text.replace('-', "\\-")
}
