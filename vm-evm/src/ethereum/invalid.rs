use revm::context::result::InvalidTransaction as Revm;
use vm_core::HostFault;

/// Why there is no receipt.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransactError {
    /// No block can contain the transaction.
    #[error("invalid transaction: {0}")]
    Invalid(#[from] InvalidTransaction),
    /// The host failed; the transaction may be tried again.
    #[error(transparent)]
    Fault(HostFault),
}

/// A transaction that does not fit the rules, the block or the sender's account.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidTransaction {
    rule: &'static str,
    message: String,
}

impl InvalidTransaction {
    pub(super) fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self { rule, message: message.into() }
    }

    /// The rule's short name, such as `nonce-too-low`, which does not change.
    #[must_use]
    pub const fn rule(&self) -> &'static str {
        self.rule
    }

    /// A function, since an implementation of `From` would be public, and revm's type with it.
    pub(super) fn of_revm(invalid: &Revm) -> Self {
        let rule = match invalid {
            Revm::PriorityFeeGreaterThanMaxFee => "priority-fee-above-max-fee",
            Revm::GasPriceLessThanBasefee => "fee-below-base-fee",
            Revm::CallerGasLimitMoreThanBlock => "gas-above-block-limit",
            Revm::CallGasCostMoreThanGasLimit { .. } => "gas-below-intrinsic",
            Revm::GasFloorMoreThanGasLimit { .. } => "gas-below-floor",
            Revm::RejectCallerWithCode => "sender-has-code",
            Revm::LackOfFundForMaxFee { .. } => "balance-too-low",
            Revm::OverflowPaymentInTransaction => "fee-overflow",
            Revm::NonceOverflowInTransaction => "nonce-overflow",
            Revm::NonceTooHigh { .. } => "nonce-too-high",
            Revm::NonceTooLow { .. } => "nonce-too-low",
            Revm::CreateInitCodeSizeLimit => "creation-code-too-long",
            Revm::InvalidChainId | Revm::MissingChainId => "chain-id",
            Revm::TxGasLimitGreaterThanCap { .. } => "gas-above-cap",
            Revm::BlobGasPriceGreaterThanMax { .. } => "blob-fee-too-low",
            Revm::EmptyBlobs | Revm::TooManyBlobs { .. } => "blob-count",
            Revm::BlobCreateTransaction => "blob-create",
            Revm::BlobVersionNotSupported => "blob-version",
            Revm::EmptyAuthorizationList => "no-authorizations",
            Revm::Eip2930NotSupported
            | Revm::Eip1559NotSupported
            | Revm::Eip4844NotSupported
            | Revm::Eip7702NotSupported
            | Revm::AccessListNotSupported
            | Revm::AuthorizationListNotSupported
            | Revm::BlobVersionedHashesNotSupported
            | Revm::MaxFeePerBlobGasNotSupported => "type-not-supported",
            _ => "other",
        };
        Self::new(rule, invalid.to_string())
    }
}
