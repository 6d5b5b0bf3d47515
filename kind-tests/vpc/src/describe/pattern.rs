//! Values of filters, in which `*` stands for any text, `?` for one character, and `\` takes the next one as it is.
//! <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/Using_Filtering.html>

/// Whether all of `text` is as `pattern` says. Upper and lower case differ.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    // Where to go on after the last `*` if what follows does not match here.
    let mut retry = None;
    loop {
        let mut rest = pattern.clone();
        match (rest.next(), text.clone().next()) {
            (Some('*'), _) => {
                retry = Some((rest.clone(), text.clone()));
                pattern = rest;
                continue;
            }
            (None, None) => return true,
            (Some(wanted), Some(seen)) => {
                let literal = if wanted == '\\' { rest.next() } else { None };
                if literal.unwrap_or(wanted) == seen || wanted == '?' {
                    pattern = rest;
                    text.next();
                    continue;
                }
            }
            (None, Some(_)) | (Some(_), None) => {}
        }
        let Some((after_star, from)) = &mut retry else {
            return false;
        };
        if from.next().is_none() {
            return false;
        }
        (pattern, text) = (after_star.clone(), from.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn star_is_any_text_and_question_mark_one_character() {
        for (pattern, text) in [
            ("", ""),
            ("*", ""),
            ("eni-*", "eni-"),
            ("a*b*c", "a-b-b-c"),
            ("*b", "abab"),
            ("?.large", "m.large"),
            (r"\*", "*"),
            (r"\?*", "?x"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("", "a"),
            ("?", ""),
            ("?", "ab"),
            ("a*b", "abc"),
            ("A", "a"),
            (r"\*", "a"),
            (r"\?", "a"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
