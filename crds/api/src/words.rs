//! An enum of words that people read: each with its spelling and its meaning, which is its documentation.

/// Declares the enum, `ALL`, `as_str` and `meaning`.
#[macro_export]
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[doc = $meaning:literal])+ $word:ident,)+ }
    ) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[doc = $meaning])+ $word,)+
        }

        impl $name {
            /// Every word.
            pub const ALL: &[Self] = &[$(Self::$word,)+];

            /// As people and programs read it.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => stringify!($word),)+
                }
            }

            /// What it says, as a sentence.
            pub fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}
