//! Solidity sources, compiled by the compiler that is installed: `solc`, or npm's `solcjs`.

use std::{
    io::{Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

use super::{Artifact, ArtifactError, json as output};
use crate::Fork;

/// A compiler that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiler {
    /// The program.
    pub program: PathBuf,
    /// What it says its version is, such as `0.8.30+commit.73712a01.Emscripten.clang`.
    pub version: String,
}

/// How sources are compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// The contract, if the file has several: `Name` or `File.sol:Name`.
    pub contract: Option<String>,
    /// `prefix=path`, as `remappings.txt` has them. Relative paths begin at the current directory.
    pub remappings: Vec<String>,
    /// Folders in which imports are looked for, besides the file's own and the `node_modules` around it.
    pub include_paths: Vec<PathBuf>,
}

/// What the compiler made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compiled {
    /// The contract.
    pub artifact: Artifact,
    /// The compiler.
    pub compiler: Compiler,
    /// Its warnings and remarks, formatted by it.
    pub diagnostics: Vec<String>,
}

impl Compiler {
    /// Looks for `solc` and `solcjs` on the PATH, then for `solcjs` in the `node_modules` around `near` and around the
    /// current directory.
    ///
    /// # Errors
    /// When there is none, or it does not tell its version.
    pub fn find(near: &Path) -> Result<Self, ArtifactError> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let on_path = ["solc", "solcjs"]
            .into_iter()
            .flat_map(|name| std::env::split_paths(&path).map(move |folder| folder.join(name)));
        let installed = node_modules(near).into_iter().chain(node_modules(Path::new(".")));
        let installed = installed.map(|folder| folder.join(".bin/solcjs"));
        let program = on_path.chain(installed).find(|file| file.is_file()).ok_or(ArtifactError::NoCompiler)?;
        Self::at(program)
    }

    /// The compiler at a path.
    ///
    /// # Errors
    /// When it cannot be started, or does not tell its version.
    pub fn at(program: PathBuf) -> Result<Self, ArtifactError> {
        let told = Command::new(&program).arg("--version").stdin(Stdio::null()).output();
        let told = told.map_err(|error| io("start", &program, &error))?;
        let text = String::from_utf8_lossy(&told.stdout);
        // solc has a line for its name and one "Version: …"; solcjs prints the version alone.
        let line = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        let version = line.strip_prefix("Version:").unwrap_or(line).trim().to_owned();
        if !told.status.success() || !version.starts_with(|c: char| c.is_ascii_digit()) {
            let why = format!("it does not tell its version: {}", String::from_utf8_lossy(&told.stderr).trim());
            return Err(ArtifactError::Io { action: "use", path: program, why });
        }
        Ok(Self { program, version })
    }

    /// Compiles a file for a fork, with the optimiser on.
    ///
    /// A compiler that does not know the fork compiles for its own default, which is checked like all code at deployment.
    ///
    /// # Errors
    /// When a file cannot be read, the compiler finds errors, or the contract is not told.
    pub fn compile(self, file: &Path, settings: &Settings, fork: Fork) -> Result<Compiled, ArtifactError> {
        let content = std::fs::read_to_string(file).map_err(|error| io("read", file, &error))?;
        let full = file.canonicalize().map_err(|error| io("read", file, &error))?;
        let folder = full.parent().unwrap_or(Path::new("/"));
        let name = full.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let include = include_paths(folder, settings)?;
        let remappings = rooted(&settings.remappings, folder, &include)?;
        let job = |evm_version: Option<&str>| {
            json!({
                "language": "Solidity",
                "sources": { &*name: { "content": content } },
                "settings": {
                    "remappings": remappings,
                    "optimizer": { "enabled": true, "runs": 200 },
                    "evmVersion": evm_version,
                    "outputSelection": { "*": { "*": ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"] } },
                },
            })
        };
        let mut answer = self.run(folder, &include, &job(Some(solc_name(fork))))?;
        if messages(&answer).iter().any(|message| message.contains("Invalid EVM version")) {
            let mut job = job(None);
            if let Some(settings) = job.get_mut("settings").and_then(Value::as_object_mut) {
                settings.remove("evmVersion");
            }
            answer = self.run(folder, &include, &job)?;
        }
        let wanted = settings.contract.as_deref();
        let artifact = match output::read(&answer, wanted) {
            // Imports bring contracts along; those of the file itself are meant.
            Err(ArtifactError::Several { .. }) if wanted.is_none() => output::read(&only(&answer, &name), None)?,
            result => result?,
        };
        Ok(Compiled { artifact, compiler: self, diagnostics: messages(&answer) })
    }

    fn run(&self, folder: &Path, include: &[PathBuf], job: &Value) -> Result<Value, ArtifactError> {
        let mut command = Command::new(&self.program);
        command.args(["--standard-json", "--base-path"]).arg(folder);
        for path in include.iter().filter(|path| *path != folder) {
            command.arg("--include-path").arg(path);
        }
        // Not a pipe: solcjs ends before a pipe has taken more than its buffer holds.
        let mut output = tempfile::tempfile().map_err(|error| io("write to", &std::env::temp_dir(), &error))?;
        let stdout = output.try_clone().map_err(|error| io("write to", &std::env::temp_dir(), &error))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(stdout)
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io("start", &self.program, &error))?;
        // The compiler reads all of its task before it writes; that it may end early is told by its answer.
        let fed = child.stdin.take().map(|mut pipe| pipe.write_all(job.to_string().as_bytes()));
        let answer = child.wait_with_output().map_err(|error| io("run", &self.program, &error))?;
        let mut text = String::new();
        let read = output.rewind().and_then(|()| output.read_to_string(&mut text));
        read.map_err(|error| io("read the answer of", &self.program, &error))?;
        // solcjs prints remarks in front.
        let start = text.find('{').unwrap_or(text.len());
        serde_json::from_str(text.get(start..).unwrap_or_default()).map_err(|_| {
            let said = String::from_utf8_lossy(&answer.stderr).trim().to_owned();
            let why = match fed {
                Some(Err(error)) if said.is_empty() => error.to_string(),
                _ if said.is_empty() => format!("it ended with {} and without an answer", answer.status),
                _ => said,
            };
            ArtifactError::Io { action: "compile with", path: self.program.clone(), why }
        })
    }
}

/// Compiles a file with the compiler that is found near it.
///
/// # Errors
/// As [`Compiler::find`] and [`Compiler::compile`].
pub fn compile(file: &Path, settings: &Settings, fork: Fork) -> Result<Compiled, ArtifactError> {
    Compiler::find(file)?.compile(file, settings, fork)
}

fn io(action: &'static str, path: &Path, error: &std::io::Error) -> ArtifactError {
    ArtifactError::Io { action, path: path.to_owned(), why: error.to_string() }
}

/// The `node_modules` in the folders from `near` upwards.
fn node_modules(near: &Path) -> Vec<PathBuf> {
    let Ok(near) = near.canonicalize() else { return Vec::new() };
    near.ancestors().map(|folder| folder.join("node_modules")).filter(|folder| folder.is_dir()).collect()
}

/// Where the compiler looks for imports: folders that were given, and those that are found.
fn include_paths(folder: &Path, settings: &Settings) -> Result<Vec<PathBuf>, ArtifactError> {
    // Reading it tells that it is there, and a folder.
    let given = settings.include_paths.iter().map(|path| {
        let full = path.read_dir().and_then(|_| path.canonicalize());
        full.map_err(|error| io("look for imports in", path, &error))
    });
    let mut include = given.collect::<Result<Vec<_>, _>>()?;
    include.extend(node_modules(folder));
    if !settings.remappings.is_empty() {
        include.push(PathBuf::from("/"));
    }
    include.dedup();
    Ok(include)
}

/// Remappings whose targets lie below the root folder, from which the compiler then includes: it reads no absolute path. A
/// target may also lie where imports do.
fn rooted(remappings: &[String], folder: &Path, include: &[PathBuf]) -> Result<Vec<String>, ArtifactError> {
    let whole = |remapping: &String| {
        let wrong = |why: String| ArtifactError::Remapping { remapping: remapping.clone(), why };
        let (prefix, target) = remapping.split_once('=').ok_or_else(|| wrong("is not prefix=path".to_owned()))?;
        let full = Path::new(target).canonicalize();
        if let Some(below) = full.as_ref().ok().and_then(|full| full.strip_prefix("/").ok()) {
            let slash = if target.ends_with('/') { "/" } else { "" };
            return Ok(format!("{prefix}={}{slash}", below.display()));
        }
        match include.iter().map(PathBuf::as_path).chain([folder]).any(|place| place.join(target).exists()) {
            true => Ok(remapping.clone()),
            false => Err(wrong(format!(
                "leads nowhere: there is no {target} here, beside the source, or in a folder of imports"
            ))),
        }
    };
    remappings.iter().map(whole).collect()
}

/// All that the compiler remarks, errors included.
fn messages(answer: &Value) -> Vec<String> {
    let errors = answer.get("errors").and_then(Value::as_array).into_iter().flatten();
    errors.map(|error| output::message(error).trim_end().to_owned()).collect()
}

/// The output for one file.
fn only(answer: &Value, file: &str) -> Value {
    let contracts = answer.get("contracts").and_then(|contracts| contracts.get(file)).cloned();
    json!({ "contracts": { file: contracts.unwrap_or(Value::Null) } })
}

/// The fork's name as solc has it.
const fn solc_name(fork: Fork) -> &'static str {
    match fork {
        // solc has no older one; what it writes for Homestead but DELEGATECALL runs on Frontier.
        Fork::Frontier | Fork::Homestead => "homestead",
        Fork::Tangerine => "tangerineWhistle",
        Fork::SpuriousDragon => "spuriousDragon",
        fork => fork.name(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_that_are_not_there_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("A.sol");
        std::fs::write(&file, "contract A {}").unwrap();
        std::fs::create_dir(folder.path().join("lib")).unwrap();
        // It is not started before the places are looked at.
        let compiler = Compiler { program: folder.path().join("no-solc"), version: "0.8.30".to_owned() };
        let said = |remapping: &str, include: &Path| {
            let settings = Settings {
                remappings: vec![remapping.to_owned()],
                include_paths: vec![include.to_owned()],
                ..Settings::default()
            };
            compiler.clone().compile(&file, &settings, Fork::default()).unwrap_err().to_string()
        };
        for (remapping, include, want) in [
            ("@a/=lib/", folder.path().join("absent"), "absent: No such file"),
            ("@a/=lib/", file.clone(), "cannot look for imports in"),
            (
                "@a/=absent/",
                folder.path().to_owned(),
                "the remapping '@a/=absent/' leads nowhere: there is no absent/ here",
            ),
            ("lib/", folder.path().to_owned(), "the remapping 'lib/' is not prefix=path"),
            ("@a/=lib/", folder.path().to_owned(), "cannot start"),
        ] {
            let error = said(remapping, &include);
            assert!(error.contains(want), "{remapping} {}: {error}", include.display());
        }
    }
}
