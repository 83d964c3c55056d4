//! Image archives, interfaces, and programs that do not become contracts.

use std::time::Duration;

use serde_json::json;
use sha2::{Digest, Sha256};
use vm_core::{Code, HostFault, InvokeRequest, RuntimeKind, VmProvider};

use crate::{
    daemon::Daemon,
    world::{World, config, probe},
};

const LIMIT: Duration = Duration::from_secs(30);

const INTERFACE: &str = "init()\nview echo(text: u8) -> u8\n";

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

pub(crate) fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, path, *content).unwrap();
    }
    archive.into_inner().unwrap()
}

/// An OCI image archive of one program and its variables.
pub(crate) fn archive(program: &[u8], args: &[&str], env: &[String]) -> Vec<u8> {
    layered(&[tar(&[("opt/program", program)])], args, env)
}

/// An OCI image archive of these layers.
pub(crate) fn layered(layers: &[Vec<u8>], args: &[&str], env: &[String]) -> Vec<u8> {
    let digests: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    let config = json!({
        "config": { "Entrypoint": args, "Env": env, "User": "root" },
        "rootfs": { "diff_ids": digests },
    })
    .to_string();
    let described = digests
        .iter()
        .map(|digest| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest }))
        .collect::<Vec<_>>();
    let manifest = json!({
        "config": { "mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config.as_bytes()) },
        "layers": described,
    })
    .to_string();
    let index = json!({ "manifests": [{
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(manifest.as_bytes()),
    }] })
    .to_string();
    let blobs: Vec<_> = [config.as_bytes(), manifest.as_bytes()]
        .into_iter()
        .chain(layers.iter().map(Vec::as_slice))
        .map(|content| (digest(content).replace("sha256:", "blobs/sha256/"), content))
        .collect();
    let mut files =
        vec![("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.as_slice()), ("index.json", index.as_bytes())];
    files.extend(blobs.iter().map(|(path, content)| (path.as_str(), *content)));
    tar(&files)
}

#[test]
fn an_image_archive_runs_with_its_variables_and_interface_but_not_as_root() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "archive"), LIMIT);
    let code = archive(&probe(), &["/opt/program"], &[format!("PROBE_INTERFACE={INTERFACE}")]);
    world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap();
    let target: vm_core::ContractName = "probe".parse().unwrap();
    let call = |method: &str, args: &[&str]| {
        let request = InvokeRequest::new(target.clone(), method).args(args.iter().copied());
        futures_executor::block_on(world.vm.invoke(request))
    };
    assert_eq!(call("echo", &["7"]).unwrap().text.as_deref(), Some("7"));
    assert!(call("echo", &["700"]).unwrap_err().refusal().is_some());
    assert!(call("ecko", &[]).unwrap_err().to_string().contains("echo"));
}

#[test]
fn what_docker_saves_runs() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "saved"), LIMIT);
    let layer = tar(&[("opt/program", &probe())]);
    let config = json!({
        "config": { "Entrypoint": ["/opt/program"] }, "rootfs": { "diff_ids": [digest(&layer)] },
        "os": "linux", "architecture": if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" },
    })
    .to_string();
    let name = digest(config.as_bytes()).replace("sha256:", "") + ".json";
    let manifest = json!([{ "Config": name, "RepoTags": ["probe:1"], "Layers": ["l/layer.tar"] }]).to_string();
    let saved = tar(&[("manifest.json", manifest.as_bytes()), (&name, config.as_bytes()), ("l/layer.tar", &layer)]);
    world.deploy("probe", Code::new(RuntimeKind::Docker, saved)).unwrap();
    assert_eq!(world.text("echo", "saved"), "saved");
}

#[test]
fn an_image_that_containerd_has_is_named_by_its_digest() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "pulled"), LIMIT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    std::fs::write(&file, archive(&probe(), &["/opt/program"], &[])).unwrap();
    let import = ["images", "import", "--no-unpack", "--index-name", "example.org/probe:1", file.to_str().unwrap()];
    daemon.list("pulled", &import);
    let listed = daemon.list("pulled", &["images", "list"]);
    let digest =
        listed.iter().find_map(|line| line.split_whitespace().find(|word| word.starts_with("sha256:"))).unwrap();

    let code = |text: &str| Code::new(RuntimeKind::Docker, text);
    let pinned = format!("example.org/probe:1@{digest}");
    world.deploy("probe", code(&pinned)).unwrap();
    assert_eq!(world.text("echo", "there"), "there");

    let error = world.deploy("loose", code("example.org/probe:1")).unwrap_err().to_string();
    assert!(error.contains("not-pinned"), "{error}");
    let absent = format!("example.org/probe:1@sha256:{}", "00".repeat(32));
    let error = world.deploy("absent", code(&absent)).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    assert!(error.to_string().contains("ctr --namespace"), "{error}");
}

#[test]
fn a_damaged_image_in_containerd_is_a_fault_and_not_the_code_s() {
    let Some(daemon) = Daemon::start() else { return };
    let world = World::start(config(&daemon, "damaged"), LIMIT);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("image.tar");
    std::fs::write(&file, archive(&probe(), &["/opt/program"], &[])).unwrap();
    let import = ["images", "import", "--no-unpack", "--index-name", "example.org/probe:1", file.to_str().unwrap()];
    daemon.list("damaged", &import);
    let listed = daemon.list("damaged", &["images", "list"]);
    let digest =
        listed.iter().find_map(|line| line.split_whitespace().find(|word| word.starts_with("sha256:"))).unwrap();

    // Every stored part has another byte now.
    let store = daemon.root().join("io.containerd.content.v1.content/blobs/sha256");
    for part in std::fs::read_dir(store).unwrap() {
        let path = part.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[0] ^= 1;
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, bytes).unwrap();
    }
    let error =
        world.deploy("probe", Code::new(RuntimeKind::Docker, format!("example.org/probe:1@{digest}"))).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    assert!(error.to_string().contains("is damaged"), "{error}");
}

#[test]
fn what_is_wrong_with_an_image_is_told_as_such() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "wrong"), LIMIT);
    let error = |args: &[&str], env: &[String]| {
        world.deploy("probe", Code::new(RuntimeKind::Docker, archive(&probe(), args, env))).unwrap_err()
    };
    let absent = error(&["/opt/nothing"], &[]);
    assert!(absent.to_string().contains("no-entrypoint") && absent.to_string().contains("/opt/nothing"), "{absent}");
    assert_eq!(world.detail("started"), "0");
    let ends = error(&["/opt/program", "exit"], &[]);
    assert!(ends.to_string().contains("did not become ready: it exited with code 5; it printed: "), "{ends}");
    assert!(ends.to_string().contains("no such thing"), "{ends}");
    for (args, env) in [
        (&["/opt/program", "a\0b"][..], String::new()),
        (&["/opt/program"], format!("A={}", "x".repeat(1 << 20))),
        (&["/opt/program"], "A=\0".into()),
    ] {
        let refused = error(args, &[env]).to_string();
        assert!(refused.contains("bad-image") && refused.contains("zero byte"), "{refused}");
    }
}

/// What containerd does with layers that try to write elsewhere, beside what is refused before.
#[test]
fn no_layer_writes_outside_its_image() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "hostile"), LIMIT);
    let target = tempfile::tempdir().unwrap();
    let out = target.path().to_str().unwrap();
    let link = |builder: &mut tar::Builder<Vec<u8>>, kind, path: &str, target: &str| {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(0);
        header.set_mode(0o777);
        builder.append_link(&mut header, path, target).unwrap();
    };
    let file = |builder: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o755);
        builder.append_data(&mut header, path, content).unwrap();
    };
    // Through links to a folder of the machine, and over the places where the host mounts its own.
    let mut builder = tar::Builder::new(Vec::new());
    file(&mut builder, "opt/program", &probe());
    link(&mut builder, tar::EntryType::Symlink, "away", out);
    link(&mut builder, tar::EntryType::Symlink, "up", &format!("../../../../../../..{out}"));
    file(&mut builder, "away/file", b"out");
    file(&mut builder, "up/file", b"out");
    for place in ["run", "proc", "dev", "tmp"] {
        link(&mut builder, tar::EntryType::Symlink, place, out);
    }
    let layer = builder.into_inner().unwrap();
    let code = layered(&[layer], &["/opt/program"], &[]);
    world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap();
    assert_eq!(world.text("echo", "inside"), "inside");
    assert_eq!(std::fs::read_dir(target.path()).unwrap().count(), 0, "nothing was written outside");

    // A hard link out is refused before.
    let mut builder = tar::Builder::new(Vec::new());
    link(&mut builder, tar::EntryType::Link, "shadow", "/etc/shadow");
    let code = layered(&[builder.into_inner().unwrap()], &["/opt/program"], &[]);
    let error = world.deploy("linked", Code::new(RuntimeKind::Docker, code)).unwrap_err().to_string();
    assert!(error.contains("bad-layer") && error.contains("'shadow' is a hard link"), "{error}");
}

#[test]
fn the_image_s_user_is_ignored() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "user"), LIMIT);
    world.deploy("probe", Code::new(RuntimeKind::Docker, archive(&probe(), &["/opt/program"], &[]))).unwrap();
    assert!(world.text("who", "").contains("Uid:\t65532\t65532"));
}

#[test]
fn an_interface_deployed_with_the_code_counts() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "abi"), LIMIT);
    let code = Code::new(RuntimeKind::Docker, probe()).with_abi(INTERFACE);
    world.deploy("probe", code).unwrap();
    let target: vm_core::ContractName = "probe".parse().unwrap();
    let request = InvokeRequest::new(target, "echo").args(["9"]);
    assert_eq!(futures_executor::block_on(world.vm.invoke(request)).unwrap().text.as_deref(), Some("9"));
}

#[test]
fn what_cannot_be_a_contract_is_refused_before_a_container_starts() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "verify"), LIMIT);
    let refused = |code: Code, rule: &str| {
        let error = world.deploy("probe", code).unwrap_err().to_string();
        assert!(error.contains(rule), "{rule}: {error}");
    };
    let docker = |bytes: &[u8]| Code::new(RuntimeKind::Docker, bytes);
    refused(docker(b"#!/bin/sh"), "unknown-format");
    refused(docker(&probe()[..63]), "bad-executable");
    refused(docker(&std::fs::read("/bin/sh").unwrap()), "not-static");
    refused(docker(&tar(&[("README", b"")])), "oci-archive");
    refused(docker(&tar(&[("manifest.json", b"[]")])), "names no image");
    refused(docker(&probe()).with_option("migrate", "x"), "unknown-option");
    refused(docker(&probe()).with_abi("not a method"), "bad-interface");
    assert!(daemon.list("verify", &["containers", "list", "-q"]).is_empty());
}

#[test]
fn a_program_that_is_no_contract_is_a_fault_with_its_exit_code() {
    let Some(daemon) = Daemon::shared() else { return };
    let world = World::start(config(daemon, "nocontract"), LIMIT);
    let code = archive(&probe(), &["/opt/program", "exit"], &[]);
    let error = world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Process { .. })), "{error}");
    assert!(error.to_string().contains("code 5"), "{error}");
    daemon.wait_until_no_container("nocontract");
}

#[test]
fn a_program_that_never_connects_is_given_up() {
    let Some(daemon) = Daemon::shared() else { return };
    let limits = vm_docker::DockerConfig { start_timeout: Duration::from_secs(2), ..config(daemon, "silent") };
    let world = World::start(limits, LIMIT);
    // With an argument the probe waits for ever.
    let code = archive(&probe(), &["/opt/program", "wait"], &[]);
    let error = world.deploy("probe", Code::new(RuntimeKind::Docker, code)).unwrap_err();
    assert!(error.to_string().contains("within 2 s"), "{error}");
}
