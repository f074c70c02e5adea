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
    /// Whether a note's signature line can be this log's: by its key hint, and its name as one of Rekor's APIs has it.
    func isSigner(of line: Checkpoint.Signature, origin: String) -> Bool { api(of: line, origin: origin) != nil }

    /// The API whose logs sign so; nil if the line cannot be this log's. Of several the newest, of whose logs more can be asked.
    func api(of line: Checkpoint.Signature, origin: String) -> RekorAPI? {
        guard line.keyHint == Array(keyID.prefix(4)) else { return nil }
        return RekorAPI.all.last { $0.isSigner(self, line, origin) }
    }

    /// The line under a tree of a Rekor v1. Its id is the hash of the key alone, and the note's name is whatever the log calls
    /// itself: the origin adds the tree. An Ed25519 key may be a tiled log's as well, so there the id must be the key's own, and
    /// the tree a number.
    func isSignerOfTree(_ line: Checkpoint.Signature, origin: String) -> Bool {
        let tree = origin.hasPrefix(line.name + " - ") ? origin.dropFirst(line.name.count + 3) : nil
        guard let key, key.ed25519Bytes != nil else { return origin == line.name || tree != nil }
        guard let tree, keyID == Hash.sha256(key.spki) else { return false }
        return !tree.isEmpty && tree.utf8.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// The line under a log of tiles (C2SP). Its id is the note key's, which settles the name as well; where an instance keeps
    /// another id, the name must be the host of its URL.
    func isSignerOfNote(_ line: Checkpoint.Signature, origin: String) -> Bool {
        guard origin == line.name else { return false }
        guard let key, let raw = key.ed25519Bytes else { return true }
        return NoteKey.id(name: line.name, type: NoteKey.ed25519, key: raw) == keyID || line.name == hostOfBaseURL
    }

    private var keyID: [UInt8] { checkpointKeyID ?? logID }

    private var hostOfBaseURL: String? {
        guard let start = baseURL.firstRange(of: "://")?.upperBound else { return nil }
        let authority = baseURL[start...].prefix { $0 != "/" }
        return String(authority.prefix { $0 != ":" })
    }
}
