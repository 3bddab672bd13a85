//! Where the admin API is in an application.

/// Takes the path of a request apart after so many segments: where this is mounted, and what is below that, as
/// [`AdminRequest::with_mount`](crate::AdminRequest::with_mount) and [`AdminRequest::new`](crate::AdminRequest::new) want
/// them. For mounts whose framework decodes paths, so that the rest that it tells is not as sent.
///
/// # Examples
///
/// ```
/// use intermission_admin::split_mount;
///
/// assert_eq!(split_mount("/admin/maintenance/api/status", 2), ("/admin/maintenance", "/api/status"));
/// assert_eq!(split_mount("/admin/maintenance/", 2), ("/admin/maintenance", "/"));
/// assert_eq!(split_mount("/admin/maintenance", 2), ("/admin/maintenance", ""));
/// assert_eq!(split_mount("/api/status", 0), ("", "/api/status"));
/// ```
#[must_use]
pub fn split_mount(path: &str, segments: usize) -> (&str, &str) {
    let end = path.match_indices('/').nth(segments);
    path.split_at(end.map_or(path.len(), |(at, _)| at))
}
