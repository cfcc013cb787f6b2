//! The stop that background work waits for.

use tokio::sync::watch;

/// Gives the stop. Dropping it gives it too.
pub struct Stopper(watch::Sender<bool>);

/// Waits for the stop; cheap to clone.
#[derive(Clone)]
pub struct Stop(watch::Receiver<bool>);

/// A stop that has not been given yet.
pub fn stop() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(false);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    pub fn stop(&self) {
        self.0.send_replace(true);
    }
}

impl Stop {
    pub fn is_given(&self) -> bool {
        *self.0.borrow()
    }

    /// Ready once the stop has been given.
    pub async fn given(&mut self) {
        _ = self.0.wait_for(|stop| *stop).await;
    }
}
