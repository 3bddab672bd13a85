//! nginx, with the maintenance mode that most sites have.

use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::process::{mortal, on_search_path};
use super::{ALLOWED, BODY};

/// How a server of nginx is told apart.
const FLAG: &str = "maintenance.flag";

/// The command that starts it, in a folder of its own, to listen at this address.
pub(super) fn command(mode: &str, folder: &Path, address: SocketAddr) -> Result<Command> {
    let program = on_search_path("nginx").context("nginx is not installed")?;
    let text = configuration(mode, folder, address)?;
    let file = folder.join("nginx.conf");
    fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
    fs::write(folder.join("maintenance.txt"), BODY)?;
    if mode.starts_with("on") {
        fs::write(folder.join(FLAG), "")?;
    }
    let mut command = mortal(program);
    command.arg("-p").arg(folder).arg("-c").arg(file);
    command.args(["-e", "stderr"]);
    Ok(command)
}

fn configuration(mode: &str, folder: &Path, address: SocketAddr) -> Result<String> {
    let folder = folder.display();
    let body = BODY.trim_end();
    // A file, as nearly everybody has it; or the fastest that nginx can do, which nobody does who has a page to show.
    let page = match mode {
        "bare" => None,
        "off" | "on" => Some(format!(
            "root {folder};\n            rewrite ^ /maintenance.txt break;"
        )),
        "on-inline" => Some(format!("return 503 \"{body}\\n\";")),
        _ => bail!("nginx is measured as `bare`, `off`, `on` and `on-inline`, not as `{mode}`"),
    };
    let mut rules = String::new();
    let mut geo = String::new();
    if let Some(page) = page {
        geo.push_str("    geo $is_allowed {\n        default 0;\n");
        for network in ALLOWED {
            writeln!(geo, "        {network} 1;")?;
        }
        geo.push_str("    }\n");
        write!(
            rules,
            "\
        set $is_closed 0;
        if (-f {folder}/{FLAG}) {{
            set $is_closed 1;
        }}
        if ($is_allowed) {{
            set $is_closed 0;
        }}
        if ($is_closed) {{
            return 503;
        }}
        error_page 503 @maintenance;
        location @maintenance {{
            add_header Retry-After 600 always;
            add_header Cache-Control no-store always;
            {page}
        }}
"
        )?;
    }
    Ok(format!(
        "\
daemon off;
master_process off;
error_log stderr error;
pid {folder}/nginx.pid;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    # As the others: a connection may be used for as long as the client likes.
    keepalive_requests 1000000000;
    default_type \"text/plain; charset=utf-8\";
{geo}    server {{
        listen {address};
{rules}        location / {{
            return 200 \"{body}\\n\";
        }}
    }}
}}
"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_bare_one_has_no_rules() {
        let at = SocketAddr::from(([127, 0, 0, 1], 8080));
        let of = |mode| configuration(mode, Path::new("/srv/nginx"), at);
        assert!(!of("bare").unwrap().contains("503"));
        let on = of("on").unwrap();
        assert!(on.contains("if (-f /srv/nginx/maintenance.flag)"), "{on}");
        assert!(on.contains("192.0.2.0/24 1;"), "{on}");
        assert_eq!(on, of("off").unwrap());
        assert!(of("of").is_err());
    }
}
