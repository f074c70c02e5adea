import FoundationEssentials
import OpenSSL

/// An Ed25519 key that signs notes (C2SP signed-note), as a log or as a witness.
struct NoteSigner: Sendable {
    enum Role: UInt8, Sendable {
        /// A log's own signature, over the text.
        case log = 0x01
        /// A witness's timestamped cosignature (C2SP tlog-cosignature).
        case witness = 0x04
    }

    let name: String
    let role: Role
    private let key: PrivateKey
    /// SHA-256(name ‖ 0x0A ‖ role ‖ key): its first four bytes are the key hint; whole, it is a log's id.
    let keyID: [UInt8]

    /// - Throws: `LabError.configuration` unless the key is Ed25519.
    init(name: String, role: Role, key: PrivateKey) throws {
        guard let raw = key.publicKey.ed25519Bytes else {
            throw LabError.configuration("\(name) signs notes with Ed25519 only")
        }
        (self.name, self.role, self.key) = (name, role, key)
        keyID = Hash.sha256(Array(name.utf8) + [0x0A, role.rawValue] + raw)
    }

    /// The signature line for a note's text, which ends in a newline.
    func line(for text: [UInt8], now: Date) throws -> String {
        let hint = Array(keyID.prefix(4))
        switch role {
        case .log:
            return line(hint + (try key.sign(text)))
        case .witness:
            let seconds = UInt64(max(0, now.timeIntervalSince1970))
            let signed = Array("cosignature/v1\ntime \(seconds)\n".utf8) + text
            let time = (0..<8).map { UInt8(truncatingIfNeeded: seconds >> UInt64(56 - 8 * $0)) }
            return line(hint + time + (try key.sign(signed)))
        }
    }

    /// The public half as tools for notes take it: `name+hint+base64(role ‖ key)`.
    var verifierKey: String {
        let raw = key.publicKey.ed25519Bytes ?? []
        return "\(name)+\(Array(keyID.prefix(4)).hex)+\(([role.rawValue] + raw).base64)"
    }

    private func line(_ bytes: [UInt8]) -> String { "\u{2014} \(name) \(bytes.base64)\n" }
}
