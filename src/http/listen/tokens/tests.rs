use super::*;
use crate::cursor::Snapshot;

/// When the server started, in these tests.
const START: Micros = 1_732_104_000_000_000;

fn cursor(xmax: u64) -> Arc<Cursor> {
    Arc::new(Cursor { epoch: 1, snapshot: Snapshot::new(xmax, Vec::new()) })
}

fn tokens(remembered: usize) -> Tokens {
    Tokens::new(START, remembered)
}

#[test]
fn the_newest_mtime_is_handed_out_as_it_is() {
    let tokens = tokens(10);
    assert_eq!(tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(7)), START + 400);
    assert_eq!(tokens.cursor(START + 400, &Topic::new()), Some(cursor(7)));
    assert_eq!(tokens.hand_out_at(START + 600, Some(START + 400), true, 0, &cursor(7)), START + 400, "the same cursor has the same number");
    assert_eq!(tokens.cursor(START + 401, &Topic::new()), None);
}

#[test]
fn two_cursors_never_share_a_number() {
    let tokens = tokens(10);
    let first = tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(7));
    let second = tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(8));
    assert_eq!((first, second), (START + 400, START + 401));
    assert_eq!(tokens.cursor(first, &Topic::new()), Some(cursor(7)));
    assert_eq!(tokens.cursor(second, &Topic::new()), Some(cursor(8)));
}

/// Another server may have told the same mtime before it saw the other transaction.
#[test]
fn an_mtime_that_is_not_alone_is_told_with_a_mark_of_the_cursor() {
    let numbers: Vec<Micros> =
        (7..10).map(|xmax| tokens(10).hand_out_at(START + 500, Some(START + 400), false, 0, &cursor(xmax))).collect();
    assert!(numbers.iter().all(|number| (START + 401..START + 1_400).contains(number)), "{numbers:?}");
    assert!(numbers[0] != numbers[1] && numbers[1] != numbers[2] && numbers[0] != numbers[2], "{numbers:?}");
    assert_eq!(
        tokens(10).hand_out_at(START + 900, Some(START + 400), false, 0, &cursor(7)),
        numbers[0],
        "every server tells one cursor alike"
    );
}

#[test]
fn a_number_is_above_the_one_that_the_entry_had() {
    let tokens = tokens(10);
    let had = tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(7));
    let next = tokens.hand_out_at(START + 600, Some(START + 100), true, had, &cursor(8));
    assert!(next > had && next < had + 1_000, "a late commit's mtime is older: {next}");
    assert_eq!(
        tokens.hand_out_at(START + 600, Some(START + 100), true, 9_000_000_000_000_000, &cursor(8)),
        START + 100,
        "no clock says that"
    );
}

#[test]
fn what_was_before_the_start_may_have_been_handed_out_by_another_process() {
    let tokens = tokens(10);
    assert_eq!(tokens.hand_out_at(START + 500, Some(START - 400), true, 0, &cursor(7)), START + 500);
    assert_eq!(tokens.hand_out_at(START + 900, Some(START - 400), true, 0, &cursor(7)), START + 500, "one number for all at this cursor");
    assert_eq!(tokens.hand_out_at(START + 900, None, true, START + 500, &cursor(7)), START + 900, "but for whom it would be no higher");
}

#[test]
fn an_mtime_centuries_ahead_is_not_handed_out() {
    let tokens = tokens(10);
    assert_eq!(tokens.hand_out_at(START + 500, Some(START * 2), true, 0, &cursor(7)), START + 500);
    assert_eq!(tokens.hand_out_at(START + 700, Some(START + 600), true, 0, &cursor(8)), START + 600);
}

#[test]
fn a_forgotten_number_is_never_handed_out_again() {
    let tokens = tokens(10);
    let forgotten = tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(1));
    let used = tokens.hand_out_at(START + 500, Some(START + 401), true, 0, &cursor(2));
    for xmax in 3..100 {
        tokens.hand_out_at(START + 1_000, Some(START + 400 + xmax as Micros), true, 0, &cursor(xmax));
        assert_eq!(tokens.cursor(used, &Topic::new()), Some(cursor(2)));
    }
    assert_eq!(tokens.cursor(forgotten, &Topic::new()), None);
    let late = tokens.hand_out_at(START + 2_000, Some(forgotten), true, 0, &cursor(200));
    assert!(late > START + 400, "the number of another cursor");
    assert_eq!(tokens.cursor(forgotten, &Topic::new()), None);
    assert_eq!(tokens.cursor(late, &Topic::new()), Some(cursor(200)));
}

#[test]
fn a_quiet_topic_moves_on_for_itself_alone() {
    let tokens = tokens(10);
    let number = tokens.hand_out_at(START + 500, Some(START + 400), true, 0, &cursor(7));
    let (quiet, other) = (vec![(1, Filter::default())], vec![(2, Filter::default())]);
    tokens.had_no_news(number, quiet.clone(), cursor(9));
    assert_eq!(tokens.cursor(number, &quiet), Some(cursor(9)));
    assert_eq!(tokens.cursor(number, &other), Some(cursor(7)), "the other may have had news since");
}
