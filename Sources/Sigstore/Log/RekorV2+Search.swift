extension RekorV2: LogScan {
    /// Every entry is held against the leaf that the newest checkpoint covers, 256 in a request.
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
