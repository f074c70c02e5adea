import Sigstore
import Testing

@testable import Countersign

/// How a document goes into what is signed, of one that is held up to ten bytes.
@Suite struct AttestationFormTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let testDescription: String
        var begun: AttestationForm.Begun?
        var route: AttestationRecord.Route?
        var size = 11
        var formats: [SignatureFormat] = [.bundle]
        /// nil: nobody asks.
        var isTaken: Bool?
        var isReadable: Bool?
        let form: AttestationForm
    }

    private struct NotToBeAsked: Error {}

    static let cases: [Case] = [
        Case(testDescription: "a small one is held", size: 10, form: .inline),
        Case(testDescription: "a large one is streamed", isTaken: true, isReadable: true, form: .streamed),
        Case(testDescription: "as a bundle nobody would read", isTaken: true, isReadable: false, form: .reference),
        Case(testDescription: "for a log that wants all of it", isTaken: false, form: .reference),
        Case(testDescription: "begun as a head", begun: .head, route: .inline, form: .streamed),
        Case(testDescription: "and the limit was raised", begun: .head, route: .inline, size: 10, form: .streamed),
        Case(
            testDescription: "and another format came", begun: .head, route: .inline, formats: [.bundle, .legacy],
            form: .streamed),
        Case(
            testDescription: "and bundles are not wanted any more", begun: .head, route: .inline, formats: [.legacy],
            form: .inline),
        Case(testDescription: "and nothing is on record", begun: .head, isReadable: true, form: .streamed),
        Case(testDescription: "begun whole", begun: .whole, route: .inline, form: .inline),
        Case(testDescription: "and nothing is on record", begun: .whole, form: .inline),
        Case(testDescription: "begun beside the image", begun: .whole, route: .reference, form: .reference),
        Case(testDescription: "recorded as held", route: .inline, isTaken: false, form: .inline),
        Case(testDescription: "and the log takes it by now", route: .inline, isTaken: true, form: .streamed),
        Case(testDescription: "recorded beside the image", route: .reference, isTaken: true, form: .reference),
        Case(testDescription: "and the limit was raised", route: .reference, size: 10, form: .reference),
    ]

    @Test(arguments: cases) func `what was begun is finished so, and else size and log decide`(_ one: Case)
        async throws
    {
        func answer(_ known: Bool?) throws -> Bool {
            guard let known else { throw NotToBeAsked() }
            return known
        }
        let form = try await AttestationForm(
            begun: one.begun, route: one.route, size: one.size, limit: 10, formats: one.formats,
            isTaken: { try answer(one.isTaken) }, isReadable: { try answer(one.isReadable) })
        #expect(form == one.form)
        #expect(form.route == (one.form == .reference ? .reference : .inline))
    }

    @Test func `a complete statement is told from the head of one`() {
        let head = Statement.head(
            subjects: [.init(name: "x", digest: ["sha256": String(repeating: "0", count: 64)], annotations: [:])],
            predicateType: "https://example.com/x")
        #expect(AttestationForm.Begun(head) == .head)
        #expect(AttestationForm.Begun(head + Array("{}".utf8) + Statement.tail) == .whole)
    }
}
