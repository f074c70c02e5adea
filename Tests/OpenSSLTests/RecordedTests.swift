import FoundationEssentials
import OpenSSL
import Testing

/// What real Fulcio, CT log and timestamp authority made, checked with our code.
@Suite struct RecordedTests {
    let bundle: Recorded
    let root: Recorded.Root
    let leaf: Certificate
    let fulcio: [Certificate]
    let timestampAuthority: [Certificate]

    init() throws {
        bundle = try Recorded.bundle()
        root = try Recorded.root()
        leaf = try bundle.leaf()
        fulcio = try root.fulcio()
        timestampAuthority = try root.timestampAuthority()
    }

    @Test func `Fulcio's leaf reads as cosign reads it`() throws {
        #expect(leaf.subject.isEmpty)
        #expect(leaf.issuer == "CN=realstack fulcio intermediate,O=realstack.test")
        #expect(
            leaf.subjectAlternativeNames == [.uri("https://kubernetes.io/namespaces/ci/serviceaccounts/signer")])
        #expect(leaf.isCritical(extension: "2.5.29.17"))
        #expect(leaf.extendedKeyUsages == ["1.3.6.1.5.5.7.3.3"])
        #expect(leaf.keyUsage == .digitalSignature)
        #expect(!leaf.isCertificateAuthority)
        #expect(leaf.notAfter.timeIntervalSince(leaf.notBefore) == 600)
        #expect(leaf.publicKey.algorithm == .ecdsaP256)
        let issuer = try #require(leaf.extensionValue("1.3.6.1.4.1.57264.1.8"))
        #expect(try DER.decodeUTF8String(issuer) == "http://127.0.0.1:47050/k8s")
        #expect(leaf.extensionValue("1.3.6.1.4.1.57264.1.1") == Array("http://127.0.0.1:47050/k8s".utf8))
        #expect(leaf.extensionValue("1.2.3.4") == nil)
        #expect(try Certificate(pem: leaf.pem) == leaf)
    }

    @Test func `the chain holds at the first and the last second and not beyond`() throws {
        func verify(at time: Date) throws -> [Certificate] {
            try CertificateChain.verify(
                leaf, intermediates: [fulcio[0]], roots: [fulcio[1]], at: time, purpose: .codeSigning)
        }
        #expect(try verify(at: leaf.notBefore) == [leaf, fulcio[0], fulcio[1]])
        #expect(try verify(at: leaf.notAfter) == [leaf, fulcio[0], fulcio[1]])
        for time in [leaf.notBefore.addingTimeInterval(-1), leaf.notAfter.addingTimeInterval(0.5)] {
            #expect { try verify(at: time) } throws: { ($0 as? CryptoError)?.code == "crypto.outside_validity" }
        }
    }

    @Test func `the chain needs its intermediate, its root and its purpose`() throws {
        let time = leaf.notBefore
        func code(_ intermediates: [Certificate], _ roots: [Certificate], _ purpose: CertificateChain.Purpose) -> String
        {
            do {
                _ = try CertificateChain.verify(
                    leaf, intermediates: intermediates, roots: roots, at: time, purpose: purpose)
                return "verified"
            } catch {
                return error.code
            }
        }
        #expect(code([fulcio[0], fulcio[1]], [fulcio[1]], .codeSigning) == "verified")
        #expect(code([], [fulcio[1]], .codeSigning) == "crypto.chain")
        #expect(code([fulcio[0]], [], .codeSigning) == "crypto.chain")
        #expect(code([fulcio[0]], [fulcio[0]], .codeSigning) == "crypto.chain")
        #expect(code(fulcio, [timestampAuthority[1]], .codeSigning) == "crypto.chain")
        #expect(code([fulcio[0]], [fulcio[1]], .timeStamping) == "crypto.chain")
    }

    @Test func `the embedded SCT verifies with the log's key, the issuer and nothing else`() throws {
        let timestamps = try leaf.signedCertificateTimestamps()
        let sct = try #require(timestamps.first)
        #expect(timestamps.count == 1)
        #expect(leaf.isValid(at: sct.time))
        try sct.verify(for: leaf, issuer: fulcio[0], key: root.ctLogKey())

        #expect(throws: CryptoError.self) { try sct.verify(for: leaf, issuer: fulcio[1], key: root.ctLogKey()) }
        #expect(throws: CryptoError.self) { try sct.verify(for: fulcio[0], issuer: fulcio[0], key: root.ctLogKey()) }
        #expect(throws: CryptoError.certificateTimestamp("it is from another log than the key given")) {
            try sct.verify(for: leaf, issuer: fulcio[0], key: leaf.publicKey)
        }
    }

    @Test func `every changed byte of an SCT breaks it`() throws {
        let tls = try #require(try leaf.signedCertificateTimestamps().first).tls
        let key = try root.ctLogKey()
        for index in tls.indices {
            var changed = tls
            changed[index] ^= 1
            #expect(throws: CryptoError.self, "byte \(index)") {
                try SignedCertificateTimestamp(tls: changed).verify(for: leaf, issuer: fulcio[0], key: key)
            }
        }
    }

    @Test func `the recorded timestamp covers the signature at its own time`() throws {
        let response = try TimestampResponse(der: bundle.timestamp())
        let token = try #require(response.token)
        #expect(response.isGranted)
        #expect(token.policy == "1.3.6.1.4.1.57264.2")
        #expect(token.nonce == nil)
        #expect(token.certificates.isEmpty)
        let time = try response.verify(
            imprintOf: bundle.signature(), chain: timestampAuthority, roots: [timestampAuthority[1]])
        #expect(time == token.time)
        #expect(leaf.isValid(at: time))
    }

    @Test func `the recorded timestamp is refused for another message, root or leaf`() throws {
        let response = try TimestampResponse(der: bundle.timestamp())
        let signature = try bundle.signature()
        #expect(throws: CryptoError.timestamp("the imprint is of another message")) {
            try response.verify(imprintOf: signature + [0], chain: timestampAuthority, roots: [timestampAuthority[1]])
        }
        #expect(throws: CryptoError.self) {
            try response.verify(imprintOf: signature, chain: timestampAuthority, roots: [fulcio[1]])
        }
        #expect(throws: CryptoError.self) {
            try response.verify(imprintOf: signature, chain: [timestampAuthority[1]], roots: [timestampAuthority[1]])
        }
    }

    @Test func `a changed byte anywhere in the token is noticed`() throws {
        let der = try bundle.timestamp()
        let signature = try bundle.signature()
        var accepted: [Int] = []
        for index in der.indices {
            var changed = der
            changed[index] ^= 0x01
            do {
                _ = try TimestampResponse(der: changed).verify(
                    imprintOf: signature, chain: timestampAuthority, roots: [timestampAuthority[1]])
                accepted.append(index)
            } catch {}
        }
        // Outside what is signed lie the status (granted or granted with modifications), and version and digest set of
        // the SignedData, which nothing is computed from
        #expect(accepted.count <= 32, "\(accepted)")
    }

    @Test(arguments: [("tsa-nonce-certreq", DigestAlgorithm.sha256), ("tsa-sha384", .sha384)])
    func `recorded requests and answers belong together`(name: String, algorithm: DigestAlgorithm) throws {
        let bytes = try Recorded.fixture(name + ".tsq")
        let request = try TimestampRequest(der: bytes)
        #expect(request.der == bytes)
        #expect(request.digestAlgorithm == algorithm)
        #expect(request.requestsCertificates)
        let token = try #require(try TimestampResponse(der: Recorded.fixture(name + ".tsr")).token)
        #expect(token.imprint == request.imprint)
        #expect(token.nonce == request.nonce)
        #expect(token.digestAlgorithm == algorithm)
        #expect(token.certificates == [timestampAuthority[0]])
    }

    @Test func `the requests the authority refused are told apart`() throws {
        #expect(throws: CryptoError.unsupported("digest algorithm SHA-1")) {
            try TimestampRequest(der: Recorded.fixture("tsa-sha1.tsq"))
        }
        #expect(try TimestampRequest(der: Recorded.fixture("tsa-policy.tsq")).policy == "1.2.3.4")
        #expect(throws: CryptoError.self) { try TimestampRequest(der: Array("abc".utf8)) }
    }
}
