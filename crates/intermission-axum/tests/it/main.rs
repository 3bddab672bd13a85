//! The faces of axum: routes with flags, extractors, and servers on sockets.

mod extractors;
mod plain_router;
mod routes;
mod server;
mod site;
mod unknown_routes;
mod websocket;
