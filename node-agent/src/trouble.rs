//! Trouble that goes on: logged when it begins and when it ends, however often it is met.

/// Something that may fail each time.
#[derive(Debug, Default)]
pub(crate) struct Trouble {
    lasts: bool,
}

impl Trouble {
    /// Takes in how it went this time. Returns whether that is news: the first failure, or the first success after one.
    pub fn is_news(&mut self, went_well: bool) -> bool {
        std::mem::replace(&mut self.lasts, !went_well) == went_well
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_failure_and_the_first_success_after_it_are_news() {
        let mut trouble = Trouble::default();
        let outcomes = [true, false, false, true, true, false];
        assert_eq!(
            outcomes.map(|went_well| trouble.is_news(went_well)),
            [false, true, false, true, false, true]
        );
    }
}
