//! How the story looks.

use std::io::IsTerminal as _;
use std::net::SocketAddr;

use super::http::{Request, Response};
use super::process::Finished;
use crate::workspace::quoted;

/// The headers that tell something, in the order in which they are shown.
const TELLING: &[&str] = &[
    "Content-Type",
    "Retry-After",
    "Cache-Control",
    "Vary",
    "Maintenance-Mode",
    "Maintenance-Scheduled",
    "Location",
];

/// How much of a body's first line is shown.
const WIDEST: usize = 200;

/// Where the story is told, and who counts what went wrong in it.
pub(super) struct Screen {
    colour: bool,
    step: usize,
    good: usize,
    bad: Vec<String>,
}

impl Screen {
    /// Colours only for eyes: on a terminal, unless `NO_COLOR` says otherwise. They never mean anything.
    pub(super) fn new() -> Self {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: std::io::stdout().is_terminal() && !unwanted,
            step: 0,
            good: 0,
            bad: Vec::new(),
        }
    }

    pub(super) fn heading(&self, text: &str) {
        println!(
            "{}\n{}",
            self.painted("1", text),
            "=".repeat(text.chars().count())
        );
    }

    /// Begins the next step.
    pub(super) fn step(&mut self, title: &str) {
        self.step += 1;
        println!(
            "\n{}",
            self.painted("1", &format!("{}. {title}", self.step))
        );
    }

    /// Words of the narrator.
    pub(super) fn say(&self, text: &str) {
        for line in text.lines() {
            println!("   {line}");
        }
    }

    /// A line as it would be typed.
    pub(super) fn typed(&self, line: &str) {
        println!("   {}", self.painted("36", &format!("$ {line}")));
    }

    /// What a command printed. The exit code is shown when it is not 0.
    pub(super) fn printed(&self, finished: &Finished) {
        for line in finished.stdout.lines().chain(finished.stderr.lines()) {
            println!("     {line}");
        }
        if !finished.status.success() {
            println!("     ({})", finished.status);
        }
    }

    /// What was answered: the status, the telling headers, the first line of the body.
    pub(super) fn answered(&self, response: &Response) {
        println!("     {}", response.status_line);
        for name in TELLING {
            if let Some(value) = response.header(name) {
                println!("     {name}: {value}");
            }
        }
        let mut lines = response.body.lines().filter(|line| !line.trim().is_empty());
        if let Some(first) = lines.next() {
            let more = lines.count();
            println!("     {}", shortened(first));
            if more > 0 {
                println!(
                    "     (and {more} more line{})",
                    if more == 1 { "" } else { "s" }
                );
            }
        }
    }

    /// Says whether something is as it should be: a check mark, or what was to be expected and what was seen.
    pub(super) fn check(&mut self, claim: &str, holds: bool, seen: &str) {
        if holds {
            self.good += 1;
            println!("   {} {claim}", self.painted("32", "✓"));
        } else {
            self.bad.push(format!("step {}: {claim}", self.step));
            println!("   {} NOT AS IT SHOULD BE", self.painted("31", "✗"));
            println!("     expected: {claim}");
            println!("     seen:     {seen}");
        }
    }

    /// How many checks passed, and which did not.
    pub(super) fn results(&self) -> (usize, &[String]) {
        (self.good, &self.bad)
    }

    fn painted(&self, code: &str, text: &str) -> String {
        if self.colour {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }
}

/// A request as curl is told it.
pub(super) fn curl_line(address: SocketAddr, request: &Request) -> String {
    let mut words = vec!["curl".to_owned(), "-i".to_owned()];
    if request.method != "GET" {
        words.extend(["-X".to_owned(), request.method.to_owned()]);
    }
    for (name, value) in &request.headers {
        words.extend(["-H".to_owned(), quoted(&format!("{name}: {value}"))]);
    }
    words.push(quoted(&format!("http://{address}{}", request.target)));
    words.join(" ")
}

fn shortened(line: &str) -> String {
    match line
        .char_indices()
        .nth(WIDEST)
        .and_then(|(end, _)| line.get(..end))
    {
        Some(beginning) => format!("{beginning} …"),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_shown_as_it_could_be_typed() {
        let address = "127.0.0.1:8080".parse().unwrap();
        let request = Request::post("/jobs?ms=1").with("Accept", "text/html");
        assert_eq!(
            curl_line(address, &request),
            "curl -i -X POST -H 'Accept: text/html' 'http://127.0.0.1:8080/jobs?ms=1'"
        );
        assert_eq!(
            curl_line(address, &Request::get("/")),
            "curl -i http://127.0.0.1:8080/"
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let short = "ü".repeat(WIDEST);
        assert_eq!(shortened(&short), short);
        assert_eq!(shortened(&format!("{short}ü")), format!("{short} …"));
    }

    #[test]
    fn what_is_wrong_is_counted_with_its_step() {
        let mut screen = Screen {
            colour: false,
            step: 0,
            good: 0,
            bad: Vec::new(),
        };
        screen.step("first");
        screen.check("it is so", true, "");
        screen.check("it is otherwise", false, "so");
        assert_eq!(
            screen.results(),
            (1, &["step 1: it is otherwise".to_owned()][..])
        );
    }
}
