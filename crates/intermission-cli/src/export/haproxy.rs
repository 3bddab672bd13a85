//! For HAProxy: whole responses, and the sections that name them.

use super::{
    CannotExport, File, Forms, HTML_TYPE, JSON_TYPE, MARK, accepts, content_type, headers,
};
use intermission::reply::Reply;

const PAGE: &str = "haproxy/503.http";
const PROBLEM: &str = "haproxy/503.json.http";
const TEXT: &str = "haproxy/503.txt.http";

/// A response must fit into one buffer, 16 KB by default, of which 1 KB is kept for rewriting.
const LIMIT: usize = 15 * 1024;

pub(super) fn sections(directory: &str) -> String {
    format!(
        "{MARK}\n\
         # Load it besides your own configuration: haproxy -f haproxy.cfg -f '{directory}/haproxy.cfg'\n\
         # In the backend, for all:\n\
         #     errorfiles intermission 503\n\
         # For JSON and text by `Accept`, in the frontend; the servers of the backend (here `app`) need `check`:\n\
         #     acl accepts_html req.hdr(accept) -m reg -i '{}'\n\
         #     acl accepts_json req.hdr(accept) -m reg -i '{}'\n\
         #     acl app_is_down nbsrv(app) eq 0\n\
         #     http-request return status 503 errorfiles intermission-json if app_is_down accepts_json !accepts_html\n\
         #     http-request return status 503 errorfiles intermission-text if app_is_down !accepts_html\n\
         http-errors intermission\n    errorfile 503 '{directory}/{PAGE}'\n\n\
         http-errors intermission-json\n    errorfile 503 '{directory}/{PROBLEM}'\n\n\
         http-errors intermission-text\n    errorfile 503 '{directory}/{TEXT}'\n",
        accepts(HTML_TYPE),
        accepts(JSON_TYPE),
    )
}

pub(super) fn error_files(forms: &Forms) -> Result<Vec<File>, CannotExport> {
    // One file answers every method, so it is the page that does not reload.
    [
        (PAGE, &forms.page_that_stays),
        (PROBLEM, &forms.problem),
        (TEXT, &forms.text),
    ]
    .into_iter()
    .map(|(name, reply)| {
        let content = response(reply);
        if content.len() > LIMIT {
            return Err(CannotExport::TooLarge {
                name,
                size: content.len(),
                limit: LIMIT,
            });
        }
        Ok(File::new(name, content))
    })
    .collect()
}

fn response(reply: &Reply) -> Vec<u8> {
    let mut head = format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {}\r\ncontent-length: {}\r\n",
        content_type(reply),
        reply.body().len()
    );
    for (name, value) in headers(reply) {
        head.extend([format!("{name}: {value}\r\n")]);
    }
    head.push_str("\r\n");
    let mut response = head.into_bytes();
    response.extend_from_slice(reply.body());
    response
}
