//! Who is measured, and what each of them looks at.

/// A server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contestant {
    pub(super) name: &'static str,
    /// Those of one group are measured one right after the other.
    pub(super) group: &'static str,
    pub(super) program: Program,
    /// Whether it lets in; otherwise it refuses.
    pub(super) is_open: bool,
    /// The bare server that it is compared with, unless it is one.
    pub(super) bare: Option<&'static str>,
}

/// What runs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// This program.
    Ours,
    /// nginx, with the configuration for this mode.
    Nginx(&'static str),
    /// The program of the peers.
    Peers,
}

impl Contestant {
    /// Whether it is one of ours, with the gate.
    pub(super) fn is_gated(&self) -> bool {
        self.program == Program::Ours
            && self.bare.is_some()
            && (self.name.ends_with("-off") || self.name.ends_with("-on"))
    }

    /// Whether its body is the same as the bare ones', and not only as long: pages of peers have a form of their own.
    pub(super) fn sends_the_body(&self) -> bool {
        self.program != Program::Peers || self.bare.is_none()
    }
}

/// What is looked at for each request, and what is sent.
pub(super) const CHECKS: &[&str] = &[
    "…-bare: nothing",
    "…-bare+peer: nothing; the peer's address is put into each request (axum's ConnectInfo, or PeerAddress)",
    "…-503: nothing; a function sends what the gate would send, header by header: no gate can be much faster",
    "Intermission, off: the flag of the route, and the phase, for which a request is counted while it runs",
    "Intermission, on: the flag of the route, the phase, the method, a pass, the peer against the list, the permission, \
     Accept; sends a reply that was rendered before, its Retry-After counted down",
    "nginx, off: the peer against the list, a file by `if (-f …)`",
    "nginx, on: the same; sends a page from a file, Retry-After fixed",
    "nginx, on-inline: the same; sends a page from its configuration, Retry-After fixed",
    "autumn-web, off: a lock, whether there is a configuration",
    "autumn-web, on: a lock and a copy of the configuration, the path, a header that may bypass, X-Forwarded-For or the \
     peer against the list, Accept; makes a page for each request, Retry-After fixed",
    "rustango, off: a flag",
    "rustango, on: a flag, the path against a set; sends a copy of a fixed body, Retry-After fixed; knows no addresses",
    "backbone-maintenance, off: a flag",
    "backbone-maintenance, on: a flag, the beginning of the path against a list, a lock; makes JSON for each request, \
     Retry-After fixed; knows no addresses",
];

const fn of(
    program: Program,
    group: &'static str,
    name: &'static str,
    bare: Option<&'static str>,
) -> Contestant {
    Contestant {
        name,
        group,
        program,
        is_open: true,
        bare,
    }
}

const fn ours(group: &'static str, name: &'static str, bare: Option<&'static str>) -> Contestant {
    of(Program::Ours, group, name, bare)
}

const fn peer(group: &'static str, name: &'static str, bare: Option<&'static str>) -> Contestant {
    of(Program::Peers, group, name, bare)
}

/// With axum, since it is compared with that.
const fn nginx(mode: &'static str, name: &'static str, bare: Option<&'static str>) -> Contestant {
    of(Program::Nginx(mode), "axum", name, bare)
}

const fn refused(contestant: Contestant) -> Contestant {
    Contestant {
        is_open: false,
        ..contestant
    }
}

/// All of them.
pub(super) const ALL: &[Contestant] = &[
    ours("axum", "axum-bare", None),
    ours("axum", "axum-bare+peer", Some("axum-bare")),
    ours("axum", "axum-off", Some("axum-bare")),
    refused(ours("axum", "axum-on", Some("axum-bare"))),
    nginx("bare", "nginx-bare", None),
    nginx("off", "nginx-off", Some("nginx-bare")),
    refused(nginx("on", "nginx-on", Some("nginx-bare"))),
    refused(nginx("on-inline", "nginx-on-inline", Some("nginx-bare"))),
    ours("actix", "actix-bare", None),
    ours("actix", "actix-off", Some("actix-bare")),
    refused(ours("actix", "actix-on", Some("actix-bare"))),
    ours("warp", "warp-bare", None),
    ours("warp", "warp-off", Some("warp-bare")),
    refused(ours("warp", "warp-on", Some("warp-bare"))),
    ours("service", "service-bare", None),
    ours("service", "service-off", Some("service-bare")),
    refused(ours("service", "service-on", Some("service-bare"))),
    ours("hyper", "hyper-bare", None),
    ours("hyper", "hyper-bare+peer", Some("hyper-bare")),
    refused(ours("hyper", "hyper-503", Some("hyper-bare"))),
    ours("hyper", "hyper-off", Some("hyper-bare")),
    refused(ours("hyper", "hyper-on", Some("hyper-bare"))),
    peer("axum08", "axum08-bare", None),
    peer("axum08", "autumn-off", Some("axum08-bare")),
    refused(peer("axum08", "autumn-on", Some("axum08-bare"))),
    peer("axum08", "rustango-off", Some("axum08-bare")),
    refused(peer("axum08", "rustango-on", Some("axum08-bare"))),
    peer("axum07", "axum07-bare", None),
    peer("axum07", "backbone-off", Some("axum07-bare")),
    refused(peer("axum07", "backbone-on", Some("axum07-bare"))),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_compared_with_a_bare_one_of_its_group() {
        for contestant in ALL {
            let Some(bare) = contestant.bare else {
                continue;
            };
            let bare = ALL.iter().find(|other| other.name == bare).unwrap();
            assert!(bare.bare.is_none() && bare.group == contestant.group);
        }
    }
}
