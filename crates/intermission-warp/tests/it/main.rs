//! Everything through a real server on a socket.
