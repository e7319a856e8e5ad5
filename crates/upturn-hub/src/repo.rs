//! What the hub calls a repository: a kind and a name, and the names that are refused.

use crate::error::HubError;

/// Longest name that the hub accepts, characters.
const N_CHARS_MAX: usize = 96;

/// A kind of repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Weights, configuration and tokenizer.
    Model,
    /// Files of rows.
    Dataset,
}

impl Kind {
    /// The word in messages.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Kind::Model => "model",
            Kind::Dataset => "data set",
        }
    }

    /// The word in the cache's folder names and the hub's addresses.
    #[must_use]
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Kind::Model => "models",
            Kind::Dataset => "datasets",
        }
    }

    /// The command that puts `name` into the cache.
    #[must_use]
    pub(crate) fn download_command(self, name: &str) -> String {
        match self {
            Kind::Model => format!("hf download {name}"),
            Kind::Dataset => format!("hf download --repo-type dataset {name}"),
        }
    }
}

/// A repository: `name` or `organisation/name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repo {
    pub(crate) kind: Kind,
    pub(crate) name: String,
}

impl Repo {
    /// Checks a name by the hub's rules.
    pub(crate) fn parse(kind: Kind, name: &str) -> Result<Self, HubError> {
        let n_parts = name.split('/').count();
        let good = n_parts <= 2
            && name.chars().count() <= N_CHARS_MAX
            && name.split('/').all(good_part)
            && !name.contains("--")
            && !name.contains("..")
            && !name.ends_with(".git");
        if good {
            Ok(Repo {
                kind,
                name: name.to_owned(),
            })
        } else {
            Err(HubError::BadName {
                kind,
                name: name.to_owned(),
            })
        }
    }

    /// The repository's folder in a cache.
    pub(crate) fn folder_name(&self) -> String {
        format!("{}--{}", self.kind.plural(), self.name.replace('/', "--"))
    }
}

fn good_part(part: &str) -> bool {
    !part.is_empty()
        && part
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
        && !part.starts_with(['-', '.'])
        && !part.ends_with(['-', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_by_the_hubs_rules() {
        for good in ["gpt2", "EleutherAI/pythia-1.4b", "a_b/c.d", "0x/1"] {
            assert!(Repo::parse(Kind::Model, good).is_ok(), "{good}");
        }
        let long = "x".repeat(97);
        for bad in [
            "", "/", "a/", "/a", "a/b/c", "../a", "a b", "a--b", "-a", "a.", "a..b", "a.git",
            &long, "a/\u{e9}",
        ] {
            let refused = Repo::parse(Kind::Model, bad).unwrap_err();
            assert!(matches!(refused, HubError::BadName { .. }), "{bad}");
        }
    }

    #[test]
    fn folders_are_named_as_the_python_client_names_them() {
        let folder = |kind, name| Repo::parse(kind, name).unwrap().folder_name();
        assert_eq!(folder(Kind::Model, "gpt2"), "models--gpt2");
        assert_eq!(folder(Kind::Dataset, "cais/mmlu"), "datasets--cais--mmlu");
    }
}
