//! Waits, and shows that something goes on when it takes longer than a second.

use std::pin::pin;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::task::Poll;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::interrupt::{self, Interrupted};

/// Waits for `future`, or for a signal to end. From the second second on, a spinner with `what` and the time that passed
/// turns on standard error, if that is a terminal.
pub(super) fn wait<T>(what: &str, future: impl Future<Output = T>) -> Result<T, Interrupted> {
    let (done, finished) = sync_channel::<()>(0);
    std::thread::scope(|scope| {
        scope.spawn(move || {
            if finished.recv_timeout(Duration::from_secs(1)) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let spinner = ProgressBar::new_spinner().with_message(what.to_owned()).with_elapsed(Duration::from_secs(1));
            if let Ok(style) = ProgressStyle::with_template("{spinner:.cyan} {msg} {elapsed:.dim}") {
                spinner.set_style(style);
            }
            spinner.enable_steady_tick(Duration::from_millis(100));
            // Ends when the sender is dropped.
            let _ = finished.recv();
            spinner.finish_and_clear();
        });
        let mut future = pin!(future);
        let result = futures_executor::block_on(std::future::poll_fn(|context| {
            if let Poll::Ready(result) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(result));
            }
            if interrupt::poll(context) { Poll::Ready(Err(Interrupted)) } else { Poll::Pending }
        }));
        drop(done);
        result
    })
}
