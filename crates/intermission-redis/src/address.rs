//! Where a Redis is, from the URL that names it.

use std::fmt;

use intermission_core::{StateError, StateErrorKind, StateLocation, StateUrl};

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where a Redis is, and who we are to it.
///
/// # Security
///
/// It holds the password. `Display` shows neither it nor the user, `Debug` the user alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) topology: Topology,
    pub(crate) tls: bool,
    pub(crate) database: u32,
    pub(crate) login: Login,
}

/// Whom to ask where the keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Topology {
    /// Nobody: they are on this server.
    Single(Server),
    /// One of these Sentinels, for the master of this name.
    Sentinel {
        sentinels: Vec<Server>,
        master: String,
    },
    /// One of these nodes, for the owner of the keys' slot.
    Cluster { nodes: Vec<Server> },
}

/// One process that listens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Server {
    /// Without the brackets of an IPv6 address.
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// Who we are to the servers.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Address {
    /// Reads a state's URL.
    ///
    /// # Errors
    ///
    /// [`Unsupported`](StateErrorKind::Unsupported): the URL names no Redis, or one that this build cannot reach.
    pub(crate) fn from_url(url: &StateUrl) -> Result<Self, StateError> {
        let StateLocation::Redis(text) = url.location() else {
            let message =
                format!("the state `{url}` is no Redis: write for example redis://HOST:6379/0");
            return Err(StateError::new(StateErrorKind::Unsupported, message));
        };
        let address = read(text).map_err(|problem| {
            // `Display` of a URL hides the password.
            StateError::new(
                StateErrorKind::Unsupported,
                format!("the state `{url}` {problem}"),
            )
        })?;
        if address.tls && !cfg!(feature = "tls") {
            let message = format!(
                "the state `{url}` needs TLS: build with the feature `tls` of intermission-redis"
            );
            return Err(StateError::new(StateErrorKind::Unsupported, message));
        }
        Ok(address)
    }

    /// The servers that the URL names.
    pub(crate) fn servers(&self) -> &[Server] {
        match &self.topology {
            Topology::Single(server) => std::slice::from_ref(server),
            Topology::Sentinel { sentinels, .. } => sentinels,
            Topology::Cluster { nodes } => nodes,
        }
    }

    /// The name of one server with our database, for errors.
    pub(crate) fn name_of(&self, server: &Server) -> String {
        format!("{}://{server}/{}", self.scheme(""), self.database)
    }

    fn scheme(&self, kind: &str) -> String {
        format!("redis{}{kind}", if self.tls { "s" } else { "" })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |servers: &[Server]| {
            let names: Vec<_> = servers.iter().map(ToString::to_string).collect();
            names.join(",")
        };
        match &self.topology {
            Topology::Single(server) => f.write_str(&self.name_of(server)),
            Topology::Sentinel { sentinels, master } => {
                let (scheme, sentinels) = (self.scheme("+sentinel"), list(sentinels));
                write!(f, "{scheme}://{sentinels}/{master}/{}", self.database)
            }
            Topology::Cluster { nodes } => {
                write!(f, "{}://{}", self.scheme("+cluster"), list(nodes))
            }
        }
    }
}

impl Server {
    pub(crate) fn new(host: impl Into<String>, port: u16) -> Self {
        Self {
            host: host.into(),
            port,
        }
    }

    fn read(text: &str, default_port: u16) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']')?;
                let port = match rest {
                    "" => None,
                    rest => Some(rest.strip_prefix(':')?),
                };
                (host, port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (text, None),
            },
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port > 0)?
            }
            Some(_) => return None,
            None => default_port,
        };
        (!host.is_empty()).then(|| Self::new(host, port))
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl Login {
    /// Whom Redis takes us for.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or("default")
    }

    /// The same text without the password, should somebody else have put it there.
    pub(crate) fn scrub(&self, text: &str) -> String {
        match self.password.as_deref() {
            Some(password) if !password.is_empty() => text.replace(password, "***"),
            _ => text.to_owned(),
        }
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("user", &self.user)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .finish()
    }
}

/// What follows "the state `…`" if it cannot be read.
type Problem = &'static str;

fn read(text: &str) -> Result<Address, Problem> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("is no URL: write for example redis://HOST:6379/0")?;
    let (scheme, kind) = match scheme.split_once('+') {
        Some((scheme, kind)) => (scheme, Some(kind)),
        None => (scheme, None),
    };
    let tls = match scheme {
        "redis" => false,
        "rediss" => true,
        _ => return Err("is no Redis: write for example redis://HOST:6379/0"),
    };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (login, hosts) = match authority.rsplit_once('@') {
        Some((login, hosts)) => (read_login(login)?, hosts),
        None => (Login::default(), authority),
    };
    let mut path = path.split('/').filter(|segment| !segment.is_empty());
    let (topology, database) = match kind {
        None => match <[Server; 1]>::try_from(read_servers(hosts, REDIS_PORT)?) {
            Ok([server]) => (Topology::Single(server), read_database(path.next())?),
            Err(_) => {
                return Err(
                    "names several hosts: write redis+sentinel://… or redis+cluster://…, or name one",
                );
            }
        },
        Some("sentinel") => {
            let sentinels = read_servers(hosts, SENTINEL_PORT)?;
            let master = path
                .next()
                .and_then(decode)
                .ok_or("names no master: write redis+sentinel://HOST:PORT/MASTER")?;
            let database = read_database(path.next())?;
            (Topology::Sentinel { sentinels, master }, database)
        }
        Some("cluster") => {
            let nodes = read_servers(hosts, REDIS_PORT)?;
            if read_database(path.next())? != 0 {
                return Err("names a database, but a Cluster has none but 0: leave it away");
            }
            (Topology::Cluster { nodes }, 0)
        }
        Some(_) => return Err("is neither redis+sentinel://… nor redis+cluster://…: write one"),
    };
    if path.next().is_some() {
        return Err("has too many parts after the hosts: leave the last one away");
    }
    Ok(Address {
        topology,
        tls,
        database,
        login,
    })
}

fn read_login(text: &str) -> Result<Login, Problem> {
    const ENCODING: Problem =
        "has a user or password that is not percent-encoded UTF-8: write % itself as %25";
    let (user, password) = text
        .split_once(':')
        .ok_or("names a user without a password: write USER:PASSWORD@, or :PASSWORD@")?;
    let user = decode(user).ok_or(ENCODING)?;
    let password = decode(password).ok_or(ENCODING)?;
    if password.is_empty() {
        return Err(
            "has an empty password: write it behind the colon, or leave user and colon away",
        );
    }
    Ok(Login {
        user: Some(user).filter(|user| !user.is_empty()),
        password: Some(password),
    })
}

fn read_servers(text: &str, default_port: u16) -> Result<Vec<Server>, Problem> {
    text.split(',')
        .map(|host| Server::read(host, default_port))
        .collect::<Option<_>>()
        .ok_or(
            "has a host that is none: write HOST or HOST:PORT, and [ADDRESS]:PORT for IPv6, with commas between them",
        )
}

fn read_database(segment: Option<&str>) -> Result<u32, Problem> {
    segment.map_or(Ok(0), |segment| {
        segment
            .parse()
            .map_err(|_| "names no database: write its number, as in redis://HOST:6379/0")
    })
}

/// Undoes the percent-encoding.
fn decode(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let (high, low) = (hex(bytes.next()?)?, hex(bytes.next()?)?);
            decoded.push(high << 4 | low);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn single(host: &str, port: u16) -> Topology {
        Topology::Single(Server::new(host, port))
    }

    fn servers(list: &[(&str, u16)]) -> Vec<Server> {
        list.iter()
            .map(|(host, port)| Server::new(*host, *port))
            .collect()
    }

    #[test]
    fn urls_are_read_and_printed_without_their_login() {
        let sentinels = |list| Topology::Sentinel {
            sentinels: servers(list),
            master: "mymaster".to_owned(),
        };
        let cluster = |list| Topology::Cluster {
            nodes: servers(list),
        };
        for (text, topology, tls, database, shown) in [
            (
                "redis://cache",
                single("cache", 6379),
                false,
                0,
                "redis://cache:6379/0",
            ),
            (
                "redis://cache/",
                single("cache", 6379),
                false,
                0,
                "redis://cache:6379/0",
            ),
            (
                "redis://u:p@cache:7/3",
                single("cache", 7),
                false,
                3,
                "redis://cache:7/3",
            ),
            (
                "redis://[::1]",
                single("::1", 6379),
                false,
                0,
                "redis://[::1]:6379/0",
            ),
            (
                "redis://[fe80::1%eth0]:7",
                single("fe80::1%eth0", 7),
                false,
                0,
                "redis://[fe80::1%eth0]:7/0",
            ),
            (
                "rediss://cache/1",
                single("cache", 6379),
                true,
                1,
                "rediss://cache:6379/1",
            ),
            (
                "redis+sentinel://a,[::1]:7/mymaster",
                sentinels(&[("a", 26379), ("::1", 7)]),
                false,
                0,
                "redis+sentinel://a:26379,[::1]:7/mymaster/0",
            ),
            (
                "rediss+sentinel://u:p@a/my%6Daster/2",
                sentinels(&[("a", 26379)]),
                true,
                2,
                "rediss+sentinel://a:26379/mymaster/2",
            ),
            (
                "redis+cluster://a,b:7001",
                cluster(&[("a", 6379), ("b", 7001)]),
                false,
                0,
                "redis+cluster://a:6379,b:7001",
            ),
            (
                "rediss+cluster://a/0",
                cluster(&[("a", 6379)]),
                true,
                0,
                "rediss+cluster://a:6379",
            ),
        ] {
            let address = read(text).unwrap();
            assert_eq!(address.topology, topology, "{text}");
            assert_eq!((address.tls, address.database), (tls, database), "{text}");
            assert_eq!(address.to_string(), shown);
        }
    }

    #[test]
    fn logins_are_percent_decoded() {
        for (text, user, password) in [
            ("redis://h", None, None),
            ("redis://:p@h", None, Some("p")),
            ("redis://app:p@h", Some("app"), Some("p")),
            ("redis://a%40b:%2F%3f%25%23:@h", Some("a@b"), Some("/?%#:")),
            ("redis://app:%C3%A9@h", Some("app"), Some("é")),
            ("redis://app:p@q@h", Some("app"), Some("p@q")),
        ] {
            let login = read(text).unwrap().login;
            assert_eq!(login.user.as_deref(), user, "{text}");
            assert_eq!(login.password.as_deref(), password, "{text}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (text, problem) in [
            ("cache:6379", "is no URL"),
            ("http://cache", "is no Redis"),
            ("redis+foo://cache", "is neither"),
            ("redis://a,b", "several hosts"),
            ("redis://", "host that is none"),
            ("redis://cache:", "host that is none"),
            ("redis://cache:0", "host that is none"),
            ("redis://cache:70000", "host that is none"),
            ("redis://cache:+1", "host that is none"),
            ("redis://::1", "host that is none"),
            ("redis://[::1", "host that is none"),
            ("redis://[::1]x", "host that is none"),
            ("redis+cluster://a,,b", "host that is none"),
            ("redis://cache/main", "no database"),
            ("redis://cache/-1", "no database"),
            ("redis://cache/0/1", "too many parts"),
            ("redis+sentinel://a", "no master"),
            ("redis+sentinel://a/m/x", "no database"),
            ("redis+sentinel://a/m/0/x", "too many parts"),
            ("redis+cluster://a/1", "none but 0"),
            ("redis://app@cache", "without a password"),
            ("redis://app:@cache", "empty password"),
            ("redis://app:100%@cache", "percent-encoded"),
            ("redis://app:%zz@cache", "percent-encoded"),
            ("redis://app:%ff@cache", "percent-encoded"),
        ] {
            let found = read(text).unwrap_err();
            assert!(found.contains(problem), "{text}: {found}");
        }
    }

    #[test]
    fn other_states_and_missing_tls_are_named() {
        let problem = |text: &str| {
            let error = Address::from_url(&text.parse().unwrap()).unwrap_err();
            assert_eq!(error.kind(), StateErrorKind::Unsupported, "{error}");
            error.to_string()
        };
        assert!(problem("file:/srv/state").contains("`file:/srv/state` is no Redis"));
        assert!(problem("redis://app:100%25%@cache").contains("percent-encoded"));
        if !cfg!(feature = "tls") {
            let message = problem("rediss+sentinel://app:hunter2@h/m");
            assert!(message.contains("feature `tls`"), "{message}");
        }
    }

    #[test]
    fn no_password_is_ever_printed() {
        let address = read("redis+sentinel://app:hunter2@h/m").unwrap();
        let server = address.servers().first().unwrap();
        let printed = format!("{address} {address:?} {}", address.name_of(server));
        assert!(!printed.contains("hunter2"), "{printed}");
        let url: StateUrl = "redis://app:hunter2%@h".parse().unwrap();
        let error = Address::from_url(&url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
        assert_eq!(
            address.login.scrub("said hunter2 twice: hunter2"),
            "said *** twice: ***"
        );
    }
}
