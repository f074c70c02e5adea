public import FoundationEssentials
public import OpenSSL

/// Somebody who watches logs and cosigns their checkpoints once it has seen that each extends the last
/// (C2SP tlog-witness).
public struct Witness: Sendable, Equatable {
    /// Its name in signature lines.
    public let name: String
    /// Its Ed25519 key.
    public let key: PublicKey
    let keyHint: [UInt8]

    /// A witness, from the verifier key it publishes: `name+hash+base64(0x04 ‖ key)` (C2SP signed-note, "Verifier keys").
    /// - Throws: ``SigstoreError/malformed(_:_:)`` if it is not of that form, or its hash is of something else.
    public init(verifierKey text: String) throws(SigstoreError) {
        func malformed(_ why: String) -> SigstoreError { .malformed("witness key", why) }
        // base64 may hold a plus sign, the name may not
        let parts = text.split(separator: "+", maxSplits: 2, omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3, !parts[0].isEmpty, !parts[0].contains(where: \.isWhitespace) else {
            throw malformed("not \"name+hash+key\"")
        }
        guard let hint = Hex.decode(parts[1]), hint.count == 4 else { throw malformed("its hash is not 8 hex digits") }
        guard let bytes = Base64.decode(parts[2]), bytes.count == 33 else { throw malformed("its key is not 33 bytes") }
        guard bytes[0] == NoteKey.cosignature else {
            throw .unsupported("a witness key of type \(bytes[0]): cosignatures are of type 4")
        }
        let raw = Array(bytes.dropFirst())
        guard Array(NoteKey.id(name: parts[0], type: NoteKey.cosignature, key: raw).prefix(4)) == hint else {
            throw malformed("its hash is not that of name and key")
        }
        do throws(CryptoError) {
            key = try PublicKey(ed25519: raw)
        } catch {
            throw malformed("\(error)")
        }
        name = parts[0]
        keyHint = hint
    }

    /// What a witness signs: the time and the checkpoint (C2SP tlog-cosignature, "Format").
    static func signedMessage(seconds: UInt64, text: [UInt8]) -> [UInt8] {
        Array("cosignature/v1\ntime \(seconds)\n".utf8) + text
    }

    /// The time at which this witness cosigned the checkpoint; nil if none of the lines is a cosignature of its.
    func cosignedAt(_ checkpoint: Checkpoint) -> Date? {
        for line in checkpoint.signatures where line.name == name && line.keyHint == keyHint {
            // 8 bytes of time, 64 of Ed25519
            guard line.signature.count == 72 else { continue }
            let seconds = line.signature.prefix(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            // a time that no calendar reaches is no statement
            guard seconds <= UInt64(Int32.max) * 4 else { continue }
            let message = Self.signedMessage(seconds: seconds, text: checkpoint.signedText)
            if (try? key.verify(Array(line.signature.dropFirst(8)), of: message)) != nil {
                return Date(unixSeconds: Int64(seconds))
            }
        }
        return nil
    }
}

/// A witness's word that a checkpoint extends all that it saw before of this log.
public struct Cosignature: Sendable, Equatable {
    /// Who.
    public let witness: String
    /// When, by the witness's clock.
    public let time: Date
}
