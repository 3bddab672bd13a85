//! What the command line may say: the same in each example.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;
use intermission::{
    AllowList, ForwardedHeader, LostContact, OutagePolicy, Probe, ReadinessPolicy, StateUrl,
    TrustedProxies,
};
use jiff::{SignedDuration, fmt::friendly};
use tokio::net::TcpStream;

/// A service with maintenance mode.
#[derive(Debug, Parser)]
#[command(about, version)]
pub(crate) struct Flags {
    /// Where to listen. Port 0 picks a free one, which the first line of output names.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    pub(crate) listen: SocketAddr,

    /// Where the maintenance state is kept: `memory:` for this process alone, `file:DIR` for one machine,
    /// `magento:DIR` for one machine together with the Magento whose `var` directory it is,
    /// `redis://HOST:6379/0` (also `redis+sentinel://…`, `redis+cluster://…`) for a fleet.
    #[arg(long, value_name = "URL", default_value = "memory:")]
    state: String,

    /// Which of the sites on that state this is.
    #[arg(long, value_name = "NAME")]
    pub(crate) site: Option<String>,

    /// Proxies that are believed about whom they serve. None by default.
    #[arg(long, value_name = "CIDR", num_args = 1.., value_delimiter = ',')]
    trusted_proxy: Vec<String>,

    /// The header in which they say it: `X-Forwarded-For`, `Forwarded`, or one that holds a single address, such as
    /// `CF-Connecting-IP`.
    #[arg(long, value_name = "HEADER", default_value = "X-Forwarded-For", value_parser = forwarded_header)]
    address_from: ForwardedHeader,

    /// What the pages need, such as a database. While nobody answers there, visitors get the maintenance page.
    #[arg(long, value_name = "HOST:PORT")]
    needs: Option<String>,

    /// A page of one's own for refused visitors, such as `examples/shared/page.html`.
    #[arg(long, value_name = "FILE")]
    pub(crate) page: Option<PathBuf>,

    /// This process's name in lists.
    #[arg(long, value_name = "NAME")]
    pub(crate) node: Option<String>,

    /// What requests see while the state is out of reach: `keep`, `close:D` or `open:D`.
    #[arg(long, value_name = "POLICY", default_value = "keep", value_parser = outage_policy)]
    pub(crate) on_outage: OutagePolicy,

    /// What executions do while the state is out of reach: `wait:D`, `hold` or `fence:D`.
    #[arg(long, value_name = "POLICY", default_value = "wait:2m", value_parser = lost_contact)]
    pub(crate) lost: LostContact,

    /// What `/ready` says during maintenance: `stay-ready` or `unready-when-activated`. A fleet that is unready as a whole
    /// is an outage to its load balancer.
    #[arg(long, value_name = "POLICY", default_value_t)]
    pub(crate) readiness: ReadinessPolicy,
}

impl Flags {
    /// The state, with its site.
    ///
    /// The flag is not parsed with the others: clap's complaint would repeat a password.
    pub(crate) fn state(&self) -> Result<StateUrl> {
        let url: StateUrl = self.state.parse()?;
        Ok(match &self.site {
            Some(site) => url.with_site(site)?,
            None => url,
        })
    }

    /// The proxies that are believed.
    pub(crate) fn trusted_proxies(&self) -> Result<TrustedProxies> {
        Ok(match AllowList::parse(&self.trusted_proxy)? {
            list if list.is_empty() => TrustedProxies::none(),
            list => TrustedProxies::new(list, self.address_from.clone()),
        })
    }

    /// The check of what the pages need. An application asks more of its database: `SELECT 1`, on its own pool.
    pub(crate) fn probe(&self) -> Option<Probe> {
        let address = self.needs.clone()?;
        let connect = move || {
            let address = address.clone();
            async move { TcpStream::connect(address).await.map(drop) }
        };
        Some(Probe::new("database", connect).with_every(Duration::from_secs(1)))
    }
}

fn forwarded_header(name: &str) -> Result<ForwardedHeader> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "forwarded" => ForwardedHeader::Forwarded,
        "x-forwarded-for" => ForwardedHeader::XForwardedFor,
        name => ForwardedHeader::single(name)?,
    })
}

fn outage_policy(text: &str) -> Result<OutagePolicy> {
    Ok(match text.split_once(':') {
        None if text == "keep" => OutagePolicy::KeepLast,
        Some(("close", after)) => OutagePolicy::CloseAfter(duration(after)?),
        Some(("open", after)) => OutagePolicy::OpenAfter(duration(after)?),
        _ => bail!("write keep, close:D or open:D with a duration such as 30s"),
    })
}

fn lost_contact(text: &str) -> Result<LostContact> {
    Ok(match text.split_once(':') {
        None if text == "hold" => LostContact::Hold,
        Some(("wait", after)) => LostContact::Wait(duration(after)?),
        Some(("fence", after)) => LostContact::Fence(duration(after)?),
        _ => bail!("write wait:D, hold or fence:D with a duration such as 2m"),
    })
}

fn duration(text: &str) -> Result<Duration> {
    static FORMAT: friendly::SpanParser = friendly::SpanParser::new();
    let duration: SignedDuration = FORMAT
        .parse_duration(text)
        .with_context(|| format!("`{text}` is not a duration: write for example 90s or 2m"))?;
    Duration::try_from(duration)
        .with_context(|| format!("`{text}` is not a duration: it is negative"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_read_as_they_are_documented() {
        let flags =
            Flags::try_parse_from(["app", "--on-outage", "close:30s", "--lost", "fence:1m"])
                .unwrap();
        assert_eq!(
            flags.on_outage,
            OutagePolicy::CloseAfter(Duration::from_secs(30))
        );
        assert_eq!(flags.lost, LostContact::Fence(Duration::from_secs(60)));
        let flags = Flags::try_parse_from(["app"]).unwrap();
        assert_eq!(
            (flags.on_outage, flags.lost),
            (OutagePolicy::KeepLast, LostContact::default())
        );
        assert_eq!(flags.readiness, ReadinessPolicy::StayReady);
        assert_eq!(flags.state().unwrap().to_string(), "memory:");
        for policy in ReadinessPolicy::ALL {
            let flags = Flags::try_parse_from(["app", "--readiness", policy.as_str()]);
            assert_eq!(flags.unwrap().readiness, policy);
        }
        let error = Flags::try_parse_from(["app", "--readiness", "on"]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("stay-ready or unready-when-activated"),
            "{error}"
        );
        for bad in ["close", "keep:1s", "close:soon", "open:-1s", "close:30"] {
            assert!(
                Flags::try_parse_from(["app", "--on-outage", bad]).is_err(),
                "{bad}"
            );
        }
    }

    #[test]
    fn whom_proxies_serve_is_read_from_the_header_that_is_named() {
        for (name, header) in [
            ("Forwarded", ForwardedHeader::Forwarded),
            ("x-forwarded-for", ForwardedHeader::XForwardedFor),
            (
                "CF-Connecting-IP",
                ForwardedHeader::single("cf-connecting-ip").unwrap(),
            ),
        ] {
            let flags = Flags::try_parse_from(["app", "--address-from", name]);
            assert_eq!(flags.unwrap().address_from, header);
        }
        let wrong = Flags::try_parse_from(["app", "--address-from", "no header"]);
        assert!(wrong.is_err());
        let nobody = Flags::try_parse_from(["app"]).unwrap();
        assert_eq!(nobody.trusted_proxies().unwrap(), TrustedProxies::none());
        assert!(nobody.probe().is_none());
        let flags = Flags::try_parse_from(["app", "--trusted-proxy", "10.0.0.0/8", "soon"]);
        assert!(flags.unwrap().trusted_proxies().is_err());
    }

    #[test]
    fn a_state_with_a_password_is_not_repeated() {
        let state = |url: &str| {
            let flags = Flags::try_parse_from(["app", "--state", url, "--site", "shop"]);
            flags.unwrap().state()
        };
        let url = state("redis://ops:hunter2@cache:6379/0").unwrap();
        assert_eq!(url.to_string(), "redis://ops:***@cache:6379/0?site=shop");
        for wrong in [
            "redis://ops:hunter2@cache:port/0",
            "mysql://ops:hunter2@db/0",
        ] {
            let error = format!("{:?}", state(wrong).unwrap_err());
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
