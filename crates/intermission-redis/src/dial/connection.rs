//! One connection to one server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{AsyncPushSender, MultiplexedConnection};
use redis::io::tcp::{TcpSettings, socket2::TcpKeepalive};
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, IntoConnectionInfo, ProtocolVersion,
    RedisConnectionInfo, RedisError, Script, Value,
};

use crate::address::{Address, Login, Server};
use crate::error::Failure;

/// After this long without a word, the system asks whether the other side is still there.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// After this long without its receipt, the system gives a connection up.
#[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
const GIVE_UP: Duration = Duration::from_secs(15);

/// What all connections of one link have in common.
#[derive(Debug)]
pub(crate) struct Terms {
    pub(crate) address: Address,
    /// The most that one answer may take: the only limit of a connection. The client's own limits are off, for its
    /// error after a time-out does not say that the connection is of no use any more.
    pub(crate) timeout: Duration,
}

/// One connection to one server. It is closed when this is dropped, and the client's task ends.
pub(crate) struct Connection {
    client: MultiplexedConnection,
    /// The server's name, for errors.
    place: String,
    terms: Arc<Terms>,
}

/// As whom to enter, and where.
#[derive(Clone, Copy)]
pub(crate) struct Entry<'a> {
    pub(crate) login: &'a Login,
    pub(crate) database: u32,
}

impl Terms {
    /// The answer, or that there was none in time.
    async fn in_time<T>(
        &self,
        place: &str,
        keys: &[String],
        answer: impl Future<Output = Result<T, RedisError>>,
    ) -> Result<T, Failure> {
        match tokio::time::timeout(self.timeout, answer).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure::of_redis(place, &self.address.login, keys, &error)),
            Err(_elapsed) => Err(Failure::timed_out(place, self.timeout)),
        }
    }
}

impl Connection {
    /// Connects, and says who we are, within one limit for all of it. `pushes` hears what nobody has asked for.
    pub(crate) async fn open(
        terms: &Arc<Terms>,
        place: String,
        server: &Server,
        entry: Entry<'_>,
        pushes: Option<impl AsyncPushSender>,
    ) -> Result<Self, Failure> {
        #[cfg(feature = "tls")]
        choose_cryptography();
        let opening = async {
            let client = Client::open(
                server_address(server, terms.address.tls)
                    .into_connection_info()?
                    .set_tcp_settings(tcp_settings())
                    .set_redis_settings(greeting(entry)),
            )?;
            let mut config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(None);
            if let Some(pushes) = pushes {
                config = config.set_push_sender(pushes);
            }
            client
                .get_multiplexed_async_connection_with_config(&config)
                .await
        };
        let client = terms.in_time(&place, &[], opening).await?;
        Ok(Self {
            client,
            place,
            terms: Arc::clone(terms),
        })
    }

    /// The answer to a command that uses these keys.
    ///
    /// # Cancel safety
    ///
    /// Not safe: the answer to a command that was given up is still to come, so drop the connection, too.
    pub(crate) async fn ask(&mut self, command: &Cmd, keys: &[String]) -> Result<Value, Failure> {
        let answer = command.query_async(&mut self.client);
        self.terms.in_time(&self.place, keys, answer).await
    }

    /// Gives the server a script to keep.
    ///
    /// # Cancel safety
    ///
    /// As [`Self::ask`].
    pub(crate) async fn load(&mut self, script: &Script) -> Result<(), Failure> {
        let answer = script.load_async(&mut self.client);
        self.terms.in_time(&self.place, &[], answer).await?;
        Ok(())
    }

    pub(crate) fn place(&self) -> &str {
        &self.place
    }
}

/// rustls panics when nobody has chosen for the process and its features do not say which one to take. The choice of
/// the service comes first.
#[cfg(feature = "tls")]
fn choose_cryptography() {
    use rustls::crypto::{CryptoProvider, ring};

    if CryptoProvider::get_default().is_none() {
        // Somebody else may have been faster, which is as good.
        let _ = ring::default_provider().install_default();
    }
}

fn server_address(server: &Server, tls: bool) -> ConnectionAddr {
    let (host, port) = (server.host.clone(), server.port);
    if tls {
        ConnectionAddr::TcpTls {
            host,
            port,
            insecure: false,
            tls_params: None,
        }
    } else {
        ConnectionAddr::Tcp(host, port)
    }
}

fn greeting(entry: Entry<'_>) -> RedisConnectionInfo {
    // Names and versions of clients are for people who debug; a user with the least rights may not set them.
    let mut greeting = RedisConnectionInfo::default()
        .set_protocol(ProtocolVersion::RESP3)
        .set_skip_set_lib_name()
        .set_db(i64::from(entry.database));
    if let Some(user) = &entry.login.user {
        greeting = greeting.set_username(user);
    }
    if let Some(password) = &entry.login.password {
        greeting = greeting.set_password(password);
    }
    greeting
}

/// A heartbeat finds a dead connection by its own limit. These are for those who only listen.
fn tcp_settings() -> TcpSettings {
    let settings = TcpSettings::default()
        .set_nodelay(true)
        .set_keepalive(TcpKeepalive::new().with_time(KEEPALIVE));
    #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
    let settings = settings.set_user_timeout(GIVE_UP);
    settings
}
