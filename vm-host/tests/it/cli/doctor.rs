//! `vm-host doctor`: what the machine lacks for containers.

use super::Desk;

/// With a configuration whose containers need a containerd that nobody runs.
fn desk() -> Desk {
    let desk = Desk::new();
    let missing = desk.path().join("none.sock");
    let config = format!("[[vm.providers]]\ntype = \"docker\"\naddress = \"{}\"\n", missing.display());
    desk.file("vm-host.toml", config);
    desk
}

#[test]
fn what_keeps_containers_from_running_is_told_with_advice_and_a_code_of_its_own() {
    let desk = desk();
    let (code, told) = desk.json("--config vm-host.toml doctor");
    assert_eq!(code, 5, "{told}");
    assert_eq!((&told["ok"], &told["configured"]), (&false.into(), &true.into()), "{told}");
    let findings = told["findings"].as_array().unwrap();
    let containerd = findings.iter().find(|finding| finding["what"] == "containerd").unwrap();
    assert_eq!(containerd["health"], "bad");
    assert!(containerd["found"].as_str().unwrap().contains("none.sock"), "{containerd}");
    assert!(containerd["advice"].as_str().unwrap().contains("start containerd"), "{containerd}");
    for finding in findings {
        let health = finding["health"].as_str().unwrap();
        assert_eq!(finding["advice"] == "", health == "good", "{finding}");
    }

    let done = desk.run("--config vm-host.toml doctor");
    assert_eq!(done.code, 5, "{done:?}");
    let line = done.stdout.lines().position(|line| line.starts_with("bad   containerd")).unwrap();
    assert!(done.stdout.lines().nth(line + 1).unwrap().contains("-> start containerd"), "{done:?}");
}
