package import OCI
import Sigstore
import StrictJSON

/// The document of an attestation that names it by its digest: it lies in the registry by itself, and was fetched.
package struct ReferencedDocument: Sendable {
    /// SHA-256 of ``bytes``, as the signed statement has it.
    package let digest: Digest
    /// What kind of document the statement says that it is.
    package let predicateType: String
    package let mediaType: String?
    /// The repository that served it.
    package let repository: Repository
    /// The document, byte for byte.
    package let bytes: [UInt8]
}

extension SignaturePlace {
    /// Fetches the document of `predicateType` that a verified statement names.
    ///
    /// The bytes are hashed: it does not matter where they come from. Only this registry is asked, here and in the repository
    /// that the statement names: a statement cannot send us to another host.
    /// - Returns: the document, or why there is none.
    /// - Throws: ``OCIError`` when the registry does not say.
    func document(
        of statement: Statement, _ predicateType: String, at location: SignatureLocation
    ) async throws(OCIError) -> Result<ReferencedDocument, SignatureRejection> {
        let named: [ReferencePredicate.Document]
        do throws(SigstoreError) {
            named = try ReferencePredicate.documents(in: statement.predicate)
        } catch {
            return .failure(SignatureRejection(location, code: error.code, observed: error.observed))
        }
        guard let document = named.first(where: { $0.predicateType == predicateType }) else {
            let kinds = named.map { $0.predicateType ?? "unnamed" }.joined(separator: ", ")
            return .failure(
                SignatureRejection(
                    location, code: "verify.predicate_type",
                    observed: "a reference to a document of type \(kinds), expected \(predicateType)"))
        }
        let digest = try Digest("sha256:" + document.sha256)
        for repository in repositories(of: document) {
            do throws(OCIError) {
                let bytes = try await registry.blob(repository.name, digest, limit: DocumentFormat.maxBytes)
                return .success(
                    ReferencedDocument(
                        digest: digest, predicateType: predicateType, mediaType: document.mediaType,
                        repository: repository, bytes: bytes))
            } catch {
                switch error {
                case .notFound(let answer) where answer.isRegistrysOwn: continue
                default: return .failure(try SignatureRejection(location, error))
                }
            }
        }
        return .failure(
            SignatureRejection(
                location, code: "verify.document_missing",
                observed: "the statement names the document \(digest), which the registry does not have",
                fix: "attach the document again; what was signed of it stays valid"))
    }

    /// Where to look: here first, since images are copied with what is attached to them.
    private func repositories(of document: ReferencePredicate.Document) -> [Repository] {
        guard let named = document.location.flatMap({ try? Reference($0) })?.repository,
            named.registry == repository.registry, named != repository
        else { return [repository] }
        return [repository, named]
    }
}
