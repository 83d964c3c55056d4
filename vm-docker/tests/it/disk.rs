//! What images take on disk together.

use std::{
    sync::{Mutex, mpsc::channel},
    time::Duration,
};

use vm_core::{Code, HostFault, RuntimeKind};

use crate::{
    images::archive,
    room::{number, query, world},
    world::{World, probe},
};

/// Contracts of images of some 3.5 MiB on disk each, which have nothing in common.
fn images(name: &str, contracts: &[&str], images_size: u64) -> Option<World> {
    let world = world(name, &[], |config| {
        config.images_size = images_size;
        config.pool_wait = Duration::from_secs(5);
    })?;
    for contract in contracts {
        let program = [probe(), contract.repeat(2 << 20).into_bytes()].concat();
        world.deploy(contract, Code::new(RuntimeKind::Docker, archive(&program, &["/opt/program"], &[]))).unwrap();
    }
    Some(world)
}

#[test]
fn images_without_calls_make_room_on_disk_for_others() {
    let most = 8 << 20;
    let Some(world) = images("disk", &["a", "b", "c"], most) else { return };
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
fn where_all_images_have_calls_another_one_is_refused() {
    let Some(world) = images("full-disk", &["a"], 4 << 20) else { return };
    let ((arrived, arrivals), (open, opened)) = (channel(), channel::<()>());
    let opened = Mutex::new(opened);
    world.deploy_meeting("gate", move |_| {
        arrived.send(()).unwrap();
        let _ = opened.lock().unwrap().recv();
        Vec::new()
    });
    let other =
        Code::new(RuntimeKind::Docker, archive(&[probe(), vec![b'b'; 2 << 20]].concat(), &["/opt/program"], &[]));
    std::thread::scope(|scope| {
        let busy = scope.spawn(|| query(&world, "a", "forward", "gate"));
        arrivals.recv().unwrap();
        let error = world.deploy("b", other.clone()).unwrap_err();
        assert!(matches!(error.fault(), Some(HostFault::Unavailable { .. })), "{error}");
        assert!(error.to_string().contains("raise images_size"), "{error}");
        open.send(()).unwrap();
        busy.join().unwrap().unwrap();
    });
    world.deploy("b", other).unwrap();
    assert_eq!(query(&world, "b", "echo", "here").unwrap().output[..], *b"here");
    assert_eq!(number(&world, "containers"), 1);
}
