import FoundationEssentials
import OpenSSL
import StrictJSON

/// A metadata file that was read and not yet believed (4.2 "Object format").
struct MetadataFile {
    struct Signature {
        let keyID: String
        let bytes: [UInt8]
    }

    /// Its name in errors, such as `timestamp.json`.
    let name: String
    let version: Int64
    let expires: Date
    /// The `signed` part.
    let signed: MetadataField
    private let message: [UInt8]
    private let signatures: [Signature]

    /// Reads a file of the type `type`. Nothing of it may be used before ``verify(by:)``.
    init(_ bytes: [UInt8], name: String, type: String) throws(TUFError) {
        let document: MetadataField
        do throws(JSONError) {
            let limits = JSONLimits(maxBytes: bytes.count)
            document = MetadataField(value: try JSONValue(parsing: bytes, limits: limits), file: name, path: "")
        } catch {
            throw .malformed(file: name, error.description)
        }
        self.name = name
        signed = try document.required("signed")
        do throws(CanonicalJSONError) { message = try signed.value.olpcCanonical() } catch {
            throw .malformed(file: name, error.detail)
        }
        let given = try signed.required("_type").string()
        guard given == type else {
            throw signed.malformed("of type \"\(printable(given, limit: 40))\", not \"\(type)\"")
        }
        let specification = try signed.required("spec_version").string()
        guard specification.split(separator: ".", omittingEmptySubsequences: false).first == "1" else {
            throw signed.malformed("specification version \(printable(specification, limit: 20)), we read 1.x")
        }
        version = try signed.required("version").integer(atLeast: 1)
        // JSON's whole numbers end there, and the next version is one more
        guard version <= 1 << 53 else { throw signed.malformed("version \(version)") }
        expires = try signed.required("expires").date()

        var signatures: [Signature] = []
        var seen: Set<String> = []
        for element in try document.required("signatures").elements(atMost: 1024) {
            let keyID = try element.required("keyid").string()
            // "multiple signatures with the same keyid are not allowed"
            guard seen.insert(keyID).inserted else { throw element.malformed("a second signature of one key id") }
            // what is not even hexadecimal verifies as little as a wrong signature, and spoils no others
            signatures.append(Signature(keyID: keyID, bytes: Hex.decode(try element.required("sig").string()) ?? []))
        }
        self.signatures = signatures
    }

    /// Whether a threshold of the role's keys signed it.
    func verify(by role: RoleKeys) throws(TUFError) {
        let valid = role.signers(of: message, signatures)
        guard valid >= role.threshold else { throw .unsigned(file: name, valid: valid, threshold: role.threshold) }
    }
}
