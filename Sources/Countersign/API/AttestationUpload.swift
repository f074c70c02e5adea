import HTTPTypes
import Hummingbird
import Logging
import NIOCore
import OCI
import Sigstore

/// `PUT /v1/attestations`: who may, what it is, and then the bytes, in this order, so that nothing is read from anybody who
/// has no business sending it. Every upload of a known token leaves one row in the audit log; of refused ones so many a minute
/// (``RefusalShare``).
struct AttestationUpload: Sendable {
    let configuration: Configuration
    let policy: SigningPolicy
    let registries: Registries
    let artifacts: ArtifactRecords
    let intake: AttestationIntake
    let audit: AuditLog
    let slots: UploadSlots

    private static let action = "attestation.upload"
    private let refusals = RefusalShare()

    /// What is asked for, before it is allowed.
    private struct Wish {
        let reference: RequestedReference
        let type: PredicateType
        /// Nil: as the document turns out to be.
        let replaces: Bool?
    }

    func take(
        _ request: Request, from principal: APITokens.Principal, _ context: ServiceContext
    ) async throws -> AttestationRecords.Taken {
        var entry = AuditLog.Entry(action: Self.action, by: principal)
        entry.subject = request.parameter("ref")
        entry.type = request.parameter("type")
        do {
            let wish = try wish(request)
            entry.repository = wish.reference.repository.description
            entry.subject = wish.reference.digest?.description ?? wish.reference.tag
            entry.type = wish.type.uri
            return try await take(request, wish, principal, &entry, context)
        } catch {
            var problem = Self.problem(error, context.logger)
            // a document that has a digest was read to its end
            problem.endsConnection = entry.digest == nil
            entry.outcome = .refused
            entry.code = problem.code
            if let unwritten = refusals.take(for: principal) {
                entry.detail = RefusalShare.detail(problem, after: unwritten)
                // in a task of its own: a sender who went away has cancelled this one, and is written down all the same
                let (audit, refused) = (audit, entry)
                try await Task { try await audit.append(refused) }.value
            }
            problem.isRecorded = true
            // only now: its moment to read the answer must not pass while the row is written
            if problem.endsConnection { request.abandonBody(on: context.channel) }
            throw problem
        }
    }

    private func take(
        _ request: Request, _ wish: Wish, _ principal: APITokens.Principal, _ entry: inout AuditLog.Entry,
        _ context: ServiceContext
    ) async throws -> AttestationRecords.Taken {
        let rule = try allow(wish, principal)
        let limit = configuration.attestations.maxDocumentBytes
        let promised = request.headers[.contentLength].flatMap { Int($0) }
        if let promised, promised > limit { throw Self.tooLarge(limit) }
        let digest = try await digest(of: wish.reference)
        entry.subject = digest.description
        try await refuseRefused(digest, wish.reference.repository)

        return try await slots.taking {
            let received = try await receive(request, promised: promised, limit: limit, context)
            do {
                entry.digest = received.digest
                try Self.compare(received, with: request.headers)
                let taken = try await intake.take(
                    received,
                    for: AttestationIntake.Order(
                        digest: digest, repository: wish.reference.repository, type: wish.type, replaces: wish.replaces,
                        rule: rule, policyVersion: policy.version), entry)
                context.logger.notice(
                    "document taken",
                    metadata: [
                        "attestation.id": "\(taken.id)", "artifact.digest": "\(digest)",
                        "principal": "\(principal.name)",
                    ])
                return taken
            } catch {
                await intake.documents.discard(received.id)
                throw error
            }
        }
    }

    // MARK: What is asked for, and whether it may be

    private func wish(_ request: Request) throws -> Wish {
        guard let text = request.parameter("ref") else {
            throw Problem(.badRequest, "api.bad_parameter", "'ref' is missing: host/repository@digest or :tag")
        }
        guard let name = request.parameter("type") else {
            throw Problem(.badRequest, "api.bad_parameter", "'type' is missing: a predicate type, such as spdxjson")
        }
        let type: PredicateType
        do { type = try PredicateType(ofDocument: name) } catch {
            throw Problem(.badRequest, "attestation.type_unknown", error.observed)
        }
        let replaces = try request.parameter("replace", "true or false") { ["true": true, "false": false][$0] }
        return Wish(
            reference: try RequestedReference(text, registries: configuration.registries), type: type,
            replaces: replaces)
    }

    /// - Returns: the policy rule that allows it.
    private func allow(_ wish: Wish, _ principal: APITokens.Principal) throws -> String {
        guard principal.role >= .attester else {
            throw Problem(
                .forbidden, "api.forbidden",
                "this needs the role attester or operator; the token has \(principal.role.rawValue)")
        }
        let repository = wish.reference.repository
        if let scope = principal.scope {
            guard scope.allows(repository) else {
                throw Problem(.forbidden, "api.out_of_scope", "the token is not for \(repository)")
            }
            guard scope.allows(wish.type) else {
                throw Problem(
                    .forbidden, "attestation.type_out_of_scope", "the token is not for predicates of type \(wish.type)")
            }
        }
        guard configuration.registries.contains(where: { $0.name == repository.registry }) else {
            throw Problem(.forbidden, SigningPolicy.refusedCode, "registry '\(repository.registry)' is not configured")
        }
        switch policy.decide(repository, tagged: nil) {
        case .refuse(let reason): throw Problem(.forbidden, SigningPolicy.refusedCode, reason)
        case .sign(let rule): return rule.name
        }
    }

    /// The digest is what is signed: a tag is asked for once, now.
    private func digest(of reference: RequestedReference) async throws -> Digest {
        if let digest = reference.digest { return digest }
        guard let tag = reference.tag, let registry = registries[reference.repository] else {
            throw Problem(.badRequest, "reference.incomplete", "name the artifact by its digest")
        }
        do throws(OCIError) {
            return try await registry.resolve(reference.repository.name, tag: tag).descriptor.digest
        } catch .notFound(let answer) where answer.isDistributionError {
            throw Problem(
                .notFound, "attestation.tag_unknown",
                "the registry has no \(reference.repository):\(tag); before the push, name the artifact by its digest")
        } catch {
            throw Problem(
                .badGateway, "attestation.registry", "the registry did not tell the tag: \(error) [\(error.code)]",
                fix: "name the artifact by its digest, or \(error.fix)", retryAfter: error.retryAfter)
        }
    }

    /// An artifact that was taken up and then refused. A push that was refused at the door is none: the policy of now has
    /// just allowed the repository, and what came without a tag may be the child of an index that is on its way, or be
    /// tagged later. Its document waits, and nothing of it is published before a signature is there.
    private func refuseRefused(_ digest: Digest, _ repository: Repository) async throws {
        guard let status = try await artifacts.status(of: digest, in: repository), status.targetID != nil,
            status.state == .refused || status.state == .revoked
        else { return }
        throw Problem(
            .conflict, "attestation.artifact_refused",
            "\(repository)@\(digest) is \(status.state.rawValue): \(status.lastError?.observed ?? "by an operator")")
    }

    // MARK: Refusals

    private static func problem(_ error: any Error, _ logger: Logger) -> Problem {
        switch error {
        case let problem as Problem: return problem
        case let error as DocumentError:
            return Problem(.unprocessableContent, error.code, error.description, fix: error.fix)
        case is CancellationError: return interrupted
        case let error as QueueError where error.isTransient || error.isWithoutConnection:
            logger.warning(
                "document not stored",
                metadata: ["code": "\(error.code)", "observed": "\(error)", "fix": "\(error.fix)"])
            return Problem(
                .serviceUnavailable, "api.unavailable", "the document could not be stored", retryAfter: .seconds(5))
        default: return Problem(unexpected: error, logger)
        }
    }
}
