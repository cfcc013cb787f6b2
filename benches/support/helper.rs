//! A process that the bench starts from itself, which takes orders by lines and answers by lines.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

pub struct Helper {
    child: Child,
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Helper {
    pub fn start(arguments: &[String]) -> Helper {
        let program = std::env::current_exe().expect("the bench knows its own file");
        let mut child =
            Command::new(program).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it can be run again");
        let orders = child.stdin.take();
        let answers = BufReader::new(child.stdout.take().expect("standard output is a pipe"));
        Helper { child, orders, answers }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn order(&mut self, line: &str) {
        let orders = self.orders.as_mut().expect("it takes orders until it is dropped");
        writeln!(orders, "{line}").and_then(|()| orders.flush()).expect("orders can be given");
    }

    /// What it says next, after a word that is expected.
    pub fn expect(&mut self, word: &str) -> Vec<u64> {
        let mut line = String::new();
        self.answers.read_line(&mut line).expect("answers are text");
        let mut words = line.split_whitespace();
        assert_eq!(words.next(), Some(word), "it said {line:?}");
        words.map(|number| number.parse().expect("a number")).collect()
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        // It ends with its standard input.
        drop(self.orders.take());
        _ = self.child.wait();
    }
}
