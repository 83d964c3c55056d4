//! Iterators.

use super::{ITERATOR, contract, deploy, invoke};
use super::super::machine::machine;

/// Key, field and value of each row that was returned.
fn rows(mut bytes: &[u8]) -> Vec<String> {
    let number = |bytes: &mut &[u8]| {
        let (number, rest) = bytes.split_first_chunk().unwrap();
        *bytes = rest;
        u32::from_le_bytes(*number) as usize
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        assert_eq!(number(&mut bytes), 3);
        let parts: Vec<String> = (0..6)
            .map(|_| {
                number(&mut bytes);
                let length = number(&mut bytes);
                let (part, rest) = bytes.split_at(length);
                bytes = rest;
                String::from_utf8(part.to_vec()).unwrap()
            })
            .collect();
        assert_eq!((&*parts[0], &*parts[2], &*parts[4]), ("key", "field", "value"));
        found.push(format!("{}#{}={}", parts[1], parts[3], parts[5]));
    }
    found
}

#[test]
fn iterators_go_through_the_contracts_own_keys() {
    let vm = machine();
    deploy(&vm, "neighbour", contract(ITERATOR));
    deploy(&vm, "it", contract(ITERATOR));
    let walk = |method, parameters: &[(&str, &str)]| rows(&invoke(&vm, "it", method, parameters).output);
    assert_eq!(walk("range", &[]), ["a#=one", "b#1=two"], "the limit is not included");
    assert_eq!(walk("prefix", &[("key", "b"), ("field", "")]), ["b#1=two", "b#2=three", "bc#=four"]);
    assert_eq!(walk("prefix", &[("key", "b"), ("field", "2")]), ["b#2=three"]);
    assert_eq!(walk("prefix", &[("key", "x"), ("field", "")]), <[String; 0]>::default());
    assert_eq!(walk("changes", &[]), ["bc#=four"], "what is deleted on the way is not seen");
}
