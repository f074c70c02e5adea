import Curl
import FoundationEssentials
import OpenSSL
import SigstoreLab
import Testing

@testable import Sigstore

extension KeyKindTests {
    /// Signers of a running lab, with keys of any kind.
    struct Signers: Sendable {
        let rekor: RekorV1
        let root: TrustedRoot
        private let fulcio: FulcioClient
        private let timestamps: TimestampClient
        private let token: IdentityToken
        private let anyone: CertificateIdentity

        var verifier: Verifier { Verifier(root: root) }

        /// One who signs: under a certificate, or as a key.
        struct Signer: Sendable {
            let key: PrivateKey
            let submitter: LogSubmission.Signer
            let expected: Verifier.ExpectedSigner

            var material: UnverifiedBundle.Material {
                switch submitter {
                case .certificate(let certificate): .certificate(certificate.der)
                case .publicKey(let key): .publicKey(hint: key.hint)
                }
            }
        }

        static func withLab(_ body: @escaping @Sendable (Signers) async throws -> Void) async throws {
            try await RunningLab.run { lab, endpoints, http in
                try await body(
                    Signers(
                        rekor: RekorV1(url: endpoints.rekor, http: http, route: RunningLab.route),
                        root: try TrustedRoot(json: try await lab.trustedRootJSON),
                        fulcio: FulcioClient(url: endpoints.fulcio, http: http, route: RunningLab.route),
                        timestamps: TimestampClient(url: endpoints.tsa, http: http, route: RunningLab.route),
                        token: IdentityToken(try await lab.token()),
                        anyone: CertificateIdentity(
                            subjectAlternativeName: .regex("^https://kubernetes.io/.+$"),
                            issuer: .exact(endpoints.issuer(.kubernetes)))))
            }
        }

        /// One key with a certificate, and the same key alone.
        func both(_ algorithm: KeyAlgorithm) async throws -> [Signer] {
            let key = try PrivateKey.generate(algorithm)
            let certificate = try await fulcio.issue(key: key, token: token).leaf
            #expect(certificate.publicKey.algorithm == algorithm)
            return [
                Signer(key: key, submitter: .certificate(certificate), expected: .certificate(anyone)),
                Signer(key: key, submitter: .publicKey(key.publicKey), expected: .publicKey(key.publicKey)),
            ]
        }

        /// As it would be read from a file, with a timestamp.
        func bundle(
            _ content: UnverifiedBundle.Content, by signer: Signer, _ entry: TlogEntry
        ) async throws -> UnverifiedBundle {
            let stamp = try await timestamps.timestamp(content.signature)
            return try UnverifiedBundle(
                json: UnverifiedBundle(content, signer.material, [entry], timestamps: [stamp]).json())
        }

        /// The lab's anchors and another log.
        func root(with log: OwnLog) -> TrustedRoot {
            TrustedRoot(
                tlogs: root.tlogs + [log.log], ctLogs: root.ctLogs, certificateAuthorities: root.certificateAuthorities,
                timestampAuthorities: root.timestampAuthorities)
        }
    }

    /// A tiled log that takes whatever it is given: every entry is alone in its tree.
    struct OwnLog: Sendable {
        let log: TrustedLog
        private let key: PrivateKey
        private static let name = "log.example"

        init() throws {
            key = try PrivateKey.generate(.ed25519)
            log = TrustedLog(
                baseURL: "https://\(Self.name)",
                logID: NoteKey.id(
                    name: Self.name, type: NoteKey.ed25519, key: key.publicKey.ed25519Bytes ?? []),
                keyBytes: key.publicKey.spki, key: key.publicKey, keyDetails: "PKIX_ED25519",
                validity: ValidityWindow(start: .distantPast, end: nil))
        }

        /// `hashedrekord` 0.0.2 of a digest.
        func entry(
            _ algorithm: DigestAlgorithm, _ digest: [UInt8], _ signature: [UInt8], _ signer: Signers.Signer
        ) throws -> TlogEntry {
            let verifier =
                switch signer.submitter {
                case .certificate(let certificate):
                    #""x509Certificate":{"rawBytes":"\#(Base64.encode(certificate.der))"}"#
                case .publicKey(let key): #""publicKey":{"rawBytes":"\#(Base64.encode(key.spki))"}"#
                }
            let body = Array(
                """
                {"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":\
                "SHA2_\(algorithm.byteCount * 8)","digest":"\(Base64.encode(digest))"},"signature":{"content":\
                "\(Base64.encode(signature))","verifier":{"keyDetails":"","\(verifier.dropFirst())}}}}}
                """.utf8)
            let root = Merkle.leafHash(body)
            let text = Checkpoint.text(origin: Self.name, size: 1, rootHash: root)
            let note = Checkpoint.note(
                text: text, name: Self.name, keyHint: Array(log.logID.prefix(4)), signature: try key.sign(text))
            return TlogEntry(
                logIndex: 0, logID: log.logID, kind: "hashedrekord", version: "0.0.2", integratedTime: 0,
                inclusionPromise: nil,
                inclusionProof: .init(logIndex: 0, rootHash: root, treeSize: 1, hashes: [], checkpoint: note),
                canonicalizedBody: body)
        }
    }
}
