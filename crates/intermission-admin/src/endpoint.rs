//! Which path and method means what.

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Page,
    OpenApi,
    Status,
    Activate,
    Deactivate,
    AllowIps,
    CreatePass,
    ListPasses,
    RevokePass(String),
    RevokeAllPasses,
    Nodes,
    Executions,
    History,
    Explain,
    Events,
}

/// What was found for a path and a method.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Endpoint(Endpoint),
    /// The mount without a slash at its end.
    Mount,
    /// There is something there, for these methods.
    OtherMethods(&'static str),
    Nothing,
}

const READ: &str = "GET, HEAD";

impl Endpoint {
    pub(crate) fn find(method: &str, path: &str) -> Found {
        let is_read = matches!(method, "GET" | "HEAD");
        let read = |endpoint| {
            if is_read {
                Found::Endpoint(endpoint)
            } else {
                Found::OtherMethods(READ)
            }
        };
        let only = |wanted: &'static str, endpoint| {
            if method == wanted {
                Found::Endpoint(endpoint)
            } else {
                Found::OtherMethods(wanted)
            }
        };
        match path {
            "" if is_read => Found::Mount,
            "" => Found::OtherMethods(READ),
            "/" => read(Self::Page),
            "/openapi.json" => read(Self::OpenApi),
            "/api/status" => read(Self::Status),
            "/api/activate" => only("POST", Self::Activate),
            "/api/deactivate" => only("POST", Self::Deactivate),
            "/api/allow-ips" => only("PUT", Self::AllowIps),
            "/api/passes" => match method {
                "GET" | "HEAD" => Found::Endpoint(Self::ListPasses),
                "POST" => Found::Endpoint(Self::CreatePass),
                "DELETE" => Found::Endpoint(Self::RevokeAllPasses),
                _ => Found::OtherMethods("GET, HEAD, POST, DELETE"),
            },
            "/api/nodes" => read(Self::Nodes),
            "/api/executions" => read(Self::Executions),
            "/api/history" => read(Self::History),
            "/api/explain" => read(Self::Explain),
            // A stream has no length to tell without it.
            "/api/events" => only("GET", Self::Events),
            other => match other.strip_prefix("/api/passes/") {
                Some(id) if !id.is_empty() && !id.contains('/') => {
                    only("DELETE", Self::RevokePass(id.to_owned()))
                }
                _ => Found::Nothing,
            },
        }
    }

    /// Whether it may change anything.
    pub(crate) const fn changes(&self) -> bool {
        match self {
            Self::Activate
            | Self::Deactivate
            | Self::AllowIps
            | Self::CreatePass
            | Self::RevokePass(_)
            | Self::RevokeAllPasses => true,
            Self::Page
            | Self::OpenApi
            | Self::Status
            | Self::ListPasses
            | Self::Nodes
            | Self::Executions
            | Self::History
            | Self::Explain
            | Self::Events => false,
        }
    }

    /// Whether a body says more.
    pub(crate) const fn has_body(&self) -> bool {
        matches!(
            self,
            Self::Activate | Self::Deactivate | Self::AllowIps | Self::CreatePass
        )
    }
}
