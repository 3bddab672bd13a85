//! Over TLS. The certificates are made by `openssl`.

use std::path::Path;
use std::process::Command;

use intermission_core::StateErrorKind;

use super::server::{Server, free_port};
use super::{PLENTY, SHORT, Tested};

/// Where the system's certificates are looked up: a variable that must be there before the process starts.
const TRUSTED: &str = "SSL_CERT_FILE";

/// A folder with a certificate authority `ca.crt`, and `server.crt` and `server.key` for this machine.
fn make_certificates(folder: &Path) {
    let run = |arguments: &str| {
        let mut openssl = Command::new("openssl");
        openssl.args(arguments.split(' ')).current_dir(folder);
        let output = openssl.output().expect("these tests need openssl");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let names = "subjectAltName=DNS:localhost\nbasicConstraints=CA:FALSE\n";
    std::fs::write(folder.join("names"), names).unwrap();
    run("req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority");
    run("req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost");
    run(
        "x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out server.crt -days 2 -extfile names",
    );
}

#[test]
fn a_trusted_server_is_talked_to_over_tls() {
    if let Some(authority) = std::env::var_os(TRUSTED)
        && let Some(folder) = Path::new(&authority).parent()
        && folder.join("server.key").exists()
    {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(talk(folder));
    }
    let folder = tempfile::tempdir().unwrap();
    make_certificates(folder.path());
    let status = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            "link::tests::tls::a_trusted_server_is_talked_to_over_tls",
        ])
        .env(TRUSTED, folder.path().join("ca.crt"))
        .status()
        .unwrap();
    assert!(status.success());
}

async fn talk(folder: &Path) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (port, certificate, key) = (free_port(), path("server.crt"), path("server.key"));
    let server = Server::start_with(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &certificate,
        "--tls-key-file",
        &key,
        "--tls-auth-clients",
        "no",
    ]);
    let tested = Tested::new(&format!("rediss://localhost:{port}"), PLENTY);
    assert_eq!(tested.say("a").await.unwrap(), "a");
    assert_eq!(tested.publish("b").await.unwrap(), "b");
    // Its certificate does not name this address.
    let error = Tested::new(&format!("rediss://127.0.0.1:{port}"), PLENTY)
        .say("a")
        .await
        .unwrap_err();
    assert_eq!(error.kind(), StateErrorKind::Unavailable, "{error}");
    assert!(
        error.in_full().contains("certificate"),
        "{}",
        error.in_full()
    );
    // A server without TLS waits for more.
    let no_tls = Tested::new(&format!("rediss://localhost:{}", server.port), SHORT);
    assert_eq!(
        no_tls.say("a").await.unwrap_err().kind(),
        StateErrorKind::Unavailable
    );
    let for_tls = Tested::new(&format!("redis://localhost:{port}"), PLENTY);
    assert_eq!(
        for_tls.say("a").await.unwrap_err().kind(),
        StateErrorKind::Unavailable
    );
}
