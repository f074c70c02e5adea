import OCI
import Sigstore
import StrictJSON

/// An attached signature with its content, parsed and not believed.
package struct FetchedSignature: Sendable {
    package let attached: AttachedSignature
    /// The bundle's or the layer's exact bytes.
    package let bytes: [UInt8]
    package let form: PresentedForm
}

extension AttachedSignature {
    /// Whether it is a document of the older format, with the signature beside it.
    fileprivate var isDocument: Bool {
        location.tag != nil && layer.mediaType != LegacySignature.envelopeLayerMediaType
    }

    /// The most bytes that are read of it, where those are the most of one of its kind.
    fileprivate func limit(_ limit: Int) -> Int {
        isDocument ? min(limit, SimpleSigningPayload.maxBytes) : limit
    }
}

extension SignaturePlace {
    fileprivate func bytes(
        of attached: AttachedSignature, limit: Int
    ) async throws(OCIError) -> Result<[UInt8], SignatureRejection> {
        let (digest, limit) = (attached.layer.digest, attached.limit(limit))
        do throws(OCIError) {
            guard attached.layer.size <= limit else {
                throw .tooLarge(what: "blob \(digest)", limit: limit, unit: "bytes")
            }
            return .success(try await registry.blob(repository.name, digest, limit: attached.layer.size))
        } catch {
            return .failure(try SignatureRejection(attached.location, error))
        }
    }

    fileprivate func parse(
        _ bytes: [UInt8], _ attached: AttachedSignature, limit: Int
    ) -> Result<FetchedSignature, SignatureRejection> {
        let limits = JSONLimits(maxBytes: limit, maxDepth: UnverifiedBundle.attestationLimits.maxDepth)
        do throws(SigstoreError) {
            let form: PresentedForm =
                switch attached.location.form {
                case .referrer: .bundle(try UnverifiedBundle(json: bytes, limits: limits))
                case .tag:
                    .legacy(
                        try LegacySignature(
                            layerMediaType: attached.layer.mediaType, payload: bytes,
                            annotations: attached.layer.annotations ?? [:], limits: limits))
                }
            return .success(FetchedSignature(attached: attached, bytes: bytes, form: form))
        } catch {
            return .failure(SignatureRejection(attached.location, code: error.code, observed: error.observed))
        }
    }
}

extension [AttachedSignature] {
    /// In which order they are fetched, the small ones first: whoever may push must not be able to put so much before a
    /// signature that it is not reached.
    var readingOrder: [Int] {
        indices.sorted { (self[$0].layer.size, $0) < (self[$1].layer.size, $1) }
    }
}

/// Fetches the signatures of one artifact within a budget: whoever may push lists as many and as large ones as he likes.
struct SignatureReading {
    private let place: SignaturePlace
    private let limit: Int
    private var left: Int
    /// The same document is listed in a layer for each signature over it.
    private var documents: [OCI.Digest: [UInt8]] = [:]

    /// - Parameters:
    ///   - limit: the most bytes of one; a larger one counts as unreadable, and one that is said to be larger is not asked for.
    ///   - allowance: the most bytes beyond those of one.
    init(_ place: SignaturePlace, limit: Int, allowance: Int = AttachedSignatures.allowance) {
        self.place = place
        self.limit = limit
        left = limit + allowance
    }

    /// Fetches one and parses it.
    /// - Returns: what it is, or why it cannot be read; what is left when the budget is used up counts as unread.
    /// - Throws: ``OCIError`` when the registry does not say.
    mutating func fetch(
        _ attached: AttachedSignature
    ) async throws(OCIError) -> Result<FetchedSignature, SignatureRejection> {
        let (digest, size) = (attached.layer.digest, attached.layer.size)
        if attached.isDocument, let known = documents[digest], known.count <= size {
            return place.parse(known, attached, limit: limit)
        }
        // one that is said to be larger than any is not asked for
        guard size <= left || size > attached.limit(limit) else {
            return .failure(.unread(attached.location, "together with what is listed here it is larger than is read"))
        }
        switch try await place.bytes(of: attached, limit: limit) {
        case .failure(let rejection):
            // how much came in its place is not known; of what is missing nothing did
            if size <= attached.limit(limit), !rejection.isMissing { left -= size }
            return .failure(rejection)
        case .success(let bytes):
            left -= bytes.count
            if attached.isDocument { documents[digest] = bytes }
            return place.parse(bytes, attached, limit: limit)
        }
    }
}
