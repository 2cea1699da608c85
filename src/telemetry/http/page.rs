//! The text of `/metrics`, shared by the requests that ask for it at the same time.
//!
//! With 10,000 resources it has several megabytes. A text for each request would let clients that ask often and read
//! slowly fill the memory.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::Mutex;

/// How many texts exist at the same time, at most. While that many are being sent, further requests get the newest of
/// them. A slow client holds one no longer than its connection may live.
const MOST_TEXTS: usize = 3;

/// A text is served for this many times the duration of its encoding, so that encoding takes at most a tenth of the
/// time of one CPU.
const REUSED_FOR: u32 = 10;

/// Encodes the metrics.
type Encode = Arc<dyn Fn() -> String + Send + Sync>;

/// The last texts.
pub(super) struct Page {
    encode: Encode,
    texts: Mutex<Vec<Text>>,
}

struct Text {
    bytes: Bytes,
    fresh_until: Instant,
}

impl Page {
    pub(super) fn new(encode: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self { encode: Arc::new(encode), texts: Mutex::default() }
    }

    /// The current text.
    pub(super) async fn text(&self) -> Bytes {
        // Held while encoding: requests that arrive meanwhile wait for the same text.
        let mut texts = self.texts.lock().await;
        let newest = texts.last().filter(|text| Instant::now() < text.fresh_until);
        if let Some(newest) = newest {
            return newest.bytes.clone();
        }
        // The others are being sent.
        texts.retain(|text| !text.bytes.is_unique());
        if texts.len() >= MOST_TEXTS
            && let Some(newest) = texts.last()
        {
            return newest.bytes.clone();
        }
        let encode = Arc::clone(&self.encode);
        let encoded = tokio::task::spawn_blocking(move || {
            let begin = Instant::now();
            (encode(), begin.elapsed())
        });
        // It is never cancelled, and if it panics, so did a collector: an empty page shows that something is wrong.
        let (text, took) = encoded.await.unwrap_or((String::new(), Duration::ZERO));
        let text =
            Text { bytes: Bytes::from(text), fresh_until: Instant::now() + took * REUSED_FOR };
        let bytes = text.bytes.clone();
        texts.push(text);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted(took: Duration) -> (Page, Arc<AtomicUsize>) {
        let count = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&count);
        let encode = move || {
            std::thread::sleep(took);
            format!("text {}", counter.fetch_add(1, Ordering::SeqCst))
        };
        (Page::new(encode), count)
    }

    #[tokio::test]
    async fn a_text_that_was_sent_is_not_kept() {
        let (page, count) = counted(Duration::ZERO);
        while count.load(Ordering::SeqCst) < 10 {
            assert!(page.text().await.starts_with(b"text "));
            assert_eq!(page.texts.lock().await.len(), 1);
        }
    }

    #[tokio::test]
    async fn slow_clients_share_a_few_texts() {
        let (page, count) = counted(Duration::ZERO);
        let mut being_sent = vec![];
        let end = Instant::now() + Duration::from_millis(100);
        while Instant::now() < end {
            being_sent.push(page.text().await);
        }
        assert_eq!(count.load(Ordering::SeqCst), MOST_TEXTS);
        assert_eq!(being_sent.last().unwrap(), "text 2");
        being_sent.clear();
        assert_eq!(page.text().await, "text 3", "once they are sent, there are new ones");
    }

    #[tokio::test]
    async fn encoding_takes_a_small_part_of_the_time() {
        let (page, count) = counted(Duration::from_millis(100));
        let end = Instant::now() + Duration::from_millis(900);
        while Instant::now() < end {
            page.text().await;
            tokio::task::yield_now().await;
        }
        assert_eq!(count.load(Ordering::SeqCst), 1);
    }
}
