//! The services of the story: the same application on each framework.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use super::app::App;
use super::http::{Request, Response};
use super::interrupt::Interrupt;
use super::screen::{Screen, curl_line};
use crate::patience::{Deadline, Seconds};
use crate::workspace::line_of;

/// How long a change may take to reach all services before the demo calls it broken.
pub(super) const NEWS: Duration = Duration::from_secs(10);

/// One service of the story.
pub(super) struct Service {
    pub(super) name: &'static str,
    pub(super) framework: &'static str,
    pub(super) program: &'static str,
}

/// All of them.
pub(super) static SERVICES: [Service; 3] = [
    Service {
        name: "web-1",
        framework: "axum",
        program: "axum-app",
    },
    Service {
        name: "web-2",
        framework: "actix-web",
        program: "actix-app",
    },
    Service {
        name: "web-3",
        framework: "warp",
        program: "warp-app",
    },
];

/// All services, running. They end with their owner.
pub(super) struct Fleet {
    apps: [App; 3],
}

impl Fleet {
    /// Starts them, and waits until they listen.
    pub(super) fn start(
        screen: &Screen,
        programs: &[PathBuf; 3],
        state: &str,
        folder: &Path,
        interrupt: &Interrupt,
    ) -> anyhow::Result<Self> {
        let start = |service: &Service, program: &Path| {
            let mut command = Command::new(program);
            command.args(["--state", state, "--node", service.name]);
            command.args(["--listen", "127.0.0.1:0", "--trusted-proxy", "127.0.0.1/32"]);
            screen.typed(&line_of(&command));
            let app = App::start(service.name, &mut command, folder, interrupt)?;
            screen.say(&format!("  listening on http://{}", app.address));
            anyhow::Ok(app)
        };
        let [axum, actix, warp] = &SERVICES;
        let [axum_app, actix_app, warp_app] = programs;
        Ok(Self {
            apps: [
                start(axum, axum_app)?,
                start(actix, actix_app)?,
                start(warp, warp_app)?,
            ],
        })
    }

    /// Where they listen.
    pub(super) fn addresses(&self) -> [SocketAddr; 3] {
        self.apps.each_ref().map(|app| app.address)
    }

    /// Which of them has ended, and how.
    pub(super) fn ended(&mut self) -> anyhow::Result<Option<(&'static str, ExitStatus)>> {
        for app in &mut self.apps {
            if let Some(status) = app.ended()? {
                return Ok(Some((app.name, status)));
            }
        }
        Ok(None)
    }

    /// What they have logged last.
    pub(super) fn logs(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.apps.iter().map(|app| (app.name, app.log()))
    }

    /// Sends a request to each service, and checks that the first one answers as is claimed, and the others the same.
    ///
    /// Each is asked once, and then again and again until it does, for as long as that may take. What the others
    /// answer is shown only if it is something else.
    pub(super) fn ask(
        &self,
        (screen, interrupt): (&mut Screen, &Interrupt),
        patience: Duration,
        request: &Request,
        claim: &str,
        holds: impl Fn(&Response) -> bool,
    ) -> anyhow::Result<()> {
        let mut first: Option<Response> = None;
        for (app, service) in self.apps.iter().zip(&SERVICES) {
            let waited = Deadline::after(patience);
            let mut answer = app.ask(request)?;
            let at_once = holds(&answer) || patience.is_zero();
            if !at_once {
                interrupt.wait(patience, || {
                    answer = app.ask(request)?;
                    Ok(holds(&answer).then_some(()))
                })?;
            }
            let waited = Seconds(waited.waited());
            let difference = first.as_ref().and_then(|first| first.difference(&answer));
            if first.is_none() || difference.is_some() {
                screen.typed(&curl_line(app.address, request));
                screen.answered(&answer);
            }
            if !at_once {
                let until = if holds(&answer) {
                    "until it had heard of the change"
                } else {
                    "in vain"
                };
                screen.say(&format!(
                    "({} was asked again and again for {waited}, {until})",
                    app.name
                ));
            }
            let claim = if first.is_some() && holds(&answer) {
                "answers the same, byte for byte"
            } else {
                claim
            };
            screen.check(
                &format!("{} ({}) {claim}", app.name, service.framework),
                holds(&answer) && difference.is_none(),
                difference.as_deref().unwrap_or(&answer.status_line),
            );
            first.get_or_insert(answer);
        }
        Ok(())
    }
}
