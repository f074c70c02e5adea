import FoundationEssentials
import OpenSSL

/// Signs and reads the compact tokens (RFC 7519) of the lab's issuers. RS256 and ES256; one key each for all issuers.
struct IdentityTokens: Sendable {
    enum Algorithm: String, Sendable { case rs256 = "RS256", es256 = "ES256" }

    let rsa: PrivateKey
    let ec: PrivateKey

    /// `kid` of a key: it must stay the same across restarts, so that cached key sets stay right.
    func keyID(_ algorithm: Algorithm) -> String { algorithm == .rs256 ? "rs1" : "es1" }

    func sign(_ claims: some Encodable, _ algorithm: Algorithm) throws -> String {
        let header = try canonicalJSON(["alg": algorithm.rawValue, "kid": keyID(algorithm), "typ": "JWT"])
        let input = "\(header.base64URL).\(try canonicalJSON(claims).base64URL)"
        let signature =
            switch algorithm {
            case .rs256: try rsa.sign(Array(input.utf8))
            case .es256: try ECDSASignature.raw(fromDER: ec.sign(Array(input.utf8)), .ecdsaP256)
            }
        return "\(input).\(signature.base64URL)"
    }

    /// The claims of a token that one of our keys signed; `nil` for anything else. Says nothing of times and audience.
    func claims(of token: String) -> (claims: Claims, workflow: WorkflowClaims)? {
        let parts = token.split(separator: ".", omittingEmptySubsequences: false)
        guard parts.count == 3, token.utf8.count <= 64 << 10,
            let header = [UInt8](base64URL: parts[0]).flatMap({ try? JSONDecoder().decode(Header.self, from: Data($0)) }
            ),
            let algorithm = Algorithm(rawValue: header.alg), header.kid == keyID(algorithm),
            let signature = [UInt8](base64URL: parts[2])
        else { return nil }
        let input = Array("\(parts[0]).\(parts[1])".utf8)
        do {
            switch algorithm {
            case .rs256: try rsa.publicKey.verify(signature, of: input)
            case .es256: try ec.publicKey.verify(ECDSASignature.der(fromRaw: signature, .ecdsaP256), of: input)
            }
            guard let payload = [UInt8](base64URL: parts[1]) else { return nil }
            let decoder = JSONDecoder()
            return (
                try decoder.decode(Claims.self, from: Data(payload)),
                try decoder.decode(WorkflowClaims.self, from: Data(payload))
            )
        } catch {
            return nil
        }
    }

    private struct Header: Decodable {
        let alg: String
        let kid: String?
    }
}

/// The claims of a workflow beside those that every token has, in one object.
struct WorkflowToken: Encodable {
    let claims: Claims
    let workflow: WorkflowClaims

    func encode(to encoder: any Encoder) throws {
        try claims.encode(to: encoder)
        try workflow.encode(to: encoder)
    }
}

/// What the lab's tokens say. Times are whole seconds since 1970.
struct Claims: Codable, Sendable, Equatable {
    var iss: String
    var sub: String
    var aud: Audience
    var iat: Int64
    var nbf: Int64?
    var exp: Int64
    var jti: String?
    var email: String?
    var emailVerified: Bool?
    var kubernetes: Kubernetes?

    enum CodingKeys: String, CodingKey {
        case iss, sub, aud, iat, nbf, exp, jti, email
        case emailVerified = "email_verified"
        case kubernetes = "kubernetes.io"
    }

    /// RFC 7519 §4.1.3: one string or a list.
    struct Audience: Codable, Sendable, Equatable {
        let values: [String]
        init(_ values: [String]) { self.values = values }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let one = try? container.decode(String.self) {
                values = [one]
            } else {
                values = try container.decode([String].self)
            }
        }

        func encode(to encoder: any Encoder) throws {
            var container = encoder.singleValueContainer()
            try container.encode(values)
        }
    }

    /// The claim by which Fulcio knows a service account.
    struct Kubernetes: Codable, Sendable, Equatable {
        struct Named: Codable, Sendable, Equatable {
            let name: String
            let uid: String
        }
        let namespace: String
        let pod: Named?
        let serviceaccount: Named
    }
}
