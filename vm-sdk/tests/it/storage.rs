use std::collections::BTreeMap;

use proptest::prelude::*;
use vm_sdk::testing::Sandbox;
use vm_sdk::{Address, Context, Item, Map, Result, contract};

struct Store;

const NUMBERS: Map<Address, u32> = Map::new("numbers");
/// The name continues the other map's name.
const NUMBERS_2: Map<Address, u32> = Map::new("numbers2");
/// The same name, but no map.
const NUMBERS_ITEM: Item<u32> = Item::new("numbers");
const TEXTS: Map<(String, Vec<u8>), String> = Map::new("texts");

#[contract]
impl Store {
    pub fn fill(cx: &mut Context, count: u32) -> Result<()> {
        for number in 0..count {
            NUMBERS.set(cx, &address(number), &number)?;
            NUMBERS_2.set(cx, &address(number), &(number + 1_000))?;
        }
        NUMBERS_ITEM.set(cx, &count)
    }

    /// All entries, read in pages.
    #[view]
    pub fn pages(cx: &Context, page: u32) -> Result<String> {
        let mut found = Vec::new();
        loop {
            let last = found.last().map(|(key, _)| *key);
            let next = NUMBERS.entries(cx, last.as_ref(), page)?;
            if next.is_empty() {
                break;
            }
            found.extend(next);
        }
        Ok(found.iter().map(|(_, number)| number.to_string()).collect::<Vec<_>>().join(" "))
    }

    #[view]
    pub fn item(cx: &Context) -> Result<u32> {
        Ok(NUMBERS_ITEM.get(cx)?.unwrap_or_default())
    }

    pub fn remove(cx: &mut Context, number: u32) -> Result<bool> {
        let there = NUMBERS.get(cx, &address(number))?.is_some();
        NUMBERS.remove(cx, &address(number))?;
        NUMBERS_ITEM.remove(cx)?;
        Ok(there)
    }

    pub fn set_text(cx: &mut Context, name: &str, part: &[u8], text: String) -> Result<()> {
        TEXTS.set(cx, &(name.to_owned(), part.to_vec()), &text)
    }

    #[view]
    pub fn text(cx: &Context, name: &str, part: &[u8]) -> Result<String> {
        Ok(TEXTS.get(cx, &(name.to_owned(), part.to_vec()))?.unwrap_or_default())
    }

    pub fn spoil(cx: &mut Context) -> Result<()> {
        cx.put_raw(b"\x07numbers", b"x")
    }
}

fn address(number: u32) -> Address {
    let mut bytes = [0xff; 20];
    bytes[16..].copy_from_slice(&number.to_be_bytes());
    Address::new(bytes)
}

fn deployed() -> (Sandbox, StoreClient) {
    let mut sandbox = Sandbox::new();
    sandbox.from("alice").deploy::<Store>("store", &()).unwrap();
    (sandbox, StoreClient::at("store"))
}

#[test]
fn maps_and_items_do_not_touch_each_other() {
    let (mut sandbox, store) = deployed();
    sandbox.from("alice").run(|cx| store.fill(cx, 5)).unwrap();
    assert_eq!(sandbox.from("alice").run(|cx| store.item(cx)), Ok(5));
    for page in 1..7 {
        assert_eq!(sandbox.from("alice").run(|cx| store.pages(cx, page)).unwrap(), "0 1 2 3 4");
    }
    assert_eq!(sandbox.from("alice").run(|cx| store.remove(cx, 2)), Ok(true));
    assert_eq!(sandbox.from("alice").run(|cx| store.remove(cx, 2)), Ok(false));
    assert_eq!(sandbox.from("alice").run(|cx| store.pages(cx, 2)).unwrap(), "0 1 3 4");
    assert_eq!(sandbox.from("alice").run(|cx| store.item(cx)), Ok(0));
}

#[test]
fn keys_have_these_bytes() {
    // Changing them loses the state of every deployed contract.
    let (mut sandbox, store) = deployed();
    sandbox.from("alice").run(|cx| store.fill(cx, 1)).unwrap();
    assert_eq!(sandbox.state("store", b"\x07numbers"), Some(&[1, 0, 0, 0][..]));
    let key = [b"\x87numbers".as_slice(), address(0).as_bytes()].concat();
    assert_eq!(sandbox.state("store", &key), Some(&[0; 4][..]));
}

#[test]
fn a_value_of_another_type_is_refused() {
    let (mut sandbox, store) = deployed();
    sandbox.from("alice").run(|cx| store.spoil(cx)).unwrap();
    let error = sandbox.from("alice").run(|cx| store.item(cx)).unwrap_err();
    assert_eq!(error.to_string(), "a stored value cannot be decoded");
}

proptest! {
    /// Whatever the keys are: what was set last is what is read, and no key is taken for another.
    #[test]
    fn a_map_is_a_map(entries in prop::collection::vec(("[ab]{0,3}", prop::collection::vec(0u8..2, 0..3), "[a-z]{1,4}"), 0..20)) {
        let (mut sandbox, store) = deployed();
        let mut model = BTreeMap::new();
        for (name, part, text) in entries {
            sandbox.from("alice").run(|cx| store.set_text(cx, &name, &part, text.clone())).unwrap();
            model.insert((name, part), text);
        }
        for ((name, part), text) in model {
            prop_assert_eq!(sandbox.from("alice").run(|cx| store.text(cx, &name, &part)).unwrap(), text);
        }
    }
}
