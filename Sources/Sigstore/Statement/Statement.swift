import OpenSSL
public import StrictJSON

/// An in-toto Statement v1: what is signed about which artifacts.
///
/// The same value always encodes to the same bytes (fixed member order, no white space), so that a restart signs and
/// logs exactly what it would have signed before.
public struct Statement: Sendable, Equatable {
    /// One artifact that the statement is about (in-toto ResourceDescriptor).
    public struct Subject: Sendable, Equatable {
        /// A name for readers; for an image `host/repository` without a tag. Absent in cosign's own signatures.
        public var name: String?
        /// Lower-case hex by algorithm, without an algorithm prefix.
        public var digest: [String: String]
        /// Free text by key, such as ``Statement/repositoryAnnotation``.
        public var annotations: [String: String]

        /// One artifact.
        public init(name: String? = nil, digest: [String: String], annotations: [String: String] = [:]) {
            self.name = name
            self.digest = digest
            self.annotations = annotations
        }
    }

    /// `https://sigstore.dev/cosign/sign/v1`: the predicate type of an image signature.
    public static let cosignSignPredicateType = "https://sigstore.dev/cosign/sign/v1"
    /// The repository for which approval was given; our verifier refuses the signature elsewhere.
    public static let repositoryAnnotation = "dev.countersign/repository"
    /// The policy rule that allowed the signature.
    package static let ruleAnnotation = "dev.countersign/rule"
    /// How often the image was signed anew before; absent in first signatures.
    package static let generationAnnotation = "dev.countersign/generation"
    /// Of a VEX document that stands beside older ones of its signer: ``replacesNothing``.
    package static let replacesAnnotation = "dev.countersign/replaces"
    /// See ``replacesAnnotation``.
    package static let replacesNothing = "nothing"
    /// The type URI this module writes.
    public static let typeV1 = "https://in-toto.io/Statement/v1"
    /// The DSSE payload type of every in-toto statement.
    public static let payloadType = "application/vnd.in-toto+json"
    /// More subjects than this are refused, as sigstore-go does.
    public static let maxSubjects = 1024
    /// The most values of the subjects: a hundred each.
    static let maxValues = 100 * maxSubjects

    /// The artifacts.
    public var subjects: [Subject]
    /// What kind of claim is made.
    public var predicateType: String
    /// The claim itself, JSON. Of a statement that was read the tree is made for each who asks: it may take thirty times the
    /// bytes of the document, and a statement is verified without it.
    public var predicate: JSONValue {
        get { storedPredicate.value }
        set { storedPredicate = .value(newValue) }
    }
    private var storedPredicate: StoredPredicate

    /// A statement; for an image signature leave type and predicate as they are.
    public init(
        subjects: [Subject], predicateType: String = cosignSignPredicateType,
        predicate: JSONValue = .object([:])
    ) {
        self.subjects = subjects
        self.predicateType = predicateType
        storedPredicate = .value(predicate)
    }

    /// The statement that approves one image in one repository: `repository` is `host/path` without tag or digest.
    /// - Parameter generation: 0 for a first signature; a later one says so, and thereby differs from those before it.
    package static func approval(
        of digest: ArtifactDigest, in repository: String, rule: String, generation: Int32 = 0
    ) -> Statement {
        Statement(subjects: [
            Subject(
                name: repository, digest: [digest.algorithm: digest.hex],
                annotations: approvalAnnotations(repository, rule: rule, generation: generation))
        ])
    }

    /// What a group statement says of one image.
    package struct Approved: Sendable, Equatable {
        /// Its digest.
        package let digest: ArtifactDigest
        /// `host/path` without tag or digest.
        package let repository: String
        /// The policy rule that allows it.
        package let rule: String
        /// 0 for a first signature.
        package let generation: Int32

        /// One image in one repository.
        package init(_ digest: ArtifactDigest, in repository: String, rule: String, generation: Int32 = 0) {
            self.digest = digest
            self.repository = repository
            self.rule = rule
            self.generation = generation
        }
    }

    /// The statement that approves several images at once, each in its repository. In-toto wants subjects to have
    /// different names, so each has the beginning of its digest in its own.
    /// - Parameter approved: 1 to ``maxSubjects``, no two of them the same digest in the same repository.
    package static func approval(of approved: [Approved]) -> Statement {
        Statement(
            subjects: approved.map { image in
                Subject(
                    name: "\(image.repository)@\(image.digest.hex.prefix(12))",
                    digest: [image.digest.algorithm: image.digest.hex],
                    annotations: approvalAnnotations(
                        image.repository, rule: image.rule, generation: image.generation))
            })
    }

    /// What an approval says beside the digest, in either format.
    static func approvalAnnotations(_ repository: String, rule: String, generation: Int32) -> [String: String] {
        var annotations = [repositoryAnnotation: repository, ruleAnnotation: rule]
        if generation > 0 { annotations[generationAnnotation] = "\(generation)" }
        return annotations
    }

    /// Compact JSON in the order `_type, subject, predicateType, predicate`, as cosign writes it.
    public func encoded() -> [UInt8] {
        JSONValue.object([
            "_type": .string(Self.typeV1), "subject": .array(subjects.map(\.json)),
            "predicateType": .string(predicateType), "predicate": predicate,
        ]).encoded()
    }

    /// Reads a statement v1 or v0.1 (which cosign still writes for attestations). Members that in-toto does not have are
    /// refused, as cosign refuses them in bundles.
    ///
    /// - Throws: ``SigstoreError/malformed(_:_:)``, also for more than ``maxSubjects`` subjects.
    public init(json: [UInt8], limits: JSONLimits = .init()) throws(SigstoreError) {
        let outline: JSONOutline
        var members: [JSONObject.Member] = []
        do throws(JSONError) {
            outline = try JSONOutline(scanning: json, limits: limits.holding(atMost: Self.maxValues))
            // no tree of the predicate, nor of what is refused for its name
            for member in outline.members {
                var value = JSONValue.null
                if ["_type", "subject", "predicateType", "predicate_type"].contains(member.name) {
                    value = try outline.value(of: member.value)
                }
                members.append(JSONObject.Member(member.name, value))
            }
        } catch {
            throw .malformed("statement", error.description)
        }
        guard outline.root.kind == .object else { throw .malformed("statement", "not a JSON object") }
        let document = JSONField(.object(JSONObject(members)), path: "statement")
        try document.onlyMembers("_type", "subject", "predicateType", "predicate")
        let type = try document.required("_type").string()
        guard type == Self.typeV1 || type == "https://in-toto.io/Statement/v0.1" else {
            throw document.malformed("_type is \"\(printable(type, limit: 100))\"")
        }
        subjects = []
        for field in try document.required("subject").elements(atMost: Self.maxSubjects) {
            subjects.append(try Subject(field))
        }
        guard !subjects.isEmpty else { throw document.malformed("no subject") }
        predicateType = try document.required("predicateType").string()
        let predicate = outline["predicate"]
        switch predicate?.kind {
        // cosign has documents that are no JSON as text
        case .object, .string, .null, nil: break
        default: throw document.malformed("the predicate is no object")
        }
        storedPredicate = predicate.map { StoredPredicate.bytes(json, $0.range, limits) } ?? .value(.null)
    }
}

/// A predicate as it was made, or where it stands in a statement that was read.
private enum StoredPredicate: Sendable, Equatable {
    case value(JSONValue)
    case bytes([UInt8], Range<Int>, JSONLimits)

    var value: JSONValue {
        switch self {
        case .value(let value): value
        // it was checked when the statement was read
        case .bytes(let bytes, let range, let limits):
            (try? JSONValue(parsing: bytes, in: range, limits: limits)) ?? .null
        }
    }

    static func == (left: StoredPredicate, right: StoredPredicate) -> Bool { left.value == right.value }
}

extension Statement.Subject {
    fileprivate var json: JSONValue {
        var object: JSONObject = [:]
        if let name { object["name"] = .string(name) }
        object["digest"] = Self.sorted(digest)
        object["annotations"] = Self.sorted(annotations)
        return .object(object)
    }

    private static func sorted(_ values: [String: String]) -> JSONValue {
        .object(
            JSONObject(
                values.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
                    .map { JSONObject.Member($0.key, .string($0.value)) }))
    }

    fileprivate init(_ field: JSONField) throws(SigstoreError) {
        try field.onlyMembers("name", "uri", "digest", "content", "downloadLocation", "mediaType", "annotations")
        name = try field.optional("name")?.string()
        digest = try Self.texts(field.required("digest"), textOnly: true)
        for (algorithm, hex) in digest where algorithm.hasPrefix("sha") {
            guard Hex.decode(hex) != nil, !hex.utf8.contains(where: { (0x41...0x46).contains($0) }) else {
                throw field.malformed("the \(printable(algorithm, limit: 20)) digest is not lower-case hex")
            }
        }
        guard !digest.isEmpty else { throw field.malformed("no digest") }
        annotations =
            try field.optional("annotations").map { (field) throws(SigstoreError) in
                try Self.texts(field, textOnly: false)
            } ?? [:]
    }

    /// Annotations of other signers may hold any JSON; only text ones are of use to us.
    private static func texts(_ field: JSONField, textOnly: Bool) throws(SigstoreError) -> [String: String] {
        guard case .object(let object) = field.value else { throw field.malformed("not an object") }
        var texts: [String: String] = [:]
        for member in object.members {
            if let text = member.value.text {
                texts[member.name] = text
            } else if textOnly {
                throw field.malformed("\(printable(member.name, limit: 40)) is not text")
            }
        }
        return texts
    }
}
