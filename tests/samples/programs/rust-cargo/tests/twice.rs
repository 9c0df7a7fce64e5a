#[test]
fn thirteen_places_twice_is_the_text_itself() {
    let text = "The quick brown fox";
    assert_eq!(caesar::shift(&caesar::shift(text, 13), 13), text);
}
