import FoundationEssentials
import OpenSSL
import Testing

@Suite struct CertificateChainTests {
    let key: PrivateKey

    init() throws { key = try PrivateKey.generate(.ecdsaP256) }

    /// What the refusal says, or "verified".
    private func outcome(_ body: () throws -> Void) -> String {
        do {
            try body()
            return "verified"
        } catch {
            return "\(error)"
        }
    }

    @Test func `our own chain verifies, leaf first`() throws {
        let authority = try OwnAuthority()
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        #expect(try authority.verify(leaf) == [leaf, authority.intermediate, authority.root])
    }

    @Test func `an expired intermediate is no candidate, and the refusal names it`() throws {
        let authority = try OwnAuthority(intermediate: {
            $0.notAfter = OwnAuthority.start.addingTimeInterval(300)
        })
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        #expect(try authority.verify(leaf, at: OwnAuthority.start.addingTimeInterval(300)).count == 3)
        let refusal = outcome { _ = try authority.verify(leaf, at: OwnAuthority.start.addingTimeInterval(301)) }
        #expect(refusal.contains("CN=intermediate"))
        #expect(refusal.contains("not valid at that time"))
    }

    @Test func `an expired root anchors nothing`() throws {
        let authority = try OwnAuthority(root: { $0.notAfter = OwnAuthority.start.addingTimeInterval(300) })
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        let refusal = outcome { _ = try authority.verify(leaf, at: OwnAuthority.start.addingTimeInterval(301)) }
        #expect(refusal.contains("CN=root"))
    }

    @Test func `a root of the same name with another key is not the root`() throws {
        let (authority, impostor) = (try OwnAuthority(), try OwnAuthority())
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        #expect(throws: CryptoError.self) {
            try CertificateChain.verify(
                leaf, intermediates: [authority.intermediate], roots: [impostor.root], at: OwnAuthority.start,
                purpose: .codeSigning)
        }
    }

    @Test func `a path longer than the intermediate allows is refused`() throws {
        let authority = try OwnAuthority()
        let below = try PrivateKey.generate(.ecdsaP256)
        var template = OwnAuthority.authority(named: "below", years: 1)
        template.extendedKeyUsages = [OwnAuthority.codeSigning]
        let second = try template.issue(for: below.publicKey, signedBy: authority.key, issuer: authority.intermediate)
        let leaf = try OwnAuthority.leaf.issue(for: key.publicKey, signedBy: below, issuer: second)
        let refusal = outcome {
            _ = try CertificateChain.verify(
                leaf, intermediates: [second, authority.intermediate], roots: [authority.root],
                at: OwnAuthority.start, purpose: .codeSigning)
        }
        #expect(refusal.contains("path length constraint exceeded"))
    }

    @Test func `a leaf cannot issue`() throws {
        let authority = try OwnAuthority()
        var template = OwnAuthority.leaf
        template.subject = DistinguishedName(commonName: "not a CA")
        let leaf = try authority.issue(template, for: key)
        let victim = try PrivateKey.generate(.ecdsaP256)
        let forged = try OwnAuthority.leaf.issue(for: victim.publicKey, signedBy: key, issuer: leaf)
        let refusal = outcome {
            _ = try CertificateChain.verify(
                forged, intermediates: [leaf, authority.intermediate], roots: [authority.root],
                at: OwnAuthority.start, purpose: .codeSigning)
        }
        #expect(refusal.contains("invalid CA certificate"))
    }

    @Test func `an intermediate for something else does not pass code signing on`() throws {
        let authority = try OwnAuthority(intermediate: { $0.extendedKeyUsages = [OwnAuthority.timeStamping] })
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        #expect(outcome { _ = try authority.verify(leaf) }.contains("does not allow codeSigning"))
        #expect(try authority.verify(leaf, .any).count == 3)
    }

    @Test func `a leaf that is not for code signing is refused with the reason`() throws {
        let table: [(reason: String, shape: (inout CertificateTemplate) -> Void)] = [
            ("extended key usage", { $0.extendedKeyUsages = [] }),
            ("extended key usage", { $0.extendedKeyUsages = ["1.3.6.1.5.5.7.3.1"] }),
            ("extended key usage", { $0.extendedKeyUsages = ["2.5.29.37.0"] }),
            ("digitalSignature", { $0.keyUsage = .contentCommitment }),
            ("digitalSignature", { $0.keyUsage = nil }),
            (
                "CA certificate",
                {
                    $0.authority = .init()
                    $0.keyUsage = [.digitalSignature, .certificateSigning]
                    $0.subject = DistinguishedName(commonName: "leaf and CA")
                }
            ),
            ("critical extension", { $0.isPrecertificate = true }),
            ("critical extension", { $0.extensions = [.init(oid: "1.2.3.4.5", isCritical: true, value: [5, 0])] }),
        ]
        let authority = try OwnAuthority()
        for (reason, shape) in table {
            var template = OwnAuthority.leaf
            shape(&template)
            let leaf = try authority.issue(template, for: key)
            let refusal = outcome { _ = try authority.verify(leaf) }
            #expect(refusal.contains(reason))
        }
    }

    @Test func `a timestamp leaf must say so critically and say nothing else`() throws {
        let authority = try OwnAuthority()
        #expect(try authority.verify(authority.issue(OwnAuthority.timestampLeaf, for: key), .timeStamping).count == 3)
        var uncritical = OwnAuthority.timestampLeaf
        uncritical.extendedKeyUsageIsCritical = false
        var both = OwnAuthority.timestampLeaf
        both.extendedKeyUsages += [OwnAuthority.codeSigning]
        for template in [uncritical, both, OwnAuthority.leaf] {
            let leaf = try authority.issue(template, for: key)
            #expect { try authority.verify(leaf, .timeStamping) } throws: {
                ($0 as? CryptoError)?.code == "crypto.chain"
            }
        }
    }

    @Test func `one certificate may be checked from many threads at once`() async throws {
        let authority = try OwnAuthority()
        let leaf = try authority.issue(OwnAuthority.leaf, for: key)
        let message = Array("message".utf8)
        let signature = try key.sign(message)
        let verified = try await withThrowingTaskGroup(of: Bool.self) { group in
            for _ in 0..<64 {
                group.addTask {
                    try leaf.publicKey.verify(signature, of: message)
                    return try authority.verify(leaf).count == 3
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(verified == 64)
    }
}
