//! Counting the commands in what a client sends.

/// Reads a client's side of a connection, in pieces of any size, and says which commands have gone by whole.
///
/// Clients send arrays of bulk strings, in the older and the newer protocol. A line that is none is a command typed by
/// hand ("inline").
#[derive(Debug, Default)]
pub(super) struct CommandReader {
    line: Vec<u8>,
    name: Vec<u8>,
    words_left: u64,
    /// Of the present word, its line end included.
    bytes_left: u64,
    in_name: bool,
}

impl CommandReader {
    /// The names of the commands that end in these bytes, in upper case.
    pub(super) fn read(&mut self, mut bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.bytes_left > 0 {
                let available = u64::try_from(bytes.len()).expect("a length fits");
                let part = self.bytes_left.min(available);
                let (word, rest) = bytes.split_at(usize::try_from(part).expect("it is in memory"));
                if self.in_name {
                    self.name.extend_from_slice(word);
                }
                self.bytes_left -= part;
                bytes = rest;
                if self.bytes_left == 0 {
                    self.words_left -= 1;
                    self.in_name = false;
                    names.extend(self.ended());
                }
                continue;
            }
            bytes = rest;
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                self.read_line(&line);
                names.extend(self.ended());
            } else {
                self.line.push(byte);
            }
        }
        names
    }

    fn read_line(&mut self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.trim_end();
        if self.words_left > 0 {
            let length = text.strip_prefix('$').and_then(|text| text.parse().ok());
            // A client that breaks the protocol is a failed test: the server would hang up on it.
            let length: u64 = length.unwrap_or_else(|| panic!("no length of a word: {text:?}"));
            self.bytes_left = length + 2;
        } else if let Some(count) = text.strip_prefix('*') {
            self.words_left = count
                .parse()
                .unwrap_or_else(|_| panic!("no number of words: {text:?}"));
            self.in_name = true;
        } else {
            let name = text.split(' ').next().unwrap_or_default();
            self.name.extend_from_slice(name.as_bytes());
        }
    }

    /// The command's name, if it has just ended.
    fn ended(&mut self) -> Option<String> {
        if self.words_left > 0 || self.name.is_empty() {
            return None;
        }
        let name = std::mem::take(&mut self.name);
        Some(
            String::from_utf8_lossy(&name)
                .trim_end()
                .to_ascii_uppercase(),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRAFFIC: &[u8] =
        b"*2\r\n$3\r\nget\r\n$7\r\n*1\r\n$1x\r\nping\r\n*1\r\n$4\r\nPING\r\n*2\r\n$7\r\nEVALSHA\r\n$0\r\n\r\n";

    #[test]
    fn commands_are_counted_and_not_what_looks_like_one_inside_a_word() {
        let names = CommandReader::default().read(TRAFFIC);
        assert_eq!(names, ["GET", "PING", "PING", "EVALSHA"]);
    }

    #[test]
    fn it_does_not_matter_how_the_bytes_arrive() {
        for size in 1..TRAFFIC.len() {
            let mut reader = CommandReader::default();
            let names: Vec<String> = TRAFFIC
                .chunks(size)
                .flat_map(|chunk| reader.read(chunk))
                .collect();
            assert_eq!(names, ["GET", "PING", "PING", "EVALSHA"], "by {size}");
        }
    }

    #[test]
    fn a_command_counts_when_it_is_whole() {
        let mut reader = CommandReader::default();
        assert!(reader.read(b"*1\r\n$4\r\nPING\r").is_empty());
        assert_eq!(reader.read(b"\n"), ["PING"]);
    }
}
