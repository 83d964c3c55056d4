use borsh::BorshSerialize;

/// Something that happened: its content is stored with the transaction under a topic.
///
/// [`event`](macro@crate::event) implements it.
pub trait Event: BorshSerialize {
    /// What it is found by: 1 to 255 bytes.
    const TOPIC: &'static str;
}
