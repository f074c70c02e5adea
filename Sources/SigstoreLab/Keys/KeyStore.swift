import FoundationEssentials
import OpenSSL

/// The lab's keys and certificates, made once and kept as PEM under `keys/`.
struct KeyStore {
    /// On every CA and TSA certificate of every lab, so that a daemon can tell a lab's trust root from a real one.
    static let organization = "Countersign Lab (NOT FOR PRODUCTION)"
    /// Ten years, as of the real roots; the lab's folder hardly lives as long.
    private static let lifetime: TimeInterval = 3650 * 86_400

    private let folder: String
    /// When the first start made the keys, less a day so that a clock set back an hour stays within validity.
    let validFrom: Date

    init(folder: String) throws {
        self.folder = folder
        let path = "\(folder)/created"
        if let text = try AtomicFile.read(path), let seconds = Double(text) {
            validFrom = Date(timeIntervalSince1970: seconds)
        } else {
            validFrom = Date(timeIntervalSince1970: (Date().timeIntervalSince1970 - 86_400).rounded(.down))
            try AtomicFile.write("\(Int64(validFrom.timeIntervalSince1970))", to: path)
        }
    }

    /// The key `name`, of that algorithm.
    func key(_ name: String, _ algorithm: KeyAlgorithm) throws -> PrivateKey {
        let path = "\(folder)/\(name).key.pem"
        if let text = try AtomicFile.read(path) {
            let key = try PrivateKey(pem: text)
            guard key.algorithm == algorithm else {
                throw LabError.storage(path: path, reason: "not a key of \(algorithm)")
            }
            return key
        }
        let key = try PrivateKey.generate(algorithm)
        try AtomicFile.write(try key.pem(), to: path)
        return key
    }

    /// The certificate `name` of a key.
    func certificate(
        _ name: String, for key: PrivateKey, by issuer: (key: PrivateKey, certificate: Certificate)?,
        _ shape: (inout CertificateTemplate) -> Void
    ) throws -> Certificate {
        let path = "\(folder)/\(name).pem"
        if let text = try AtomicFile.read(path) {
            let certificate = try Certificate(pem: text)
            guard certificate.publicKey == key.publicKey else {
                throw LabError.storage(path: path, reason: "is not the certificate of \(name).key.pem")
            }
            return certificate
        }
        var template = CertificateTemplate(notBefore: validFrom, notAfter: validFrom.addingTimeInterval(Self.lifetime))
        template.subject = DistinguishedName(
            commonName: "countersign-lab \(name)", organization: Self.organization)
        shape(&template)
        let certificate = try template.issue(
            for: key.publicKey, signedBy: issuer?.key ?? key, issuer: issuer?.certificate)
        try AtomicFile.write(certificate.pem, to: path)
        return certificate
    }

    /// Name of a key, certificate or log of a generation: the first has no number.
    static func name(_ name: String, _ number: Int) -> String { number == 1 ? name : "\(name)-\(number)" }

    /// The number of a Rekor tree: positive, so that it reads the same signed and unsigned.
    func treeID(_ number: Int) throws -> Int64 {
        let path = "\(folder)/\(Self.name("rekor-tree-id", number))"
        if let text = try AtomicFile.read(path), let known = Int64(text), known > 0 { return known }
        let fresh = SecureRandom.bytes(8).reduce(Int64(0)) { $0 << 8 | Int64($1) } & Int64.max | 1 << 60
        try AtomicFile.write("\(fresh)", to: path)
        return fresh
    }
}
