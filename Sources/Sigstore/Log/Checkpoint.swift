import OpenSSL
import StrictJSON

/// A log's signed statement of its size and root: a C2SP tlog-checkpoint in a signed note.
public struct Checkpoint: Sendable, Equatable {
    /// One signature line: `— name base64(key hint ‖ signature)`.
    public struct Signature: Sendable, Equatable {
        /// The signer's name.
        public let name: String
        /// The first four bytes of the key's id.
        public let keyHint: [UInt8]
        /// The signature over ``Checkpoint/signedText``.
        public let signature: [UInt8]
    }

    /// The log's own name for itself, the first line.
    public let origin: String
    /// The number of leaves.
    public let size: UInt64
    /// The root over them.
    public let rootHash: [UInt8]
    /// The signatures, in order; also those of witnesses.
    public let signatures: [Signature]
    /// The bytes that are signed: the note's text with its final newline.
    public let signedText: [UInt8]
    /// The whole note as it was read.
    public let note: String

    /// Longest note read, in bytes.
    public static let maxBytes = 16 << 10

    /// Reads a signed note that holds a checkpoint.
    /// - Throws: ``SigstoreError/malformed(_:_:)`` naming the part that is wrong.
    public init(note: String) throws(SigstoreError) {
        func malformed(_ why: String) -> SigstoreError { .malformed("checkpoint", why) }
        let bytes = Array(note.utf8)
        self.note = note
        guard bytes.count <= Self.maxBytes else { throw malformed("longer than \(Self.maxBytes) bytes") }
        guard note.isStreamSafe else { throw malformed("more than 30 combining marks in a row") }
        guard !bytes.contains(where: { $0 < 0x20 && $0 != 0x0A }) else { throw malformed("control characters") }
        // the text may hold empty lines, the signatures may not: the last empty line divides them
        guard let blank = bytes.indices.dropLast().last(where: { bytes[$0] == 0x0A && bytes[$0 + 1] == 0x0A }) else {
            throw malformed("no empty line before the signatures")
        }
        signedText = Array(bytes[...blank])
        let lines = signedText.split(separator: 0x0A, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
        guard lines.count >= 4 else { throw malformed("fewer than three lines of text") }
        origin = lines[0]
        guard !origin.isEmpty else { throw malformed("no origin") }
        // as an index of entries it is a signed number everywhere else
        guard let size = UInt64(lines[1]), String(size) == lines[1], size <= UInt64(Int64.max) else {
            throw malformed("the second line is not a tree size")
        }
        guard let root = Base64.decode(lines[2]), root.count == 32 else {
            throw malformed("the third line is not a root hash")
        }
        (self.size, self.rootHash) = (size, root)
        guard bytes.last == 0x0A else { throw malformed("the last line does not end") }
        var signatures: [Signature] = []
        for line in bytes[(blank + 2)...].dropLast().split(separator: 0x0A, omittingEmptySubsequences: false) {
            signatures.append(try Self.signature(String(decoding: line, as: UTF8.self)))
        }
        guard !signatures.isEmpty, signatures.count <= 64 else { throw malformed("\(signatures.count) signatures") }
        self.signatures = signatures
    }

    private static func signature(_ line: String) throws(SigstoreError) -> Signature {
        let parts = line.split(separator: " ", omittingEmptySubsequences: false)
        // U+2014, an em dash, not a hyphen
        guard parts.count == 3, parts[0] == "\u{2014}", !parts[1].isEmpty, let bytes = Base64.decode(String(parts[2])),
            bytes.count > 4
        else { throw .malformed("checkpoint", "a signature line is not \"— name base64\"") }
        return Signature(name: String(parts[1]), keyHint: Array(bytes.prefix(4)), signature: Array(bytes.dropFirst(4)))
    }

    /// The text of a checkpoint that is to be signed.
    public static func text(origin: String, size: UInt64, rootHash: [UInt8]) -> [UInt8] {
        Array("\(origin)\n\(size)\n\(Base64.encode(rootHash))\n".utf8)
    }

    /// A signed note of this text with one signature.
    public static func note(text: [UInt8], name: String, keyHint: [UInt8], signature: [UInt8]) -> String {
        String(decoding: text, as: UTF8.self) + "\n\u{2014} \(name) \(Base64.encode(keyHint + signature))\n"
    }
}
