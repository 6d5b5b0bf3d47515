//! Finds every log line in the source of a program: level, message, fields.

use std::{fs, path::Path, str::FromStr};

use proc_macro2::{TokenStream, TokenTree};

/// A call of one of tracing's macros.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Line {
    /// Always the same words.
    pub message: String,
    /// As the macro is named.
    pub level: String,
    /// Names of the fields, in order of the source.
    pub fields: Vec<String>,
    /// Whether a field is written as Rust's Debug has it.
    pub debug: bool,
    /// The file.
    pub file: String,
}

const LEVELS: [&str; 5] = ["error", "warn", "info", "debug", "trace"];

/// The lines of all files below a folder.
pub fn of_folder(folder: &Path) -> Vec<Line> {
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            lines.extend(of_folder(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let file = path.display().to_string();
            lines.extend(of_text(&text, &file));
        }
    }
    lines.sort();
    lines
}

/// The lines of a source text.
pub fn of_text(text: &str, file: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    search(TokenStream::from_str(text).unwrap(), file, &mut lines);
    lines
}

fn word(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(word)) => Some(word.to_string()),
        _ => None,
    }
}

fn search(tokens: TokenStream, file: &str, lines: &mut Vec<Line>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let TokenTree::Group(group) = token else {
            continue;
        };
        let before = |back: usize| word(at.checked_sub(back).and_then(|at| tokens.get(at)));
        // tracing :: level ! ( … )
        let level = before(2).filter(|level| LEVELS.contains(&level.as_str()));
        if let (Some(level), Some("tracing")) = (level, before(5).as_deref()) {
            lines.push(line(level, group.stream(), file));
        } else if (before(2).as_deref(), before(1).as_deref()) != (Some("mod"), Some("tests")) {
            search(group.stream(), file, lines);
        }
    }
}

fn line(level: String, arguments: TokenStream, file: &str) -> Line {
    let mut line = Line {
        message: String::new(),
        level,
        fields: Vec::new(),
        debug: false,
        file: file.to_owned(),
    };
    let tokens: Vec<TokenTree> = arguments.into_iter().collect();
    let is_comma = |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == ',');
    for argument in tokens.split(is_comma) {
        match argument {
            [] => {}
            [TokenTree::Literal(literal)] => {
                line.message = serde_json::from_str(&literal.to_string()).unwrap();
            }
            [TokenTree::Punct(sigil), TokenTree::Ident(field), ..] => {
                line.debug |= sigil.as_char() == '?';
                line.fields.push(field.to_string());
            }
            [TokenTree::Ident(field), rest @ ..] => {
                let debug =
                    |token: &TokenTree| matches!(token, TokenTree::Punct(p) if p.as_char() == '?');
                line.debug |= rest.get(1).is_some_and(debug);
                line.fields.push(field.to_string());
            }
            other => panic!("{file}: a log line with {other:?}"),
        }
    }
    line
}
