//! A new, open site on each state that processes can share.

use std::any::Any;
use std::path::Path;

use intermission_tests::command::{State, intermission};
use intermission_tests::redis::{Cluster, RedisServer, Sentinels, ServerOptions};

use crate::new_site::new_site;

/// A new site, which goes with this.
pub(crate) struct Site {
    /// What services and the command are given.
    pub(crate) url: String,
    _kept: Box<dyn Any + Send + Sync>,
}

impl Site {
    fn new(url: String, kept: impl Any + Send + Sync) -> Self {
        Self {
            url,
            _kept: Box::new(kept),
        }
    }
}

pub(crate) async fn files() -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let url = Path::url(folder.path());
    intermission(url.as_str(), &["init"]).await.done();
    Site::new(url, folder)
}

pub(crate) fn magento() -> Site {
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("magento:{}", folder.path().display());
    Site::new(url, folder)
}

pub(crate) async fn redis() -> Site {
    let server = RedisServer::start().await;
    new_site(&server.url()).await;
    Site::new(server.url(), server)
}

pub(crate) async fn sentinel() -> Site {
    let group = Sentinels::start().await;
    new_site(&group.url()).await;
    Site::new(group.url(), group)
}

pub(crate) async fn cluster() -> Site {
    let group = Cluster::start().await;
    new_site(&group.url()).await;
    Site::new(group.url(), group)
}

/// A Redis on which the user of services and command may do what the README says, and no more.
pub(crate) async fn restricted() -> Site {
    const README: &str = include_str!("../../../README.md");
    let rule = README
        .lines()
        .find_map(|line| line.strip_prefix("user shop on >SECRET "))
        .expect("the README has the line");
    let server = ServerOptions::new()
        .with_user(&format!("shop on >pw {rule}"))
        .start()
        .await;
    let url = server.url_as("shop", "pw");
    new_site(&url).await;
    Site::new(url, server)
}
