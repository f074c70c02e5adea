import FoundationEssentials
import StrictJSON

/// An object of a document that is being checked: the members are known by their bytes, no tree is built, and a refusal
/// names the place.
struct DocumentObject {
    let format: DocumentFormat
    let place: String
    private let outline: JSONOutline
    private let members: [JSONOutline.Member]

    /// The document itself.
    init(root bytes: [UInt8], format: DocumentFormat) throws(DocumentError) {
        self.format = format
        place = ""
        do throws(JSONError) {
            outline = try JSONOutline(
                scanning: bytes,
                limits: JSONLimits(maxBytes: DocumentFormat.maxBytes, maxDepth: DocumentFormat.maxDepth))
        } catch {
            let guess = TagValueDocument.looksLikeOne(bytes) ? "it is SPDX tag-value text: send it as type=spdx" : nil
            throw DocumentError(
                format.title, at: "byte \(error.offset)", error.reason,
                fix: guess ?? "send the JSON as the tool wrote it")
        }
        members = outline.members
        guard outline.root.kind == .object else { throw invalid("it is no JSON object") }
    }

    private init(_ outer: DocumentObject, _ element: JSONOutline.Element, place: String) throws(DocumentError) {
        format = outer.format
        outline = outer.outline
        self.place = place
        do throws(JSONError) { members = try outer.outline.members(of: element) } catch {
            throw DocumentError(format.title, at: place, error.reason, fix: "send the JSON as the tool wrote it")
        }
        guard element.kind == .object else { throw invalid("it is no object") }
    }

    /// A refusal that names this place, or a member of it.
    func invalid(_ observed: String, at member: String? = nil, fix: String? = nil) -> DocumentError {
        DocumentError(
            format.title, at: member.map { path($0) } ?? place, observed,
            fix: fix ?? otherFormat.map { "it looks like \($0.title): send it as type=\($0.rawValue)" }
                ?? "have the document made anew by its tool, or send it under the type that it is of")
    }

    private func path(_ member: String) -> String { place.isEmpty ? member : "\(place).\(member)" }

    private func element(_ name: String) -> JSONOutline.Element? {
        members.first { $0.name.utf8.elementsEqual(name.utf8) && $0.value.kind != .null }?.value
    }

    /// Whether there is such a member that is not null.
    func has(_ name: String) -> Bool { element(name) != nil }

    func kind(_ name: String) -> JSONKind? { element(name)?.kind }

    // MARK: Values

    /// A text that must be there and must not be empty.
    func text(_ name: String) throws(DocumentError) -> String {
        guard let text = try optionalText(name) else { throw invalid("is missing", at: name) }
        guard !text.isEmpty else { throw invalid("is empty", at: name) }
        return text
    }

    func optionalText(_ name: String) throws(DocumentError) -> String? {
        guard let element = element(name) else { return nil }
        let text: String?
        do throws(JSONError) { text = try outline.text(of: element) } catch { throw invalid(error.reason, at: name) }
        guard let text else { throw invalid("is no text", at: name) }
        return text
    }

    /// One of a list of words.
    @discardableResult
    func word(_ name: String, of words: [String]) throws(DocumentError) -> String {
        let text = try text(name)
        guard words.contains(where: { $0.utf8.elementsEqual(text.utf8) }) else {
            throw invalid(
                "\"\(printable(text, limit: 60))\" is none of \(words.joined(separator: ", "))", at: name)
        }
        return text
    }

    /// A time (RFC 3339).
    func time(_ name: String) throws(DocumentError) {
        let text = try text(name)
        guard Date(rfc3339: text) != nil else {
            throw invalid("\"\(printable(text, limit: 40))\" is no RFC 3339 time", at: name)
        }
    }

    /// An absolute URI.
    func uri(_ name: String) throws(DocumentError) {
        let text = try text(name)
        guard PredicateType.isURI(text) else {
            throw invalid("\"\(printable(text, limit: 60))\" is no URI", at: name)
        }
    }

    /// A whole number, from 1.
    func count(_ name: String) throws(DocumentError) {
        guard let element = element(name) else { throw invalid("is missing", at: name) }
        guard element.kind == .number, element.range.count < 12, let value = try? outline.value(of: element).integer,
            value >= 1
        else { throw invalid("is no whole number from 1", at: name) }
    }

    // MARK: Structure

    func object(_ name: String) throws(DocumentError) -> DocumentObject {
        guard let object = try optionalObject(name) else { throw invalid("is missing", at: name) }
        return object
    }

    func optionalObject(_ name: String) throws(DocumentError) -> DocumentObject? {
        guard let element = element(name) else { return nil }
        return try DocumentObject(self, element, place: path(name))
    }

    /// Checks each object of an array.
    /// - Parameter least: how many there must be; 0 also when the member may be missing.
    /// - Returns: how many there are.
    @discardableResult
    func each(
        _ name: String, atLeast least: Int = 0, _ check: (DocumentObject) throws(DocumentError) -> Void
    ) throws(DocumentError) -> Int {
        try elements(name, atLeast: least) { (element, place) throws(DocumentError) in
            try check(try DocumentObject(self, element, place: place))
        }
    }

    /// Checks that an array holds nothing but texts.
    @discardableResult
    func texts(_ name: String, atLeast least: Int = 0) throws(DocumentError) -> Int {
        try elements(name, atLeast: least) { (element, place) throws(DocumentError) in
            guard element.kind == .string else {
                throw DocumentError(
                    format.title, at: place, "is no text", fix: "have the document made anew by its tool")
            }
        }
    }

    private func elements(
        _ name: String, atLeast least: Int, _ body: (JSONOutline.Element, String) throws(DocumentError) -> Void
    ) throws(DocumentError) -> Int {
        guard let array = element(name) else {
            guard least == 0 else { throw invalid("is missing", at: name) }
            return 0
        }
        guard array.kind == .array else { throw invalid("is no array", at: name) }
        var count = 0
        let place = path(name)
        do {
            try outline.elements(of: array) { element in
                try body(element, "\(place)[\(count)]")
                count += 1
            }
        } catch let error as DocumentError {
            throw error
        } catch {
            throw invalid("\(error)", at: name)
        }
        guard count >= least else { throw invalid("has \(count) elements, at least \(least) are needed", at: name) }
        return count
    }

    // MARK: Mistaken kinds

    /// A statement that somebody made already must not become the predicate of another.
    func refuseStatement() throws(DocumentError) {
        if has("predicateType") && (has("subject") || has("predicate")) {
            throw invalid(
                "it is a whole in-toto statement", fix: "send the predicate alone: subject and type are added here")
        }
        if has("payloadType") && has("signatures") {
            throw invalid("it is a DSSE envelope", fix: "send the predicate alone: it is signed here")
        }
        if has("dsseEnvelope") || has("verificationMaterial") {
            throw invalid("it is a Sigstore bundle", fix: "send the predicate alone: it is signed here")
        }
    }

    /// The JSON-LD context, where it is one text. Without a refusal of its own: every refusal asks for this.
    private var context: String? { element("@context").flatMap { try? outline.text(of: $0) } }

    /// What the document says it is, where that is not what it was sent as.
    private var otherFormat: DocumentFormat? {
        guard place.isEmpty else { return nil }
        let seen: DocumentFormat? =
            if has("spdxVersion") || has("@graph") {
                .spdxJSON
            } else if has("bomFormat") {
                .cycloneDX
            } else if context?.hasPrefix("https://openvex.dev/ns") == true {
                .openVEX
            } else if has("document") && has("product_tree") {
                .csafVEX
            } else if has("buildDefinition") {
                .provenance1
            } else if has("builder") && has("buildType") {
                .provenance02
            } else if has("scanner") && has("invocation") {
                .vulnerabilityScan
            } else {
                nil
            }
        return seen == format ? nil : seen
    }
}
