package import OCI
package import Sigstore

/// What a log's index has under some terms. The index is a convenience of the server, without order and not always up to
/// date; of an entry that it names and the log does not serve nothing else is lost.
package struct FoundEntries: Sendable {
    /// Something that was found and cannot be shown.
    package struct Unread: Encodable, Sendable {
        /// An entry's uuid, or where a signature is whose document was to be searched for.
        package let name: String
        package let code: String
        package let observed: String
        /// Whether it is a signature that may be as good as any, so that there may be entries that were not looked for.
        package let isUndetermined: Bool

        private enum CodingKeys: CodingKey {
            case name, code, observed
        }

        /// An entry, which counts all the same.
        init(name: String, code: String, observed: String) {
            (self.name, self.code, self.observed, isUndetermined) = (name, code, observed, false)
        }

        init(_ rejection: SignatureRejection) {
            (name, code, observed) = (rejection.location.description, rejection.code, rejection.observed)
            isUndetermined = rejection.isUndetermined
        }
    }

    /// How many entries the index names, each once.
    package let count: Int
    /// Those that were asked for and served: newest first.
    package let entries: [TlogEntry]
    /// Those that were asked for and not served.
    package let unread: [Unread]
    /// Whether all were asked for. Otherwise those that were are any of them, not the newest.
    package var isComplete: Bool { entries.count + unread.count == count }
}

extension LogSite {
    /// Searches by several terms and reads what is found.
    /// - Parameter limit: the most entries that are read, a request each; all are counted.
    /// - Throws: ``SigstoreError`` if the index cannot be asked, ``TransparencyError/notSearchable(log:why:)`` if there is none.
    package func find(_ terms: [LogSearch], limit: Int) async throws -> FoundEntries {
        var uuids: [String] = []
        var seen: Set<Substring> = []
        // the same leaf may be named with and without its tree
        for term in terms {
            for uuid in try await search(term) where seen.insert(uuid.suffix(64)).inserted { uuids.append(uuid) }
        }
        var entries: [TlogEntry] = []
        var unread: [FoundEntries.Unread] = []
        var outage: SigstoreError?
        for uuid in uuids.prefix(limit) {
            do {
                if let outage { throw outage }
                entries.append(try await entry(uuid: uuid))
            } catch let error as TransparencyError where error.saysNo {
                unread.append(.init(name: uuid, code: error.code, observed: error.observed))
            } catch let error as SigstoreError {
                if case .cancelled = error { throw error }
                unread.append(.init(name: uuid, code: error.code, observed: error.observed))
                // what is said of the log holds for the rest: it is not asked again for each
                if error.saysNothingOfTheEntry { outage = error }
            }
        }
        return FoundEntries(
            count: uuids.count, entries: entries.sorted { $0.logIndex > $1.logIndex }, unread: unread)
    }
}

extension SigstoreError {
    /// Whether the service could not be asked, whatever it was asked for.
    fileprivate var saysNothingOfTheEntry: Bool {
        switch self {
        case .throttled, .unavailable, .misconfigured, .withheld: true
        default: false
        }
    }
}

extension SignaturePlace {
    /// What an index has signatures of `digest` under: those in bundles, and all attestations, under the digest itself, an
    /// older signature under that of the document that it signs.
    /// - Returns: the terms; and the older signatures that could not be read, so that theirs are not known.
    /// - Throws: ``OCIError`` when the registry does not say.
    package func searchTerms(
        for digest: Digest
    ) async throws(OCIError) -> (terms: [LogSearch], unread: [FoundEntries.Unread]) {
        let attached = try await attached(to: digest, kinds: [.signature])
        var documents: [Digest] = []
        var rejected = attached.unreadable.filter { $0.location.tag != nil }
        var reading = SignatureReading(self, limit: AttachedSignatures.signatureLimit)
        for index in attached.signatures.readingOrder {
            let one = attached.signatures[index]
            guard one.location.tag != nil, !documents.contains(one.layer.digest) else { continue }
            switch try await reading.fetch(one) {
            case .failure(let rejection): rejected.append(rejection)
            case .success(let fetched):
                // under this tag anybody may put what is of another image
                guard case .legacy(let legacy) = fetched.form, case .payload(let bytes, _) = legacy.content,
                    let payload = try? SimpleSigningPayload(json: bytes), "\(payload.manifestDigest)" == "\(digest)"
                else { continue }
                documents.append(one.layer.digest)
            }
        }
        return (
            ([digest] + documents).map { .hash($0.description) },
            rejected.map { FoundEntries.Unread($0) }
        )
    }
}
