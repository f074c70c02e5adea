package import Curl
package import Sigstore

/// The logs in which the entries of signatures are looked up: one that somebody named, or all of a trusted root.
package struct LogSites: Sendable {
    private enum Choice: Sendable {
        case one(LogSite, ids: Set<[UInt8]>)
        case trusted(TrustedLogs, HTTPClient)
    }

    /// Whom to believe.
    let verifier: Verifier
    private let choice: Choice

    /// Only this one. It is asked which keys it signs with, so that entries of others can be told apart.
    /// - Throws: ``SigstoreError`` if it cannot be asked.
    package init(only site: LogSite, verifier: Verifier) async throws {
        self.verifier = verifier
        choice = .one(site, ids: try await site.logIDs())
    }

    /// Each of these, which are those of the verifier's trusted root.
    package init(_ verifier: Verifier, in logs: TrustedLogs, http: HTTPClient) {
        self.verifier = verifier
        choice = .trusted(logs, http)
    }

    /// The log whose key an entry names; nil if it is none of these.
    /// - Throws: as ``TrustedLogs/log(of:at:)``.
    func site(of entry: TlogEntry) throws(SigstoreError) -> LogSite? {
        switch choice {
        case .one(let site, let ids):
            // where nobody trusted signs for the log, the entries themselves will say so
            return ids.isEmpty || ids.contains(entry.logID) ? site : nil
        case .trusted(let logs, let http):
            guard let log = try logs.log(of: entry) else { return nil }
            return LogSite(log, trusting: verifier, http: http)
        }
    }
}
