import FoundationEssentials
import OpenSSL
import Testing

/// The recorded bundle and trust root, as far as this module's tests need them.
struct Recorded: Decodable {
    struct Bytes: Decodable { let rawBytes: Data }
    struct Signed: Decodable { let sig: Data }
    struct Timestamp: Decodable { let signedTimestamp: Data }
    struct Timestamps: Decodable { let rfc3161Timestamps: [Timestamp] }
    struct Material: Decodable {
        let certificate: Bytes
        let timestampVerificationData: Timestamps
    }
    struct Envelope: Decodable { let signatures: [Signed] }
    struct Chain: Decodable { let certificates: [Bytes] }
    struct Authority: Decodable { let certChain: Chain }
    struct Log: Decodable { let publicKey: Bytes }
    struct Root: Decodable {
        let certificateAuthorities: [Authority]
        let timestampAuthorities: [Authority]
        let ctlogs: [Log]
    }

    let verificationMaterial: Material
    let dsseEnvelope: Envelope

    static func fixture(_ name: String) throws -> [UInt8] {
        let directory = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast()
        return [UInt8](try Data(contentsOf: URL(filePath: directory.joined(separator: "/") + "/Fixtures/" + name)))
    }

    static func bundle() throws -> Recorded {
        try JSONDecoder().decode(Recorded.self, from: Data(fixture("keyless-rekor1-tsa.bundle.json")))
    }

    static func root() throws -> Root {
        try JSONDecoder().decode(Root.self, from: Data(fixture("trusted_root.json")))
    }

    func leaf() throws -> Certificate { try Certificate(der: [UInt8](verificationMaterial.certificate.rawBytes)) }

    func timestamp() throws -> [UInt8] {
        [UInt8](try #require(verificationMaterial.timestampVerificationData.rfc3161Timestamps.first).signedTimestamp)
    }

    func signature() throws -> [UInt8] { [UInt8](try #require(dsseEnvelope.signatures.first).sig) }
}

extension Recorded.Root {
    func fulcio() throws -> [Certificate] { try Self.certificates(certificateAuthorities) }

    func timestampAuthority() throws -> [Certificate] { try Self.certificates(timestampAuthorities) }

    func ctLogKey() throws -> PublicKey { try PublicKey(spki: [UInt8](#require(ctlogs.first).publicKey.rawBytes)) }

    private static func certificates(_ authorities: [Recorded.Authority]) throws -> [Certificate] {
        try #require(authorities.first).certChain.certificates.map { try Certificate(der: [UInt8]($0.rawBytes)) }
    }
}
