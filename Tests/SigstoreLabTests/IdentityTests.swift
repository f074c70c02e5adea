import Curl
import FoundationEssentials
import OpenSSL
import Testing

@testable import SigstoreLab

@Suite struct IdentityTests {
    @Test(arguments: ["RS256", "ES256"])
    func `a token from the token endpoint verifies with the published key set and Fulcio takes it`(algorithm: String)
        async throws
    {
        try await RunningLab.run { lab, endpoints, client in
            let form =
                "grant_type=client_credentials&subject=system%3Aserviceaccount%3Aci%3Abuilder&algorithm=\(algorithm)"
            let response = try await client.post(
                "\(endpoints.issuer)/token", Array(form.utf8), type: "application/x-www-form-urlencoded")
            let token = try #require(try JSONDecoder.snakeCase.decode(Issued.self, from: Data(response.body)).idToken)
            let keys = try JSONDecoder().decode(
                KeySet.self, from: Data(try await client.get("\(endpoints.issuer)/keys").body))
            let key = try #require(keys.keys.first { $0.alg == algorithm })
            let parts = token.split(separator: ".")
            let signature = try #require([UInt8](base64URL: parts[2]))
            let signed = Array("\(parts[0]).\(parts[1])".utf8)
            if algorithm == "RS256" {
                try key.publicKey().verify(signature, of: signed)
            } else {
                try key.publicKey().verify(ECDSASignature.der(fromRaw: signature, .ecdsaP256), of: signed)
            }
            let answer = try await client.post(
                "\(endpoints.fulcio)/api/v2/signingCert",
                try FulcioReplayTests.request(
                    for: PrivateKey.generate(.ecdsaP256), over: "system:serviceaccount:ci:builder"), bearer: token)
            #expect(answer.status == 200)
            #expect(
                try FulcioReplayTests.certificates(answer.body)[0].subjectAlternativeNames == [
                    .uri("https://kubernetes.io/namespaces/ci/serviceaccounts/builder")
                ])
        }
    }

    @Test func `the token file and the trust material are there when the lab is ready`() async throws {
        try await RunningLab.withFolder { folder in
            try await RunningLab.run(in: folder) { lab, endpoints, client in
                let token = try #require(try AtomicFile.read("\(folder)/token"))
                #expect(token.split(separator: ".").count == 3)
                #expect(try AtomicFile.read("\(folder)/lab.env")?.contains("REKOR_URL='\(endpoints.rekor)'") == true)
                let root = try #require(try AtomicFile.read("\(folder)/trusted_root.json"))
                #expect(Array(root.utf8) == (try await lab.trustedRootJSON))
                #expect(root.contains("Countersign Lab (NOT FOR PRODUCTION)"))
                let config = try #require(try AtomicFile.read("\(folder)/signing_config.json"))
                #expect(config.contains(endpoints.tsa))
            }
        }
    }

    @Test(arguments: ["", "system:serviceaccount:ci", "serviceaccount:system:ci:signer", "someone@example.com"])
    func `a Kubernetes issuer gives no token for what is not a service account`(subject: String) async throws {
        try await RunningLab.run { lab, _, _ in
            _ = await #expect(throws: LabError.self) { try await lab.token(subject: subject) }
        }
    }

    @Test(arguments: ["rekor", "rekor=", "rekor=5", "nobody=5ms", "rekor=-5ms", "rekor=xms"])
    func `a latency that cannot be read is an error that names it`(text: String) {
        let error = #expect(throws: LabError.self) { try LabConfiguration.latency(parsing: text) }
        #expect(error?.code == "lab.configuration")
        #expect(error?.description.contains("latency \"\(text)\"") == true)
    }

    @Test func `latencies are read in milliseconds and seconds`() throws {
        #expect(
            try LabConfiguration.latency(parsing: "fulcio=5ms,rekor=1.5s") == [
                .fulcio: .milliseconds(5), .rekor: .milliseconds(1500),
            ])
    }

    private struct Issued: Decodable { let idToken: String? }
    private struct KeySet: Decodable {
        struct Key: Decodable {
            let alg: String
            let n: String?
            let e: String?
            let x: String?
            let y: String?

            func publicKey() throws -> PublicKey {
                func bytes(_ text: String?) throws -> [UInt8] { try #require(text.flatMap { [UInt8](base64URL: $0) }) }
                return alg == "RS256"
                    ? try PublicKey(rsaModulus: bytes(n), exponent: bytes(e))
                    : try PublicKey(.ecdsaP256, x: bytes(x), y: bytes(y))
            }
        }
        let keys: [Key]
    }
}
