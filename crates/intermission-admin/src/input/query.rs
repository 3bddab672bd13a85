//! The parameters of queries.

use std::net::IpAddr;

use intermission::{Network, RouteAccess, ScopeName};
use utoipa::{IntoParams, ToSchema};

use crate::problem::{FieldError, Problem};

/// The parameters of a query, taken out one by one; what is wrong with any of them is kept until the end.
struct Parameters {
    pairs: Vec<(String, String)>,
    errors: Vec<FieldError>,
}

impl Parameters {
    fn new(query: &str) -> Self {
        Self {
            pairs: form_urlencoded::parse(query.as_bytes())
                .into_owned()
                .collect(),
            errors: Vec::new(),
        }
    }

    fn bad(&mut self, field: &str, problem: impl Into<String>) {
        self.errors.push(FieldError {
            field: field.to_owned(),
            problem: problem.into(),
        });
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.pairs.iter().position(|(found, _)| found == name)?;
        let (_, value) = self.pairs.remove(place);
        if self.pairs.iter().any(|(found, _)| found == name) {
            self.pairs.retain(|(found, _)| found != name);
            self.bad(name, "is there more than once");
        }
        Some(value)
    }

    fn scope(&mut self) -> Option<ScopeName> {
        let scope = self.take("scope")?;
        let name = ScopeName::new(&scope);
        if let Err(error) = &name {
            self.bad("scope", error.to_string());
        }
        name.ok()
    }

    fn truth(&mut self, name: &str) -> bool {
        match self.take(name).as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => {
                self.bad(name, "must be true or false");
                false
            }
        }
    }

    fn finish<T>(mut self, known: &str, value: T) -> Result<T, Problem<'static>> {
        for (name, _) in std::mem::take(&mut self.pairs) {
            self.bad(&name, format!("there is no such parameter: {known}"));
        }
        if self.errors.is_empty() {
            Ok(value)
        } else {
            Err(Problem::fields(self.errors))
        }
    }
}

/// Refuses parameters where there are none.
pub(crate) fn no_parameters(query: &str) -> Result<(), Problem<'static>> {
    Parameters::new(query).finish("there are none", ())
}

/// Which part of the site is meant.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ScopeQuery {
    /// The part of the site that is meant; the whole if left out.
    #[param(value_type = String, required = false, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
    pub(crate) scope: Option<ScopeName>,
}

impl ScopeQuery {
    pub(crate) fn read(query: &str) -> Result<Self, Problem<'static>> {
        let mut parameters = Parameters::new(query);
        let scope = parameters.scope();
        parameters.finish("there is scope", Self { scope })
    }
}

/// What becomes of the allow list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ToSchema)]
#[schema(rename_all = "kebab-case")]
pub(crate) enum AllowMode {
    /// These and no others.
    Replace,
    /// These, too.
    Add,
    /// These no longer.
    Remove,
}

/// How to change the allow list.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct AllowIpsQuery {
    /// What becomes of the list; `replace` if left out.
    #[param(value_type = AllowMode, required = false, inline)]
    pub(crate) mode: AllowMode,
}

impl AllowIpsQuery {
    pub(crate) fn read(query: &str) -> Result<Self, Problem<'static>> {
        let mut parameters = Parameters::new(query);
        let mode = match parameters.take("mode").as_deref() {
            None | Some("replace") => AllowMode::Replace,
            Some("add") => AllowMode::Add,
            Some("remove") => AllowMode::Remove,
            Some(_) => {
                parameters.bad("mode", "must be replace, add or remove");
                AllowMode::Replace
            }
        };
        parameters.finish("there is mode", Self { mode })
    }
}

/// How much of the history to show.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// How many lines, the newest first; 50 if left out.
    #[param(value_type = u32, required = false, minimum = 1, maximum = 1000)]
    pub(crate) n: usize,
}

impl HistoryQuery {
    pub(crate) fn read(query: &str) -> Result<Self, Problem<'static>> {
        let mut parameters = Parameters::new(query);
        let n = match parameters.take("n").map(|n| n.parse::<usize>()) {
            None => 50,
            Some(Ok(n)) if (1..=1_000).contains(&n) => n,
            Some(_) => {
                parameters.bad("n", "must be a whole number from 1 to 1000");
                0
            }
        };
        parameters.finish("there is n", Self { n })
    }
}

/// A request, of which to say whether it would pass.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct ExplainQuery {
    /// Its method; `GET` if left out.
    #[param(value_type = String, required = false, pattern = "^[A-Za-z]{1,32}$")]
    pub(crate) method: String,
    /// Its path; `/` if left out.
    #[param(value_type = String, required = false, pattern = "^/[!-~]{0,1000}$")]
    pub(crate) path: String,
    /// The visitor's address; not known if left out.
    #[param(value_type = String, required = false)]
    pub(crate) ip: Option<IpAddr>,
    /// Whether the visitor has the permission.
    #[param(value_type = bool, required = false)]
    pub(crate) permission: bool,
    /// The flag of the route.
    #[param(value_type = RouteWord, required = false, inline)]
    pub(crate) route: RouteAccess,
    /// The part of the site to which it belongs.
    #[param(value_type = String, required = false, pattern = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$")]
    pub(crate) scope: Option<ScopeName>,
}

/// The flag of a route.
#[derive(ToSchema)]
#[schema(rename_all = "kebab-case")]
#[expect(dead_code, reason = "it is what the schema says of `RouteAccess`")]
enum RouteWord {
    Ordinary,
    Always,
    StartsExecution,
}

impl ExplainQuery {
    pub(crate) fn read(query: &str) -> Result<Self, Problem<'static>> {
        let mut parameters = Parameters::new(query);
        let method = parameters
            .take("method")
            .unwrap_or_else(|| "GET".to_owned());
        let is_method = (1..=32).contains(&method.len())
            && method.bytes().all(|byte| byte.is_ascii_alphabetic());
        if !is_method {
            parameters.bad("method", "must be a method, such as GET");
        }
        let path = parameters.take("path").unwrap_or_else(|| "/".to_owned());
        let is_path = path.starts_with('/')
            && path.len() <= 1_001
            && path.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_path {
            parameters.bad("path", "must be a path, such as /orders");
        }
        let ip = parameters.take("ip").and_then(|text| {
            // By the same rules as the entries of the allow list.
            match text.parse::<Network>() {
                Ok(network) if network.is_single_address() => Some(network.address()),
                Ok(_) => {
                    parameters.bad("ip", "is a network: write the address of one visitor");
                    None
                }
                Err(error) => {
                    parameters.bad("ip", crate::problem::in_full(&error));
                    None
                }
            }
        });
        let permission = parameters.truth("permission");
        let route = match parameters.take("route").map(|route| route.parse()) {
            None => RouteAccess::Ordinary,
            Some(Ok(route)) => route,
            Some(Err(_)) => {
                parameters.bad("route", "must be ordinary, always or starts-execution");
                RouteAccess::Ordinary
            }
        };
        let scope = parameters.scope();
        let query = Self {
            method: method.to_ascii_uppercase(),
            path,
            ip,
            permission,
            route,
            scope,
        };
        let known = "there are method, path, ip, permission, route and scope";
        parameters.finish(known, query)
    }
}
