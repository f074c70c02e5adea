package import Sigstore

/// The logs of a trusted root as one reaches them: each that somebody named as is said there, the others where the root says,
/// by the API that makes such entries.
package struct TrustedLogs: Sendable {
    /// Gives a log the witnesses that a configuration has for it.
    package typealias Witnessed = @Sendable (InstanceServices.Log) -> InstanceServices.Log

    private let root: TrustedRoot
    private let named: [InstanceServices.Log]
    private let others: UpstreamConfiguration
    private let witnessed: Witnessed

    /// - Parameters:
    ///   - named: those of which more is known than the root says.
    ///   - others: how the rest is reached; its `url` is not used.
    ///   - witnessed: for the rest.
    package init(
        _ root: TrustedRoot, named: [InstanceServices.Log] = [], others: UpstreamConfiguration,
        witnessed: @escaping Witnessed = { $0 }
    ) {
        self.root = root
        self.named = named
        self.others = others
        self.witnessed = witnessed
    }

    /// The log whose key an entry names; nil if the root does not say where it is.
    /// - Parameter url: where it is, in place of what the root says.
    /// - Throws: ``SigstoreError/unsupported(_:)`` for an entry of a kind that none of the APIs makes, in a log that nobody named.
    func log(of entry: TlogEntry, at url: String? = nil) throws(SigstoreError) -> InstanceServices.Log? {
        let addresses = root.tlogs(withID: entry.logID).map(\.baseURL)
        guard let address = url ?? addresses.first(where: { !$0.isEmpty }) else { return nil }
        if let log = named(at: address) { return log }
        guard let api = entry.api else { throw .unsupported("a log entry of kind \(entry.kind) \(entry.version)") }
        return log(at: address, speaking: api)
    }

    /// Verifies a checkpoint that somebody kept of the log at `url`: with the witnesses of that log.
    /// - Throws: as ``CheckpointVerifier/verify(_:)``.
    package func verify(_ checkpoint: Checkpoint, of url: String) throws(SigstoreError) -> VerifiedCheckpoint {
        let trusted = root.tlogs
        let signed = try CheckpointVerifier(logs: { trusted }).verify(checkpoint)
        let log = named(at: url) ?? self.log(at: url, speaking: signed.api)
        return try log.checkpointVerifier { trusted }.verify(checkpoint)
    }

    private func named(at url: String) -> InstanceServices.Log? {
        named.first { $0.upstream.url.withoutSlash == url.withoutSlash }
    }

    /// One that nobody named.
    private func log(at url: String, speaking api: RekorAPI) -> InstanceServices.Log {
        var upstream = others
        upstream.url = url
        return witnessed(.init(name: url, api: api, upstream: upstream))
    }
}

extension String {
    /// A URL as it is compared: whether or not it ends with a slash.
    fileprivate var withoutSlash: Substring { hasSuffix("/") ? dropLast() : self[...] }
}
