public import FoundationEssentials

extension SigningConfig {
    /// The API versions that we speak, of each kind of service.
    public enum Supported {
        /// Fulcio's `/api/v2`, which signing configurations call version 1.
        public static let certificateAuthority: Set<Int> = [1]
        /// Every version of Rekor's API.
        public static let logs = Set(RekorAPI.all.map(\.version))
        /// RFC 3161 over HTTP.
        public static let timestampAuthority: Set<Int> = [1]
    }

    /// The certificate authority to ask at that moment.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if none is valid then and of a version that we speak.
    public func certificateAuthority(
        at now: Date, supporting versions: Set<Int> = Supported.certificateAuthority
    ) throws(SigstoreError) -> Service {
        let chosen = try Self.select(certificateAuthorities, "caUrls", .any, supporting: versions, at: now)
        guard let first = chosen.first else { throw Self.none("caUrls", versions, now) }
        return first
    }

    /// The logs that get an entry at that moment, as many as the configuration says.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if there are too few.
    public func logs(at now: Date, supporting versions: Set<Int> = Supported.logs) throws(SigstoreError) -> [Service] {
        try Self.select(tlogs, "rekorTlogUrls", tlogSelector, supporting: versions, at: now)
    }

    /// A log of one of these versions at that moment, however many get an entry.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if none is valid then.
    package func log(at now: Date, supporting versions: Set<Int>) throws(SigstoreError) -> Service {
        let chosen = try Self.select(tlogs, "rekorTlogUrls", .any, supporting: versions, at: now)
        guard let first = chosen.first else { throw Self.none("rekorTlogUrls", versions, now) }
        return first
    }

    /// The timestamp authorities that are asked at that moment, as many as the configuration says; none if it names none.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if there are too few.
    public func authorities(
        at now: Date, supporting versions: Set<Int> = Supported.timestampAuthority
    ) throws(SigstoreError) -> [Service] {
        guard !timestampAuthorities.isEmpty else { return [] }
        return try Self.select(timestampAuthorities, "tsaUrls", timestampSelector, supporting: versions, at: now)
    }

    /// Of the valid services with a version that we speak one of each operator: the highest version, of several the one that
    /// started last. Newest first; of these as many as the selector wants (sigstore_trustroot.proto, `SigningConfig`).
    private static func select(
        _ services: [Service], _ name: String, _ selector: Selector, supporting versions: Set<Int>, at now: Date
    ) throws(SigstoreError) -> [Service] {
        var chosen: [Service] = []
        for service in services where versions.contains(service.majorApiVersion) && service.validity.contains(now) {
            guard let known = chosen.firstIndex(where: { $0.operatorName == service.operatorName }) else {
                chosen.append(service)
                continue
            }
            if service.isNewer(than: chosen[known]) { chosen[known] = service }
        }
        chosen = chosen.enumerated().sorted {
            // of equals the document's order
            $0.element.validity.start != $1.element.validity.start
                ? $0.element.validity.start > $1.element.validity.start : $0.offset < $1.offset
        }.map(\.element)
        switch selector {
        case .any: chosen = Array(chosen.prefix(1))
        case .all: break
        case .exact(let count):
            guard chosen.count >= count else {
                throw .malformed(
                    "signing config.\(name)",
                    "\(count) services of different operators are wanted, \(chosen.count) can be used")
            }
            chosen = Array(chosen.prefix(count))
        }
        guard !chosen.isEmpty else { throw none(name, versions, now) }
        return chosen
    }

    private static func none(_ name: String, _ versions: Set<Int>, _ now: Date) -> SigstoreError {
        let spoken = versions.sorted().map(String.init).joined(separator: " or ")
        return .malformed("signing config.\(name)", "no service of API version \(spoken) is valid at \(now.rfc3339)")
    }
}

extension SigningConfig.Service {
    fileprivate func isNewer(than other: Self) -> Bool {
        (majorApiVersion, validity.start) > (other.majorApiVersion, other.validity.start)
    }
}
