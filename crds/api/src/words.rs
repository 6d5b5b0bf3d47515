//! An enum of words that people read: each with its spelling and its meaning, which is its documentation.

/// Declares the enum, `ALL`, `as_str` and `meaning`. A word is spelled as its variant, unless it says otherwise: `NotFound = "not_found"`.
#[macro_export]
macro_rules! words {
    (@spelled $word:ident) => { stringify!($word) };
    (@spelled $word:ident $text:literal) => { $text };
    (
        $(#[$about:meta])*
        pub enum $name:ident { $($(#[doc = $meaning:literal])+ $word:ident $(= $text:literal)?,)+ }
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
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$word => $crate::words!(@spelled $word $($text)?),)+
                }
            }

            /// What it says, as a sentence.
            pub const fn meaning(self) -> &'static str {
                match self {
                    $(Self::$word => concat!($($meaning),+).trim_ascii(),)+
                }
            }
        }
    };
}
