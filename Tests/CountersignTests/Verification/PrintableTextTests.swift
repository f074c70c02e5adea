import OCI
import Testing

@testable import Countersign

/// Text of whoever may push, at somebody's terminal.
@Suite struct PrintableTextTests {
    private static let hostile = "x\u{1B}[2J\nverified\u{2028}a\u{202E}b\u{200B}"
    private static let harmless = "x [2J verified a b "

    @Test func `what moves the cursor, begins a line or turns the text is a space`() {
        #expect(Self.hostile.printable == Self.harmless)
        #expect("Grüße, 漢字 └── \"a\"".printable == "Grüße, 漢字 └── \"a\"")
    }

    @Test func `a rejection tells what was listed in one line`() throws {
        let location = SignatureLocation(
            repository: try Repository(registry: "reg.example", name: "app"), form: .referrer, manifest: nil)
        let rejection = SignatureRejection(location, code: "verify.predicate_type", observed: Self.hostile)
        #expect(rejection.observed == Self.harmless)
    }

    @Test func `a tree has a line for each thing, whatever that calls itself`() {
        let child = ReferenceTree.Node(kind: "attestation", name: "sha256:1", type: Self.hostile)
        let tree = ReferenceTree(
            reference: "reg.example/app:1",
            root: ReferenceTree.Node(kind: "subject", name: "sha256:0", type: "t", children: [child]))
        #expect(tree.lines.last == "└── attestation sha256:1  \(Self.harmless)")
    }
}
