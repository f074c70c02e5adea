import FoundationEssentials
import OpenSSL
import Support
import Testing

/// The lab's timestamps, by our own verifier and by the `openssl` program.
@Suite struct TimestampTests {
    static let policy = "1.3.6.1.4.1.57264.2"
    let message = Array("a signature".utf8)
    let now = OwnAuthority.start.addingTimeInterval(60)
    let authority: OwnAuthority
    let key: PrivateKey
    let certificate: Certificate

    init() throws {
        authority = try OwnAuthority()
        key = try PrivateKey.generate(.ecdsaP384)
        certificate = try authority.issue(OwnAuthority.timestampLeaf, for: key)
    }

    private func stamp(_ request: TimestampRequest, at time: Date) throws -> TimestampResponse {
        try TimestampResponse(
            der: TimestampResponse.issue(
                request, key: key, certificate: certificate, policy: Self.policy, serialNumber: [0xAB, 0xCD], time: time
            ))
    }

    private func verify(_ response: TimestampResponse, chain: [Certificate]? = nil) throws -> Date {
        try response.verify(
            imprintOf: message, chain: chain ?? [certificate, authority.intermediate], roots: [authority.root])
    }

    @Test func `a stamp says what was asked and verifies`() throws {
        let request = TimestampRequest(imprintOf: message, nonce: [0, 0x81, 2], requestsCertificates: true)
        #expect(try TimestampRequest(der: request.der) == request)
        let response = try stamp(request, at: now)
        let token = try #require(response.token)
        #expect(token.time == now)
        #expect(token.nonce == [0x81, 2])
        #expect(token.policy == Self.policy)
        #expect(token.serialNumber == [0xAB, 0xCD])
        #expect(token.certificates == [certificate])
        #expect(token.imprint == Hash.sha256(message))
        #expect(try verify(response) == now)
        #expect(try verify(response, chain: [authority.intermediate]) == now)
    }

    @Test(arguments: [KeyAlgorithm.ecdsaP256, .ecdsaP521, .rsa(bits: 2048)])
    func `authorities with other keys are understood`(algorithm: KeyAlgorithm) throws {
        let key = try PrivateKey.generate(algorithm)
        let certificate = try authority.issue(OwnAuthority.timestampLeaf, for: key)
        let response = try TimestampResponse(
            der: TimestampResponse.issue(
                TimestampRequest(imprintOf: message), key: key, certificate: certificate, policy: Self.policy,
                serialNumber: [1], time: now))
        #expect(response.token?.certificates == [])
        #expect(try verify(response, chain: [certificate, authority.intermediate]) == now)
    }

    @Test func `a stamp outside the life of its certificate is refused`() throws {
        let request = TimestampRequest(imprintOf: message)
        #expect(try verify(stamp(request, at: certificate.notAfter)) == certificate.notAfter)
        for time in [certificate.notBefore.addingTimeInterval(-1), certificate.notAfter.addingTimeInterval(1)] {
            #expect { try verify(stamp(request, at: time)) } throws: {
                ($0 as? CryptoError)?.code == "crypto.outside_validity"
            }
        }
    }

    @Test func `a code signing certificate cannot stamp`() throws {
        let impostor = try authority.issue(OwnAuthority.leaf, for: key)
        let response = try TimestampResponse(
            der: TimestampResponse.issue(
                TimestampRequest(imprintOf: message), key: key, certificate: impostor, policy: Self.policy,
                serialNumber: [1], time: now))
        #expect(throws: CryptoError.self) { try verify(response, chain: [impostor, authority.intermediate]) }
    }

    @Test func `another certificate of the same CA inside the token does not replace the trusted leaf`() throws {
        let rogueKey = try PrivateKey.generate(.ecdsaP384)
        let rogue = try authority.issue(OwnAuthority.timestampLeaf, for: rogueKey)
        let response = try TimestampResponse(
            der: TimestampResponse.issue(
                TimestampRequest(imprintOf: message, requestsCertificates: true), key: rogueKey, certificate: rogue,
                policy: Self.policy, serialNumber: [1], time: now))
        #expect(try verify(response, chain: [authority.intermediate]) == now)
        #expect { try verify(response) } throws: { ($0 as? CryptoError)?.code == "crypto.timestamp" }
    }

    @Test func `the certificate named by the ESSCertID must be the signer's`() throws {
        // Same key, issuer and serial number, but not the certificate whose hash was signed
        var template = OwnAuthority.timestampLeaf
        template.serialNumber = certificate.serialNumber
        template.subject = DistinguishedName(commonName: "twin")
        let twin = try authority.issue(template, for: key)
        let response = try stamp(TimestampRequest(imprintOf: message), at: now)
        #expect { try verify(response, chain: [twin, authority.intermediate]) } throws: {
            ($0 as? CryptoError)?.code == "crypto.timestamp"
        }
    }

    @Test func `a refusal has a reason and no token`() throws {
        let der = TimestampResponse.reject("policy not supported", failure: .unacceptedPolicy)
        let response = try TimestampResponse(der: der)
        #expect(response.status == 2)
        #expect(response.statusText == "policy not supported")
        #expect(!response.isGranted)
        #expect(throws: CryptoError.timestamp("the authority refused with status 2: policy not supported")) {
            try verify(response)
        }
    }

    @Test func `the openssl program verifies our stamps and reads our refusals`() throws {
        let directory = try TemporaryDirectory()
        let request = TimestampRequest(imprintOf: message, nonce: [7], requestsCertificates: true)
        func write(_ bytes: [UInt8], _ name: String) throws -> String {
            let path = directory.path + "/" + name
            try Data(bytes).write(to: URL(filePath: path))
            return path
        }
        let query = try write(request.der, "query")
        let reply = try write(stamp(request, at: now).der, "reply")
        let root = try directory.write(authority.root.pem, to: "root.pem")
        let chain = try directory.write(authority.intermediate.pem, to: "chain.pem")
        let verified = try openssl(
            "ts", "-verify", "-queryfile", query, "-in", reply, "-CAfile", root, "-untrusted", chain, "-attime",
            "1800000060")
        #expect(verified.contains("OK"))
        let refusal = try write(TimestampResponse.reject("no", failure: .badAlgorithm), "refusal")
        let text = try openssl("ts", "-reply", "-in", refusal, "-text")
        #expect(text.contains("Rejected"))
        #expect(text.contains("unrecognized or unsupported algorithm"))
        #expect(try openssl("ts", "-query", "-in", query, "-text").contains("Nonce: 0x07"))
    }

    @Test(arguments: ["no", "yes"])
    func `the stamps of another implementation verify, also when they name the whole chain`(namesChain: String) throws {
        let directory = try TemporaryDirectory()
        let config = """
            [tsa]
            serial = \(directory.path)/serial
            default_policy = 1.2.3.4
            digests = sha256
            signer_digest = sha384
            ess_cert_id_alg = sha256
            ess_cert_id_chain = \(namesChain)
            accuracy = secs:1
            clock_precision_digits = 3
            """
        _ = try directory.write("01\n", to: "serial")
        var template = OwnAuthority.timestampLeaf
        template.notBefore = Date(timeIntervalSince1970: 1_500_000_000)
        template.notAfter = Date(timeIntervalSince1970: 4_000_000_000)
        let own = try OwnAuthority(
            root: {
                $0.notBefore = template.notBefore
                $0.notAfter = template.notAfter
            },
            intermediate: {
                $0.notBefore = template.notBefore
                $0.notAfter = template.notAfter
            })
        let leaf = try own.issue(template, for: key)
        let query = directory.path + "/query"
        try Data(TimestampRequest(imprintOf: message, requestsCertificates: true).der).write(to: URL(filePath: query))
        _ = try openssl(
            "ts", "-reply", "-config", directory.write(config, to: "config"), "-section", "tsa", "-queryfile", query,
            "-signer", directory.write(leaf.pem, to: "leaf.pem"), "-inkey",
            directory.write(try key.pem(), to: "key.pem"), "-chain",
            directory.write(own.intermediate.pem, to: "chain.pem"), "-out", directory.path + "/reply")
        let response = try TimestampResponse(
            der: [UInt8](Data(contentsOf: URL(filePath: directory.path + "/reply"))))
        let time = try response.verify(imprintOf: message, chain: [own.intermediate], roots: [own.root])
        #expect(abs(time.timeIntervalSinceNow) < 60)
    }
}
