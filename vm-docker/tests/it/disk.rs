//! What images take on disk together.

use std::{
    sync::{Mutex, mpsc::channel},
    time::{Duration, Instant},
};

use vm_core::{Code, HostFault, Receipt, RuntimeKind, VmError};

use crate::{
    images::archive,
    room::{number, query, world},
    world::{World, probe},
};

/// Contracts of images of some 3.5 MiB on disk each, which have nothing in common.
fn images(name: &str, contracts: &[&str], images_size: u64, pool_wait: Duration) -> Option<World> {
    let world = world(name, &[], |config| {
        config.images_size = images_size;
        config.pool_wait = pool_wait;
    })?;
    for contract in contracts {
        world.deploy(contract, image(contract, 2)).unwrap();
    }
    Some(world)
}

/// An image of the probe, which has some 1.5 MiB, and so many mebibytes more.
fn image(contract: &str, mebibytes: usize) -> Code {
    let program = [probe(), contract.repeat(mebibytes << 20).into_bytes()].concat();
    Code::new(RuntimeKind::Docker, archive(&program, &["/opt/program"], &[]))
}

/// Does something while `contract` has a call, which ends when that calls the function it is given.
fn during_a_call<T>(world: &World, contract: &str, work: impl FnOnce(&dyn Fn()) -> T) -> T {
    let ((arrived, arrivals), (open, opened)) = (channel(), channel::<()>());
    let opened = Mutex::new(opened);
    let gate = format!("gate-{contract}");
    world.deploy_meeting(&gate, move |_| {
        arrived.send(()).unwrap();
        let _ = opened.lock().unwrap().recv();
        Vec::new()
    });
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| query(world, contract, "forward", &gate));
        arrivals.recv().unwrap();
        let done = work(&|| open.send(()).unwrap());
        let _ = open.send(());
        busy.join().unwrap().unwrap();
        done
    })
}

fn assert_refused_for_now(outcome: Result<Receipt, VmError>) {
    let error = outcome.unwrap_err();
    assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
    let text = error.to_string();
    assert!(text.contains("no room on disk") && text.contains("try again later, or raise images_size"), "{error}");
}

#[test]
fn images_without_calls_make_room_on_disk_for_others() {
    let most = 8 << 20;
    let Some(world) = images("disk", &["a", "b", "c"], most, Duration::from_secs(5)) else { return };
    for contract in ["a", "b", "c", "a"] {
        assert_eq!(query(&world, contract, "echo", contract).unwrap().output[..], *contract.as_bytes());
        assert!(
            (5 << 20..=most as usize).contains(&number(&world, "images_bytes")),
            "{}",
            number(&world, "images_bytes")
        );
    }
    // What was put away stays away until it is called, although one of its containers is to be kept ready.
    let (started, containers) = (number(&world, "started"), number(&world, "containers"));
    std::thread::park_timeout(Duration::from_millis(2500));
    assert_eq!((number(&world, "started"), number(&world, "containers")), (started, containers));
    assert_eq!(containers, 2);
}

#[test]
fn where_all_images_have_calls_another_one_waits_and_that_has_an_end() {
    let Some(world) = images("full-disk", &["a"], 4 << 20, Duration::from_secs(2)) else { return };
    during_a_call(&world, "a", |_| {
        let start = Instant::now();
        assert_refused_for_now(world.deploy("b", image("b", 2)));
        assert!(start.elapsed() >= Duration::from_secs(2), "{:?}", start.elapsed());
    });
    world.deploy("b", image("b", 2)).unwrap();
    // The other one was put away; its calls have to wait now.
    during_a_call(&world, "b", |_| assert_refused_for_now(query(&world, "a", "echo", "here")));
    assert_eq!(query(&world, "a", "echo", "here").unwrap().output[..], *b"here");
    assert_eq!((number(&world, "containers"), number(&world, "images_waiting_for_disk")), (1, 0));
}

#[test]
fn who_waits_for_room_on_disk_has_it_when_an_image_has_no_call_any_more() {
    let Some(world) = images("next-on-disk", &["a"], 4 << 20, Duration::from_secs(25)) else { return };
    let waits = || world.wait_for("images_waiting_for_disk", "1");
    during_a_call(&world, "a", |end| {
        std::thread::scope(|scope| {
            let deployed = scope.spawn(|| world.deploy("b", image("b", 2)));
            waits();
            end();
            deployed.join().unwrap().unwrap();
        });
    });
    during_a_call(&world, "b", |end| {
        std::thread::scope(|scope| {
            let called = scope.spawn(|| query(&world, "a", "echo", "here"));
            waits();
            end();
            assert_eq!(called.join().unwrap().unwrap().output[..], *b"here");
        });
    });
}

#[test]
fn an_image_that_does_not_fit_beside_those_with_calls_has_none_put_away() {
    let Some(world) = images("beside", &["a", "b"], 8 << 20, Duration::from_secs(1)) else { return };
    let numbers = || ["containers", "started", "images_bytes"].map(|detail| number(&world, detail));
    let before = numbers();
    during_a_call(&world, "a", |_| {
        // Without `b` it would still be too much.
        assert_refused_for_now(world.deploy("c", image("c", 5)));
        assert_eq!(numbers(), before);
    });
    query(&world, "b", "echo", "").unwrap();
    assert_eq!(numbers(), before, "it was there still");
    world.deploy("c", image("c", 5)).unwrap();
}

#[test]
fn an_image_that_never_fits_is_refused_at_once_and_says_what_to_do() {
    let Some(world) = images("too-large", &["a"], 4 << 20, Duration::from_secs(25)) else { return };
    let before = number(&world, "images_bytes");
    let (start, error) = (Instant::now(), world.deploy("b", image("b", 4)).unwrap_err());
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    let text = error.to_string();
    assert!(text.contains("all images together may take 4194304; make it smaller, or raise images_size"), "{text}");
    assert!(!text.contains("try again"), "{text}");
    assert_eq!(number(&world, "images_bytes"), before);
}
