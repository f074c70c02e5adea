import FoundationEssentials
import OCI
import OpenSSL
import Sigstore
import Support
import Testing

@testable import Countersign

/// What cosign 3.1.1 was asked about is judged by us, from the registry on: alike, but for the list in docs/verification.md.
@Suite struct AcceptanceMatrixTests {
    private let matrix: AcceptanceMatrix
    /// Cases that the page lists.
    private let differing: Set<String>

    init() throws {
        matrix = try AcceptanceMatrix()
        differing = Set(
            try VerificationPage().rows(under: "Where we judge otherwise than cosign").map { $0[0] }
                .filter { $0.hasPrefix("new: ") || $0.hasPrefix("old: ") })
    }

    private func report(_ one: AcceptanceMatrix.Case) async throws -> VerifyReference.Report {
        let server = try LoopbackServer { request in
            let end = request.path.split(separator: "/").suffix(2).joined(separator: "/")
            if let (type, bytes) = one.served.files[end] { return .answer(200, [("Content-Type", type)], bytes) }
            // a registry that has no referrers API answers as for any page that it does not have
            if end.hasPrefix("referrers/") { return .answer(404, [], Array("404 page not found\n".utf8)) }
            return .answer(404, [], Array(#"{"errors":[{"code":"MANIFEST_UNKNOWN"}]}"#.utf8))
        }
        defer { server.stop() }
        let registry = RegistryClient(
            try RegistryEndpoint(name: "registry.example", url: server.url, route: SigningLine.route),
            http: SigningLine.http)
        var expectation = VerifyReference.Expectation(.publicKey(matrix.key.publicKey))
        expectation.predicateType = one.predicateType
        var demands = Verifier.Demands.standard
        demands.acceptsUnloggedKeySignatures = true
        expectation.demands = demands
        return try await VerifyReference(
            registry: registry, verifier: Verifier(root: RecordedReference.trustedRoot()), expecting: expectation
        ).verify(Reference("registry.example/team/app@\(matrix.digest)"))
    }

    @Test func `each is judged as cosign judged it, but for the list`() async throws {
        for one in try matrix.cases() {
            let report = try await report(one)
            #expect(
                report.isVerified == (one.isAccepted != differing.contains(one.name)),
                "\(one.name): \(report.rejected.map(\.observed))")
        }
    }

    @Test func `the list names no case that there is not`() throws {
        #expect(differing.subtracting(try matrix.cases().map(\.name)).isEmpty)
    }

    @Test(
        .enabled(
            if: sharedMaterial("vectors/cosign-acceptance-matrix.md") != nil,
            "the recorded material is not here (../shared)"))
    func `every case of the matrix is here, with what cosign said`() throws {
        let path = try #require(sharedMaterial("vectors/cosign-acceptance-matrix.md"))
        let rows = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").filter {
            $0.hasPrefix("| new: ") || $0.hasPrefix("| old: ")
        }.map { $0.dropFirst(2).split(separator: " | ") }
        let recorded = Dictionary(uniqueKeysWithValues: rows.map { (String($0[0]), $0[1] == "accepted") })
        let here = Dictionary(uniqueKeysWithValues: try matrix.cases().map { ($0.name, $0.isAccepted) })
        #expect(recorded.count == 61)
        #expect(here == recorded)
    }
}
