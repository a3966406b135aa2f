use super::*;
use tokio::time::advance;

const SETTLE: Duration = Duration::from_millis(50);
const POLL: Duration = Duration::from_secs(5);

/// One that has been looked at and found to be what serves.
fn at_rest() -> Watched {
    let mut watched = Watched::new(Vec::new());
    watched.start();
    watched.succeed(Marks::default());
    assert_eq!(watched.due(SETTLE), None);
    watched
}

fn failure(reason: &str, blame: Blame) -> Failure {
    Failure { reason: reason.to_owned(), blame, content: None }
}

#[tokio::test(start_paused = true)]
async fn a_storm_of_signs_does_not_put_the_look_off_for_ever() {
    let mut watched = at_rest();
    let began = Instant::now();
    for _ in 0..100 {
        watched.touch();
        advance(SETTLE / 2).await;
    }
    assert_eq!(watched.due(SETTLE), Some(began + SETTLE * MAX_SETTLES));
}

#[tokio::test(start_paused = true)]
async fn what_may_pass_is_tried_again_ever_less_often_and_said_once() {
    let mut watched = at_rest();
    watched.touch();
    let (mut pauses, mut news) = (Vec::new(), Vec::new());
    for _ in 0..6 {
        watched.start();
        assert_eq!(watched.due(SETTLE), None, "not while it is looked at");
        let away = failure("it is away", Blame::Surroundings);
        news.push(watched.fail(Marks::default(), away, POLL));
        let pause = watched.due(SETTLE).unwrap() - Instant::now();
        advance(pause).await;
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
    assert_eq!(news.iter().filter(|news| **news == News::New).count(), 1);
    // A retry reads although nothing has changed, and only once for each pause.
    assert!(watched.start().known.is_none());
    watched.stop();
    assert_eq!(watched.due(SETTLE), None);
}

#[tokio::test(start_paused = true)]
async fn what_is_bad_is_left_alone() {
    let mut watched = at_rest();
    watched.touch();
    watched.start();
    let bad = failure("it is bad", Blame::Content);
    assert_eq!(watched.fail(Marks::default(), bad, POLL), News::New);
    assert_eq!(watched.due(SETTLE), None);
}

#[tokio::test(start_paused = true)]
async fn what_looks_unfinished_is_given_some_patience() {
    let mut watched = at_rest();
    watched.force(Urge::Retry);
    let began = Instant::now();
    loop {
        advance(SETTLE).await;
        let looked = watched.start().glance();
        let Some(_) = watched.judged(looked) else { continue };
        let cut = failure("cut at some place", Blame::Unfinished);
        if watched.fail(Marks::default(), cut, POLL) == News::New {
            break;
        }
    }
    assert!(began.elapsed() >= PATIENCE && began.elapsed() < PATIENCE * 2);
    // Cut at another place, it is the same piece of news.
    watched.touch();
    watched.start();
    let cut = failure("cut at another place", Blame::Unfinished);
    assert_eq!(watched.fail(Marks::default(), cut, POLL), News::None);
}

#[test]
fn a_mark_that_was_fresh_is_not_trusted_later() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let look = |watched: &mut Watched| {
        let looked = watched.start().glance();
        let Some(marks) = watched.judged(looked) else { return false };
        watched.succeed(marks);
        true
    };
    let mut watched = Watched::new(vec![Dependency::File(path)]);
    assert!(look(&mut watched), "the first look");
    std::thread::sleep(Duration::from_millis(250));
    assert!(look(&mut watched), "the file was new when it was marked");
    assert!(!look(&mut watched));
}

#[tokio::test(start_paused = true)]
async fn another_reason_does_not_shorten_the_pause() {
    let mut watched = at_rest();
    watched.touch();
    let mut pauses = Vec::new();
    for reason in ["500", "503", "500", "503"] {
        watched.start();
        let away = failure(reason, Blame::Surroundings);
        assert_eq!(watched.fail(Marks::default(), away, POLL), News::New);
        let pause = watched.due(SETTLE).unwrap() - Instant::now();
        advance(pause).await;
        pauses.push(pause.as_secs());
    }
    assert_eq!(pauses, [5, 10, 20, 40]);
    watched.start();
    watched.succeed(Marks::default());
    watched.touch();
    watched.start();
    watched.fail(Marks::default(), failure("500", Blame::Surroundings), POLL);
    assert_eq!(watched.due(SETTLE), Some(Instant::now() + POLL), "after a success it is new");
}

#[tokio::test(start_paused = true)]
async fn who_asks_is_answered_again() {
    let mut watched = at_rest();
    let refuse = |watched: &mut Watched, blame| {
        watched.start();
        watched.fail(Marks::default(), failure("it is bad", blame), POLL)
    };
    assert_eq!(refuse(&mut watched, Blame::Content), News::New);
    assert_eq!(refuse(&mut watched, Blame::Content), News::None);
    watched.force(Urge::Person);
    assert_eq!(refuse(&mut watched, Blame::Content), News::New);
    assert_eq!(refuse(&mut watched, Blame::Content), News::None, "once");
    // What may be growing is judged first.
    watched.force(Urge::Person);
    assert_eq!(refuse(&mut watched, Blame::Unfinished), News::None);
    advance(PATIENCE).await;
    assert_eq!(refuse(&mut watched, Blame::Unfinished), News::New);
}

#[tokio::test(start_paused = true)]
async fn an_edit_with_the_same_mistake_is_news() {
    let dir = tempfile::tempdir().unwrap();
    let (file, listed) = (dir.path().join("file"), dir.path().to_owned());
    let other = Dependency::File(dir.path().join("other"));
    let mut watched =
        Watched::new(vec![Dependency::File(file.clone()), Dependency::Listing(listed)]);
    let refuse = |watched: &mut Watched, blame| {
        watched.force(Urge::Retry);
        let looked = watched.start().glance();
        let marks = watched.judged(looked).unwrap();
        watched.fail(marks, failure("it is bad", blame), POLL)
    };
    std::fs::write(&file, "one").unwrap();
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::New);
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::None);
    std::fs::write(dir.path().join("noise"), "").unwrap();
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::None, "that is something else");
    watched.depend_on(vec![Dependency::File(file.clone()), other]);
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::None, "known by now");
    std::fs::write(dir.path().join("other"), "one").unwrap();
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::New, "what came to be known");
    std::fs::write(&file, "another").unwrap();
    assert_eq!(refuse(&mut watched, Blame::Surroundings), News::New);
}

#[tokio::test(start_paused = true)]
async fn what_grows_is_judged_when_it_is_still() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    std::fs::write(&path, "").unwrap();
    let mut watched = Watched::new(vec![Dependency::File(path.clone())]);
    let judged = |watched: &mut Watched| {
        let looked = watched.start().glance();
        watched.judged(looked)
    };
    let marks = judged(&mut watched).unwrap();
    watched.fail(marks, failure("cut", Blame::Unfinished), POLL);
    for size in 1..20 {
        std::fs::write(&path, vec![0; size]).unwrap();
        watched.touch();
        advance(PATIENCE / 2).await;
        assert!(watched.due(SETTLE).unwrap() <= Instant::now());
        assert!(judged(&mut watched).is_none());
    }
    advance(PATIENCE - SETTLE).await;
    assert!(judged(&mut watched).is_none());
    advance(SETTLE).await;
    assert!(watched.due(SETTLE).unwrap() <= Instant::now());
    let marks = judged(&mut watched).unwrap();
    watched.succeed(marks);
    assert_eq!(watched.due(SETTLE), None);
}
