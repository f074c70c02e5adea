import OpenSSL

/// Key ids of signed notes (C2SP signed-note, "Signatures"): `SHA-256(name ‖ 0x0A ‖ type ‖ key)`, of which a signature
/// line carries the first four bytes.
enum NoteKey {
    /// An Ed25519 signature of the note's text.
    static let ed25519: UInt8 = 0x01
    /// A timestamped Ed25519 cosignature (C2SP tlog-cosignature, "cosignature/v1").
    static let cosignature: UInt8 = 0x04

    static func id(name: String, type: UInt8, key: [UInt8]) -> [UInt8] {
        Hash.sha256(Array(name.utf8) + [0x0A, type] + key)
    }
}

extension TrustedLog {
    /// Whether a note's signature line can be this log's: by its key hint, and its name.
    ///
    /// A Rekor v1 id is the hash of the key alone, and the note's name is whatever the log calls itself (the origin adds
    /// the tree). A tiled log's id is the note key's, which settles the name as well; where an instance keeps another id,
    /// the name must be the host of its URL. An Ed25519 key may be either's: it is Rekor v1's where the id is the key's own
    /// and the origin has a tree.
    func isSigner(of line: Checkpoint.Signature, origin: String) -> Bool {
        let keyID = checkpointKeyID ?? logID
        guard line.keyHint == Array(keyID.prefix(4)) else { return false }
        let tree = origin.hasPrefix(line.name + " - ") ? origin.dropFirst(line.name.count + 3) : nil
        guard let key, let raw = key.ed25519Bytes else { return origin == line.name || tree != nil }
        if let tree, keyID == Hash.sha256(key.spki) {
            return !tree.isEmpty && tree.utf8.allSatisfy { (0x30...0x39).contains($0) }
        }
        let id = NoteKey.id(name: line.name, type: NoteKey.ed25519, key: raw)
        return origin == line.name && (id == keyID || line.name == hostOfBaseURL)
    }

    private var hostOfBaseURL: String? {
        guard let start = baseURL.firstRange(of: "://")?.upperBound else { return nil }
        let authority = baseURL[start...].prefix { $0 != "/" }
        return String(authority.prefix { $0 != ":" })
    }
}
