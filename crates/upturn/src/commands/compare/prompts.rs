//! The prompts: from the command line, from files, from stdin.

use std::io::Read;
use std::path::Path;

use super::Args;
use crate::exit::{Exit, Failure};

/// What stands for stdin.
const STDIN: &str = "-";
/// Most bytes of prompts from one place.
const BYTES_MAX: u64 = 64 << 20;

/// All prompts, in order: those of the command line, then those of files.
pub fn read(args: &Args) -> Result<Vec<String>, Failure> {
    let mut prompts = Vec::new();
    let mut is_stdin_read = false;
    let mut stdin = || {
        if std::mem::replace(&mut is_stdin_read, true) {
            return Err(Failure::usage(
                "stdin is asked for twice; it can be read once",
            ));
        }
        lines("stdin", std::io::stdin().lock())
    };
    for prompt in &args.prompts {
        if prompt == STDIN {
            prompts.extend(stdin()?);
            continue;
        }
        if Path::new(prompt).join("config.json").is_file() {
            return Err(Failure::usage(format!(
                "the prompt '{prompt}' is a model's folder; models are separated by commas \
                 (--models a,b), and a pattern is quoted (--models 'models/*')"
            )));
        }
        prompts.push(prompt.clone());
    }
    for path in &args.file {
        if path == Path::new(STDIN) {
            prompts.extend(stdin()?);
            continue;
        }
        let name = path.display().to_string();
        let file = std::fs::File::open(path).map_err(|e| unreadable(&name, &e))?;
        prompts.extend(lines(&name, file)?);
    }
    if prompts.is_empty() {
        return Err(match args.prompts.is_empty() && args.file.is_empty() {
            true => Failure::usage(
                "no prompt; give one (upturn compare --models A,B 'PROMPT'), or --file FILE, or - \
                 for stdin",
            ),
            false => Failure::new(
                Exit::NoInput,
                "there is no line with text to take as a prompt",
            ),
        });
    }
    match args.escape {
        true => prompts.iter().map(|p| unescape("a prompt", p)).collect(),
        false => Ok(prompts),
    }
}

fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    Failure::new(Exit::NoInput, format!("{name}: cannot be read ({error})"))
}

/// The lines that are not empty.
fn lines(name: &str, source: impl Read) -> Result<Vec<String>, Failure> {
    let mut bytes = Vec::new();
    source
        .take(BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| unreadable(name, &e))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Failure::new(
            Exit::NoInput,
            format!(
                "{name}: is longer than {} MiB; expected a file of prompts, one a line",
                BYTES_MAX >> 20
            ),
        ));
    }
    let text = String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        let line = 1 + e.as_bytes()[..at].iter().filter(|b| **b == b'\n').count();
        Failure::new(
            Exit::NoInput,
            format!("{name}: line {line}: byte {at} is no UTF-8; convert the file"),
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    Ok(text
        .lines()
        .filter(|line| !line.is_empty())
        .map(str::to_owned)
        .collect())
}

/// Reads backslash sequences; `what` names the text in messages.
pub fn unescape(what: &str, text: &str) -> Result<String, Failure> {
    let mut read = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        read.push_str(before);
        let (c, n) = sequence(after).ok_or_else(|| {
            let shown: String = after.chars().take(1).collect();
            Failure::usage(format!(
                "--escape: \\{} in {what} is not known; expected \\n, \\t, \\r, \\\\ or \\u{{HEX}}",
                shown.escape_debug()
            ))
        })?;
        read.push(c);
        rest = &after[n..];
    }
    read.push_str(rest);
    Ok(read)
}

/// The character that a sequence stands for, and its bytes after the backslash.
fn sequence(after: &str) -> Option<(char, usize)> {
    let simple = |c| Some((c, 1));
    match after.chars().next()? {
        'n' => simple('\n'),
        't' => simple('\t'),
        'r' => simple('\r'),
        '\\' => simple('\\'),
        'u' => {
            let (hex, _) = after.strip_prefix("u{")?.split_once('}')?;
            let is_hex = (1..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let code = u32::from_str_radix(hex, 16).ok().filter(|_| is_hex)?;
            Some((char::from_u32(code)?, hex.len() + 3))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequences_are_read_and_others_refused() {
        let read = |text: &str| unescape("a prompt", text).map_err(|f| f.message);
        assert_eq!(read(r"a\nb\\n\t\u{e9}é\r"), Ok("a\nb\\n\té\u{e9}\r".into()));
        assert_eq!(read(""), Ok(String::new()));
        for wrong in [
            r"a\x",
            r"\u{d800}",
            r"\u{}",
            r"\u{+1}",
            r"\u{1234567}",
            r"\u12",
            "\\",
            r"\é",
        ] {
            let line = read(wrong).expect_err(wrong);
            assert!(
                line.contains("is not known; expected") && !line.contains('\n'),
                "{line}"
            );
        }
    }

    #[test]
    fn lines_are_taken_as_they_are() {
        let read = |bytes: &[u8]| lines("p.txt", bytes).map_err(|f| f.message);
        assert_eq!(
            read("\u{feff}a \r\n\n\\n\n  b".as_bytes()),
            Ok(vec!["a ".to_owned(), "\\n".into(), "  b".into()])
        );
        let line = read(b"ok\n\xff").expect_err("no UTF-8");
        assert_eq!(line, "p.txt: line 2: byte 3 is no UTF-8; convert the file");
    }
}
