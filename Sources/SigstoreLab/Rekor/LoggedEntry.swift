/// One entry as `GET` and `POST` answer it, before it is keyed by its UUID.
struct LoggedEntry: Encodable {
    /// The four fields that the signed entry timestamp covers, as canonical JSON.
    struct Promise: Encodable {
        let body: String
        let integratedTime: Int64
        let logID: String
        let logIndex: Int
    }

    struct Verification: Encodable {
        let inclusionProof: Proof
        let signedEntryTimestamp: String
    }

    struct Proof: Encodable {
        let checkpoint: String
        let hashes: [String]
        let logIndex: Int
        let rootHash: String
        let treeSize: Int
    }

    let uuid: String
    let promise: Promise
    let verification: Verification

    enum CodingKeys: CodingKey { case body, integratedTime, logID, logIndex, verification }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(promise.body, forKey: .body)
        try container.encode(promise.integratedTime, forKey: .integratedTime)
        try container.encode(promise.logID, forKey: .logID)
        try container.encode(promise.logIndex, forKey: .logIndex)
        try container.encode(verification, forKey: .verification)
    }

    /// `{uuid: entry}`.
    var keyed: [String: LoggedEntry] { [uuid: self] }
}
