extension RekorV2 {
    /// Whether a stored request is one of this API, and not of Rekor v1.
    public static func reads(_ request: [UInt8]) -> Bool { (try? HashedRekordV2Entry(request: request)) != nil }

    /// The entry that the request made, looked for by reading the log from an index to its end; nil if it is not there. Writes
    /// nothing, so it is for a log that takes nothing any more: of any other, ``submit(_:)`` is the look-up.
    ///
    /// Every entry is held against the leaf that the newest checkpoint covers, 256 in a request. What cannot be read is an
    /// error and not an absence.
    /// - Parameter index: one below which the entry cannot be.
    public func search(_ request: [UInt8], from index: Int64) async throws(SigstoreError) -> TlogEntry? {
        let expected = try HashedRekordV2Entry(request: request)
        let size = try await size()
        var next = max(0, index)
        while next < size {
            let entries = try await entries(from: next, limit: 256)
            guard !entries.isEmpty else {
                throw .badAnswer(.rekor, detail: "no entry \(next) in a log of \(size)", answerMayBeLost: true)
            }
            let found = entries.first { (try? HashedRekordV2Entry(body: $0.canonicalizedBody)) == expected }
            if let found { return try await published(found.logIndex) }
            next += Int64(entries.count)
        }
        return nil
    }
}
