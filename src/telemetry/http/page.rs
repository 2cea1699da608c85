//! The text of `/metrics`, shared by the requests that ask for it at the same time.
//!
//! With 10,000 resources it has several megabytes. A text for each request would let clients that ask often and read
//! slowly fill the memory.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use tokio::sync::Mutex;

/// How many texts exist at the same time, at most. While that many are being sent, further requests get the newest of
/// them. A slow client holds one no longer than its connection may live.
const MOST_TEXTS: usize = 3;

/// How much time of a CPU encoding may take at once, in seconds, and how much more in each second. Beyond that, the last
/// text is served again.
const TIME_AT_ONCE: f64 = 1.0;
const TIME_EACH_SECOND: f64 = 0.1;

/// Encodes the metrics.
type Encode = Arc<dyn Fn() -> Vec<Bytes> + Send + Sync>;

/// A text, in parts.
pub(super) type Text = Arc<[Bytes]>;

/// The last texts.
pub(super) struct Page {
    encode: Encode,
    texts: Mutex<Texts>,
}

struct Texts {
    /// The newest, and older ones that are being sent.
    texts: Vec<Text>,
    /// Time that is left for encoding, in seconds.
    time: f64,
    at: Instant,
}

impl Page {
    pub(super) fn new(encode: impl Fn() -> Vec<Bytes> + Send + Sync + 'static) -> Self {
        let texts = Texts { texts: vec![], time: TIME_AT_ONCE, at: Instant::now() };
        Self { encode: Arc::new(encode), texts: Mutex::new(texts) }
    }

    /// The current text.
    pub(super) async fn text(&self) -> Text {
        // Held while encoding: requests that arrive meanwhile wait for the same text.
        let mut texts = self.texts.lock().await;
        if let Some(text) = texts.reusable() {
            return text;
        }
        let encode = Arc::clone(&self.encode);
        let encoded = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            (encode(), begin.elapsed())
        });
        // It is never cancelled, and if it panics, so did a collector: an empty page shows that something is wrong.
        let (text, took) = encoded.await.unwrap_or_default();
        texts.time -= took.as_secs_f64();
        let text = Text::from(text);
        texts.texts.push(Arc::clone(&text));
        text
    }
}

impl Texts {
    /// The newest text, if no new one may be made.
    fn reusable(&mut self) -> Option<Text> {
        let passed = self.at.elapsed().as_secs_f64();
        self.time = (self.time + passed * TIME_EACH_SECOND).min(TIME_AT_ONCE);
        self.at = Instant::now();
        if self.time > 0.0 {
            // Those that are not unique are being sent.
            self.texts.retain(|text| Arc::strong_count(text) > 1);
            if self.texts.len() < MOST_TEXTS {
                return None;
            }
        }
        self.texts.last().cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn counted(took: Duration) -> (Page, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let encode = move || {
            std::thread::sleep(took);
            vec![format!("text {}", counter.fetch_add(1, Ordering::SeqCst)).into()]
        };
        (Page::new(encode), count)
    }

    #[tokio::test]
    async fn a_text_that_was_sent_is_not_kept() {
        let (page, count) = counted(Duration::ZERO);
        for number in 0..10 {
            assert_eq!(*page.text().await, [format!("text {number}")]);
        }
        assert_eq!(page.texts.lock().await.texts.len(), 1);
        assert_eq!(count.load(Ordering::SeqCst), 10);
    }

    #[tokio::test]
    async fn slow_clients_share_a_few_texts() {
        let (page, count) = counted(Duration::ZERO);
        let mut being_sent = vec![];
        for _ in 0..100 {
            being_sent.push(page.text().await);
        }
        assert_eq!(count.load(Ordering::SeqCst), MOST_TEXTS);
        assert_eq!(**being_sent.last().unwrap(), ["text 2"]);
        being_sent.clear();
        assert_eq!(*page.text().await, ["text 3"], "once they are sent, there are new ones");
    }

    #[tokio::test]
    async fn encoding_takes_a_small_part_of_the_time() {
        let (page, count) = counted(Duration::from_millis(300));
        for _ in 0..10_000 {
            page.text().await;
        }
        let count = count.load(Ordering::SeqCst);
        assert!((2..=4).contains(&count), "{count} take a second");
    }
}
