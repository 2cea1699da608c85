//! A text of several megabytes in small parts: growing one large buffer would take twice the memory, and leave holes in
//! the heap.

use std::fmt;

use bytes::Bytes;

/// Size of a part in bytes, if no write is larger. A connection buffers one of them.
const PART: usize = 16 * 1024;

/// A text that is being written.
#[derive(Default)]
pub struct Parts {
    full: Vec<Bytes>,
    last: String,
}

impl fmt::Write for Parts {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.last.len() + text.len() > PART {
            let last = std::mem::replace(&mut self.last, String::with_capacity(PART));
            self.full.push(last.into());
        }
        self.last.push_str(text);
        Ok(())
    }
}

impl Parts {
    /// The parts, in order.
    pub fn finish(mut self) -> Vec<Bytes> {
        self.full.push(self.last.into());
        self.full
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write;

    #[test]
    fn the_parts_are_the_text() {
        let (mut parts, mut text) = (Parts::default(), String::new());
        for n in 0..5000 {
            writeln!(parts, "line {n}").unwrap();
            writeln!(text, "line {n}").unwrap();
        }
        let large = "x".repeat(2 * PART);
        parts.write_str(&large).unwrap();
        let parts = parts.finish();
        assert_eq!(parts.concat(), (text + &large).into_bytes());
        assert!(parts.len() > 3 && parts.iter().rev().skip(1).all(|part| part.len() <= PART));
    }
}
