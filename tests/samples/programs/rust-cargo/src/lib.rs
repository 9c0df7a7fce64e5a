//! Letters moved along the alphabet.

/// Moves every ASCII letter of `text` by `places`; anything else stays.
pub fn shift(text: &str, places: u8) -> String {
    text.chars().map(|letter| moved(letter, places)).collect()
}

fn moved(letter: char, places: u8) -> char {
    let first = match letter {
        'a'..='z' => b'a',
        'A'..='Z' => b'A',
        _ => return letter,
    };
    char::from(first + (letter as u8 - first + places % 26) % 26)
}

#[cfg(test)]
mod tests {
    use super::shift;

    #[test]
    fn letters_move() {
        assert_eq!(shift("abc", 3), "def");
    }

    #[test]
    fn the_end_wraps_around() {
        assert_eq!(shift("Zz", 1), "Aa");
    }

    #[test]
    fn other_signs_stay() {
        assert_eq!(shift("1, 2!", 13), "1, 2!");
    }
}
