//! Elections: what one process decides about its Lease.

use operator_core::{
    SECOND, Time,
    cluster::Version,
    lease::{Decision, Election, Record, Term, Timing, Write},
};

pub const DURATION: i64 = 15 * SECOND;

pub fn election(me: &str) -> Election {
    Election::new(me.to_owned(), Timing::of(DURATION))
}

fn held(by: &str, version: u64) -> Record {
    Record {
        version: Version::from(version.to_string()),
        holder: Some(by.to_owned()),
        duration: DURATION,
        transitions: 3,
    }
}

fn at(seconds: i64) -> Time {
    Time(seconds * SECOND)
}

#[test]
fn the_first_process_creates_the_lease_and_leads_at_once() {
    let mut a = election("a");
    assert_eq!(a.decide(at(0)), Decision::Read);
    a.read(None, at(1));
    let write = Write {
        replaces: None,
        holder: Some("a".into()),
        transitions: 0,
    };
    assert_eq!(a.decide(at(1)), Decision::Acquire(write));
    a.written(held("a", 1), at(1));
    assert_eq!(
        a.term(at(2)),
        Term::Leader { until: at(13) },
        "15 s from the sending, less 3 s"
    );
    assert_eq!(a.decide(at(2)), Decision::Wait(at(6)));
    assert!(matches!(a.decide(at(6)), Decision::Renew(_)));
}

#[test]
fn a_term_ends_where_no_renewal_is_accepted() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.failed(at(5));
    assert!(a.term(at(11)).leads(at(11)), "a failure alone ends nothing");
    assert_eq!(a.term(at(12)), Term::Standby);
    assert!(!Term::Leader { until: at(12) }.leads(at(12)));
}

#[test]
fn an_expired_lease_is_taken_at_the_version_that_was_seen() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(100));
    for second in [102, 104, 106, 108, 110, 112, 114] {
        assert_eq!(b.decide(at(second)), Decision::Read);
        b.read(Some(held("a", 7)), at(second));
    }
    assert_eq!(b.decide(at(114)), Decision::Wait(at(115)));
    let write = Write {
        replaces: Some("7".into()),
        holder: Some("b".into()),
        transitions: 4,
    };
    assert_eq!(b.decide(at(115)), Decision::Acquire(write));
}

#[test]
fn a_renewal_that_is_seen_starts_the_wait_again() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(100));
    b.read(Some(held("a", 8)), at(114));
    assert_eq!(b.decide(at(116)), Decision::Read);
    b.failed(at(120));
    b.read(Some(held("a", 8)), at(122));
    assert_eq!(
        b.decide(at(124)),
        Decision::Read,
        "a failed look neither shortens the wait"
    );
    b.read(Some(held("a", 8)), at(129));
    assert!(
        matches!(b.decide(at(129)), Decision::Acquire(_)),
        "nor lengthens it"
    );
}

#[test]
fn the_duration_is_the_one_that_its_holder_promised() {
    let mut b = election("b");
    let record = Record {
        duration: 60 * SECOND,
        ..held("a", 7)
    };
    b.read(Some(record.clone()), at(0));
    b.read(Some(record.clone()), at(59));
    assert_eq!(b.decide(at(59)), Decision::Wait(at(60)));
    assert!(matches!(b.decide(at(60)), Decision::Acquire(_)));
}

#[test]
fn a_released_lease_is_taken_at_once() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(0));
    let released = Record {
        holder: None,
        ..held("a", 8)
    };
    b.read(Some(released), at(2));
    assert!(matches!(b.decide(at(2)), Decision::Acquire(_)));
}

#[test]
fn a_deleted_lease_is_not_taken_before_its_holder_has_given_up() {
    let mut b = election("b");
    b.read(Some(held("a", 7)), at(0));
    b.read(None, at(2));
    assert_eq!(b.decide(at(4)), Decision::Read);
    b.read(None, at(14));
    assert!(matches!(b.decide(at(15)), Decision::Acquire(_)));
}

#[test]
fn a_write_whose_answer_was_lost_is_found_and_made_again() {
    let mut a = election("a");
    a.read(None, at(0));
    a.failed(at(0));
    assert_eq!(
        a.term(at(1)),
        Term::Standby,
        "nobody leads on an assumption"
    );
    assert_eq!(a.decide(at(3)), Decision::Read);
    a.read(Some(held("a", 1)), at(3));
    let Decision::Renew(write) = a.decide(at(3)) else {
        panic!()
    };
    assert_eq!(write.replaces, Some("1".into()));
}

#[test]
fn who_sees_another_holder_stops_at_once() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.failed(at(5));
    a.read(Some(held("b", 3)), at(7));
    assert_eq!(a.term(at(7)), Term::Standby);
}

#[test]
fn who_leaves_gives_the_lease_back_only_if_it_has_it() {
    let mut a = election("a");
    a.read(None, at(0));
    a.written(held("a", 1), at(0));
    a.leave(at(2));
    assert_eq!(a.term(at(2)), Term::Standby);
    let Decision::Release(write) = a.decide(at(2)) else {
        panic!()
    };
    assert_eq!((write.holder, write.replaces), (None, Some("1".into())));
    let released = Record {
        holder: None,
        ..held("a", 2)
    };
    a.written(released, at(2));
    assert_eq!(a.decide(at(2)), Decision::Done);

    let mut b = election("b");
    b.read(Some(held("a", 1)), at(0));
    b.leave(at(1));
    assert_eq!(b.decide(at(1)), Decision::Done);
}

#[test]
fn a_renewal_that_is_answered_after_leaving_gives_no_term() {
    let mut a = election("a");
    a.read(None, at(0));
    a.leave(at(1));
    a.written(held("a", 1), at(0));
    assert_eq!(a.term(at(1)), Term::Standby);
    assert!(matches!(a.decide(at(1)), Decision::Release(_)));
}
