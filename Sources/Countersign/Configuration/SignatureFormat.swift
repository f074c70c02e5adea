/// In which form a signature lies in the registry. One signing event may have both.
package enum SignatureFormat: String, Sendable, CaseIterable {
    /// A Sigstore bundle as an OCI referrer: what cosign 3 writes and looks for first.
    case bundle
    /// A layer under cosign's tag `sha256-<hex>.sig` (attestations: `.att`): what older verifiers and admission
    /// controllers read. Logged in Rekor v1 only.
    case legacy
}
