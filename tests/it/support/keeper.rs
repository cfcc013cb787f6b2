//! Ends what a test started, even if the test binary is killed.

use std::process::{Child, Command, Stdio};

/// A shell that waits for this process to end, which closes its standard input, and then cleans up. A static is never
/// dropped, and a killed process drops nothing: this works for both.
pub struct Keeper(Option<Child>);

/// Makes a keeper that will run `script` with `arguments` as `$1`, `$2` and so on.
pub fn keeper(script: &str, arguments: &[&str]) -> Keeper {
    // Control-C reaches the whole foreground group; the keeper has its work to do just then.
    let child = Command::new("sh")
        .arg("-c")
        .arg(format!("trap '' HUP INT TERM; cat >/dev/null; {script}"))
        .arg("keeper")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("sh can be run");
    Keeper(Some(child))
}

impl Keeper {
    /// Makes the keeper do its work now, and waits for it.
    pub fn run(&mut self) {
        if let Some(mut child) = self.0.take() {
            drop(child.stdin.take());
            child.wait().expect("the keeper can be waited for");
        }
    }

    /// Ends the keeper without its work: what it would end has ended.
    pub fn dismiss(&mut self) {
        if let Some(mut child) = self.0.take() {
            // Standard input stays open until the keeper is gone, or it would begin.
            child.kill().expect("the keeper can be ended");
            child.wait().expect("the keeper can be waited for");
        }
    }
}
