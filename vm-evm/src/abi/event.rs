//! Logs as named events.

use alloy_dyn_abi::{DynSolType, EventExt, Specifier};
use alloy_json_abi::{Event as AbiEvent, JsonAbi};
use alloy_primitives::B256;

use super::{decode, value};

/// The text of a log, `Transfer(from: 0x..., to: 0x..., value: 7)`; none when no event of the ABI matches its first topic,
/// its number of topics and its data.
pub(super) fn decode(abi: &JsonAbi, topics: &[B256], data: &[u8]) -> Option<String> {
    let first = topics.first()?;
    let matching = abi.events().filter(|event| !event.anonymous && event.selector() == *first);
    matching.into_iter().find_map(|event| {
        let body = types_of_body(event)?;
        if !decode::is_plain(&body, data) {
            return None;
        }
        let decoded = event.decode_log_parts(topics.iter().copied(), data).ok()?;
        let (mut indexed, mut body) = (decoded.indexed.iter(), decoded.body.iter());
        let fields = event
            .inputs
            .iter()
            .map(|param| {
                let value = if param.indexed { indexed.next() } else { body.next() }?;
                Some(value::named(&param.name, value))
            })
            .collect::<Option<Vec<_>>>()?;
        Some(format!("{}({})", event.name, fields.join(", ")))
    })
}

/// The types of what is no topic.
fn types_of_body(event: &AbiEvent) -> Option<DynSolType> {
    let body = event.inputs.iter().filter(|param| !param.indexed).map(Specifier::resolve);
    Some(DynSolType::Tuple(body.collect::<Result<_, _>>().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_events_share_a_selector_but_not_the_topics() {
        // ERC-20 and ERC-721 differ only in the third parameter's `indexed`.
        let event = |indexed: bool| {
            format!(
                r#"{{"type":"event","name":"Transfer","anonymous":false,"inputs":[{{"name":"from","type":"address","indexed":true}},
                {{"name":"to","type":"address","indexed":true}},{{"name":"n","type":"uint256","indexed":{indexed}}}]}}"#
            )
        };
        let abi: JsonAbi = serde_json::from_str(&format!("[{},{}]", event(false), event(true))).unwrap();
        let selector = abi.events().next().unwrap().selector();
        let word = B256::with_last_byte(7);
        let erc20 = decode(&abi, &[selector, word, word], word.as_slice()).unwrap();
        let erc721 = decode(&abi, &[selector, word, word, word], &[]).unwrap();
        let account = "0x0000000000000000000000000000000000000007";
        assert_eq!(erc20, format!("Transfer(from: {account}, to: {account}, n: 7)"));
        assert_eq!(erc20, erc721);
        assert!(decode(&abi, &[selector], &[]).is_none());
        assert!(decode(&abi, &[word], &[]).is_none());
        assert!(decode(&abi, &[], &[]).is_none());
    }
}
