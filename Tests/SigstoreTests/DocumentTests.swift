import FoundationEssentials
import Sigstore
import StrictJSON
import Support
import Testing

@Suite struct DocumentTests {
    private func document(_ name: String) throws -> [UInt8] {
        try Fixture.file("\(packageRoot)/Tests/SigstoreTests/Fixtures/documents/\(name)")
    }

    @Test(arguments: [
        ("spdx", "spdx-2.1.spdx", "SPDX 2.1 tag-value"),
        ("spdx", "spdx-2.2.spdx", "SPDX 2.2 tag-value"), ("spdx", "spdx-2.3.spdx", "SPDX 2.3 tag-value"),
        ("spdxjson", "spdx-2.2.json", "SPDX 2.2"), ("spdxjson", "spdx-2.3.json", "SPDX 2.3"),
        ("spdxjson", "spdx-3.0.json", "SPDX 3.0.1"),
        ("cyclonedx", "cyclonedx-1.2.json", "CycloneDX 1.2"), ("cyclonedx", "cyclonedx-1.4.json", "CycloneDX 1.4"),
        ("cyclonedx", "cyclonedx-1.6.json", "CycloneDX 1.6"),
        ("cyclonedx", "cyclonedx-vex-1.5.json", "CycloneDX 1.5 VEX"),
        ("openvex", "openvex-0.2.0.json", "OpenVEX 0.2.0"), ("vex", "openvex-0.2.0.json", "OpenVEX 0.2.0"),
        ("csaf", "csaf-vex-2.0.json", "CSAF 2.0 VEX"),
        ("slsaprovenance", "provenance-0.2.json", "SLSA provenance v0.2"),
        ("slsaprovenance02", "provenance-0.2.json", "SLSA provenance v0.2"),
        ("slsaprovenance1", "provenance-1.json", "SLSA provenance v1"),
        ("vuln", "vuln.json", "vulnerability scan"), ("test-result", "test-result.json", "test result"),
        ("link", "link.json", "in-toto link"), ("custom", "spdx-2.3.spdx", "text"),
        ("https://example.com/approval/v1", "test-result.json", "JSON"),
        ("https://spdx.dev/Document/v2.3", "spdx-2.3.json", "SPDX 2.3"),
        ("https://cyclonedx.org/bom/v1.6", "cyclonedx-1.6.json", "CycloneDX 1.6"),
    ])
    func `a document of each kind is taken for what it is`(type: String, file: String, facts: String) throws {
        #expect(try PredicateType(type).format.check(document(file)) == facts)
    }

    @Test(arguments: [
        ("", "VEX", true), (#""components":[],"services":[],"#, "VEX", true),
        (#""components":[{"type":"library","name":"a"}],"#, "with vulnerabilities", false),
        (#""services":[{"name":"a"}],"#, "with vulnerabilities", false),
    ])
    func `a bill of materials with vulnerabilities is no VEX`(members: String, facts: String, isVEX: Bool) throws {
        let document = #"{"bomFormat":"CycloneDX","specVersion":"1.6",\#(members)"vulnerabilities":[{"id":"CVE-1"}]}"#
        let found = try DocumentFormat.cycloneDX.check(Array(document.utf8))
        #expect(found == "CycloneDX 1.6 \(facts)")
        #expect(DocumentFormat.cycloneDX.isVEX(found) == isVEX)
        #expect(!DocumentFormat.spdxJSON.isVEX("SPDX 2.3") && DocumentFormat.openVEX.isVEX("OpenVEX 0.2.0"))
    }

    /// Every kind of document under every other kind's name.
    @Test(arguments: DocumentFormat.allCases.filter { $0 != .custom && $0 != .object })
    func `a document that is not what it says is refused`(format: DocumentFormat) throws {
        let kinds: [DocumentFormat: String] = [
            .spdxTagValue: "spdx-2.3.spdx", .spdxJSON: "spdx-2.3.json", .cycloneDX: "cyclonedx-1.6.json",
            .openVEX: "openvex-0.2.0.json", .csafVEX: "csaf-vex-2.0.json", .provenance02: "provenance-0.2.json",
            .provenance1: "provenance-1.json", .vulnerabilityScan: "vuln.json", .testResult: "test-result.json",
            .link: "link.json",
        ]
        for (other, file) in kinds where other != format {
            let error = try #require(throws: DocumentError.self, "\(file) as \(format.rawValue)") {
                try format.check(document(file))
            }
            #expect(error.code == "attestation.document_invalid")
            #expect(!error.observed.isEmpty && !error.fix.isEmpty)
        }
    }

    /// Found by the fuzzer: the refusal looked at the context again, and was refused again, until the stack ended.
    @Test(arguments: [#"["https://openvex.dev/ns/v0.2.0"]"#, "{}", "1", #""\ud800""#])
    func `a context that is no text is refused once`(context: String) throws {
        let text = #"{"@context":\#(context),"statements":[]}"#
        for format in [DocumentFormat.openVEX, .spdxJSON] {
            let error = try #require(throws: DocumentError.self) { try format.check(Array(text.utf8)) }
            #expect(error.code == "attestation.document_invalid" && !error.fix.contains("it looks like"))
        }
        let error = try #require(throws: DocumentError.self) {
            try DocumentFormat.openVEX.check(Array(text.utf8))
        }
        #expect(context.hasPrefix("\"") || (error.place == "@context" && error.observed == "is no text"))
    }

    /// Days, were its characters compared.
    @Test(
        .timeLimit(.minutes(1)),
        arguments: [
            ("\n", "line 8", "is neither \"Tag: value\" nor a comment"),
            ("\nPackageName: ", nil, nil), ("\n# ", nil, nil),
            ("\nRelationshipComment: <text>", "line 8", "<text> does not end"),
        ] as [(String, String?, String?)])
    func `a line of nothing but combining marks is read like any other`(
        before: String, place: String?, observed: String?
    ) throws {
        let run = String(repeating: "\u{315}", count: 1 << 20) + String(repeating: "\u{316}", count: 1 << 20)
        let header = """
            SPDXVersion: SPDX-2.3
            DataLicense: CC0-1.0
            SPDXID: SPDXRef-DOCUMENT
            DocumentName: a
            DocumentNamespace: https://example.com/a
            Creator: Tool: a
            Created: 2026-11-24T00:00:00Z
            """
        let format = DocumentFormat.spdxTagValue
        do {
            let found = try format.check(Array((header + before + run).utf8))
            #expect(place == nil && found == "SPDX 2.3 tag-value")
        } catch {
            #expect(error.place == place && error.observed == observed)
        }
        #expect(throws: DocumentError.self) {
            try format.check(Array(header.replacing("DocumentName: a", with: "DocumentName: " + run).utf8))
        }
        // lines are not gathered
        #expect(try format.check(Array(header.utf8) + Array(repeating: 0x0A, count: 1 << 20)) == "SPDX 2.3 tag-value")
    }

    @Test func `a refusal names what, where and what to do`() throws {
        let error = try #require(throws: DocumentError.self) {
            try DocumentFormat.spdxJSON.check(document("cyclonedx-1.6.json"))
        }
        #expect(error.format == "SPDX JSON")
        #expect(error.place == "spdxVersion")
        #expect(error.observed == "is missing")
        #expect(error.fix == "it looks like CycloneDX JSON: send it as type=cyclonedx")
        #expect(error.description == "not SPDX JSON as it can be signed: spdxVersion: is missing")
        let tagValue = try #require(throws: DocumentError.self) {
            try DocumentFormat.spdxJSON.check(document("spdx-2.3.spdx"))
        }
        #expect(tagValue.fix == "it is SPDX tag-value text: send it as type=spdx")
    }

    /// A member taken away, or replaced, at a place that the specification demands.
    @Test(arguments: [
        ("spdxjson", "spdx-2.3.json", #""SPDX-2.3""#, #""SPDX-2.1""#, "spdxVersion"),
        ("spdxjson", "spdx-2.3.json", #""SPDXRef-DOCUMENT","name""#, #""SPDXRef-Other","name""#, "SPDXID"),
        ("spdxjson", "spdx-2.3.json", "CC0-1.0", "MIT", "dataLicense"),
        ("spdxjson", "spdx-2.3.json", #""created":"2026-"#, #""created":"26-"#, "creationInfo.created"),
        ("spdxjson", "spdx-2.3.json", #""creators":"#, #""nobody":"#, "creationInfo.creators"),
        ("spdxjson", "spdx-2.3.json", #""packages":[{"name""#, #""packages":[{"nom""#, "packages[0].name"),
        ("spdxjson", "spdx-3.0.json", "SpdxDocument", "Person", "@graph"),
        ("cyclonedx", "cyclonedx-1.6.json", #""specVersion":"1.6""#, #""specVersion":"1.1""#, "specVersion"),
        ("cyclonedx", "cyclonedx-1.6.json", #""version":1,"metadata""#, #""version":0,"metadata""#, "version"),
        ("cyclonedx", "cyclonedx-1.6.json", "urn:uuid:", "uuid:", "serialNumber"),
        ("openvex", "openvex-0.2.0.json", "not_affected", "unaffected", "statements[0].status"),
        ("openvex", "openvex-0.2.0.json", #""justification""#, #""reason""#, "statements[0].justification"),
        ("openvex", "openvex-0.2.0.json", "openvex.dev/ns", "example.com/ns", "@context"),
        ("csaf", "csaf-vex-2.0.json", "csaf_vex", "csaf_base", "document.category"),
        ("csaf", "csaf-vex-2.0.json", #""threats""#, #""notes""#, "vulnerabilities[0]"),
        ("csaf", "csaf-vex-2.0.json", #""known_not_affected""#, #""recommended""#, "vulnerabilities[0].product_status"),
        (
            "slsaprovenance1", "provenance-1.json", #""id":"https://example.com/builder""#, #""id":"x""#,
            "runDetails.builder.id"
        ),
        ("slsaprovenance02", "provenance-0.2.json", #""buildType""#, #""build""#, "buildType"),
        ("vuln", "vuln.json", #""result""#, #""results""#, "scanner.result"),
        ("test-result", "test-result.json", "PASSED", "OK", "result"),
        ("test-result", "test-result.json", #"["build","unit"]"#, #"["build",1]"#, "passedTests[1]"),
        ("link", "link.json", #"["make"]"#, #""make""#, "command"),
        ("spdx", "spdx-2.3.spdx", "SPDX-2.3", "SPDX-1.2", "SPDXVersion"),
        ("spdx", "spdx-2.1.spdx", "DocumentNamespace:", "Namespace:", "DocumentNamespace"),
        ("spdx", "spdx-2.3.spdx", "DocumentName:", "Name of it", "line 4"),
        ("spdx", "spdx-2.3.spdx", "\nCreated:", "\nMade:", "Created"),
        ("spdx", "spdx-2.3.spdx", "SPDXID: SPDXRef-DOCUMENT", "SPDXID: SPDXRef-Other", "SPDXID"),
        (
            "spdx", "spdx-2.3.spdx", "ExternalRef: PACKAGE-MANAGER purl pkg:pypi/urllib3@2.2.3",
            "PackageComment: <text>no end", "line 63"
        ),
    ])
    func `what a specification demands is looked at`(
        type: String, file: String, part: String, replacement: String, place: String
    ) throws {
        let text = String(decoding: try document(file), as: UTF8.self)
        var changed = text
        changed.replaceSubrange(try #require(text.firstRange(of: part), "\(part) is not in \(file)"), with: replacement)
        let error = try #require(throws: DocumentError.self) {
            try PredicateType(type).format.check(Array(changed.utf8))
        }
        #expect(error.place == place)
    }

    @Test(arguments: [
        "", "[]", "{", #"{"a":1,"a":2}"#, "null", "text", "{}x",
        // statements, envelopes and bundles are no predicates
        #"{"_type":"https://in-toto.io/Statement/v1","subject":[],"predicateType":"x","predicate":{}}"#,
        #"{"payload":"","payloadType":"application/vnd.in-toto+json","signatures":[]}"#,
        #"{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","dsseEnvelope":{}}"#,
    ])
    func `under a type of one's own a JSON object is taken, and no statement`(text: String) throws {
        let format = try PredicateType("https://example.com/x").format
        #expect(format == .object)
        #expect(throws: DocumentError.self) { try format.check(Array(text.utf8)) }
    }

    @Test func `nesting is bounded so that the statement around it can be read`() throws {
        let nested = { (depth: Int) in
            Array((String(repeating: #"{"a":"#, count: depth) + "1" + String(repeating: "}", count: depth)).utf8)
        }
        #expect(throws: DocumentError.self) { try DocumentFormat.object.check(nested(31)) }
        let deepest = nested(30)
        #expect(try DocumentFormat.object.check(deepest) == "JSON")
        let statement =
            Statement.head(subjects: [.init(digest: ["sha256": String(repeating: "0", count: 64)])], predicateType: "x")
            + deepest + Statement.tail
        #expect(throws: Never.self) { try Statement(json: statement) }
    }

    @Test(arguments: [
        "", "spdx3", "example.com/x", "/x", "https://example.com/a b", "https:", ":x", "1a:x",
        // an image signature is not made of a document
        "https://sigstore.dev/cosign/sign/v1", "https://SIGSTORE.dev/cosign/sign/v1", "https://sigstore.dev/x",
        "https://example.com/" + String(repeating: "x", count: 400),
    ])
    func `what is no type, or not for documents, is refused`(text: String) {
        #expect(throws: SigstoreError.self) { try PredicateType(text) }
    }

    @Test func `types have the URIs that cosign knows them by`() throws {
        let uris = try [
            "spdx", "spdxjson", "cyclonedx", "openvex", "slsaprovenance", "slsaprovenance1", "vuln", "custom",
        ]
        .map { try PredicateType($0).uri }
        #expect(
            uris == [
                "https://spdx.dev/Document", "https://spdx.dev/Document", "https://cyclonedx.org/bom",
                "https://openvex.dev/ns", "https://slsa.dev/provenance/v0.2", "https://slsa.dev/provenance/v1",
                "https://cosign.sigstore.dev/attestation/vuln/v1", "https://cosign.sigstore.dev/attestation/v1",
            ])
        // the URI alone means the JSON form
        #expect(try PredicateType("https://spdx.dev/Document").format == .spdxJSON)
    }

    @Test func `a predicate is the document's own bytes, wherever it is cut`() throws {
        let text = Array("SPDXVersion: \"é\\\t\u{1}\r\n😀".utf8)
        let time = Date(timeIntervalSince1970: 1_795_461_596)
        for (rendering, expected) in [
            (PredicateRendering.verbatim, text),
            (.string, Array(#""SPDXVersion: \"é\\\t\u0001\r\n😀""#.utf8)),
            (
                .custom(at: time),
                Array(
                    (#"{"Data":"SPDXVersion: \"é\\\t\u0001\r\n😀","Timestamp":"2026-11-23T19:19:56Z"}"#).utf8)
            ),
        ] {
            for cut in 0...text.count {
                var out = rendering.head
                rendering.append(Array(text[..<cut]), to: &out)
                rendering.append(Array(text[cut...]), to: &out)
                out += rendering.tail
                #expect(out == expected)
            }
        }
    }

    @Test func `head, predicate and tail are the encoded statement`() throws {
        let subjects = [Statement.Subject(name: "h/r", digest: ["sha256": String(repeating: "a", count: 64)])]
        let whole = Statement(
            subjects: subjects, predicateType: "https://example.com/null}", predicate: .object(["a": .null]))
        let parts =
            Statement.head(subjects: subjects, predicateType: whole.predicateType) + Array(#"{"a":null}"#.utf8)
            + Statement.tail
        #expect(parts == whole.encoded())
    }
}
