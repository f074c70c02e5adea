import HTTPTypes
import Hummingbird
import NIOCore
import OCI
import Sigstore

/// `/v1/attestations`: documents about artifacts, sent with `PUT`, shown with `GET`.
struct AttestationsController: RouteSet {
    let upload: AttestationUpload
    let records: AttestationRecords
    let documents: DocumentStore
    let registries: [RegistryConfiguration]
    let authority: Authority

    func addRoutes(to router: Router<ServiceContext>) {
        router.put("/v1/attestations") { request, context in
            guard let principal = try await authority.identify(.viewer, for: request) else {
                throw Problem(.unauthorized, "api.token_missing", "this needs a token")
            }
            let taken = try await upload.take(request, from: principal, context)
            guard let record = try await records.attestation(taken.id) else {
                throw Problem(
                    .internalServerError, "http.internal", "attestation \(taken.id) was taken and is not there")
            }
            var response = try Response.json(AttestationAnswer(record), status: .accepted)
            response.headers[.location] = "/v1/attestations/\(taken.id)"
            return response
        }
        router.get("/v1/attestations") { request, _ in
            let principal = try await authority.identify(.viewer, for: request)
            guard let text = request.parameter("ref") else {
                throw Problem(.badRequest, "api.bad_parameter", "'ref' is missing: host/repository@digest")
            }
            let reference = try RequestedReference(text, registries: registries)
            try authority.confine(principal, to: reference.repository)
            guard let digest = reference.digest else {
                throw Problem(
                    .badRequest, "reference.incomplete", "attestations are about digests: host/repository@digest")
            }
            let found = try await records.list(
                of: digest, in: reference.repository, types: principal?.scope?.onlyTypes)
            return try Response.json(Answer(attestations: found.map(AttestationAnswer.init)))
        }
        router.get("/v1/attestations/{id}") { request, context in
            try Response.json(AttestationAnswer(try await record(request, context)))
        }
        router.get("/v1/attestations/{id}/document") { request, context in
            try document(of: try await record(request, context))
        }
    }

    private struct Answer: Encodable { let attestations: [AttestationAnswer] }

    private func record(_ request: Request, _ context: ServiceContext) async throws -> AttestationRecord {
        let principal = try await authority.identify(.viewer, for: request)
        let text = context.parameters.get("id") ?? ""
        // of what is outside its scope a token learns nothing, not even that it is there
        guard let id = Int64(text), let record = try await records.attestation(id),
            principal?.scope.map({ $0.allows(record.status.repository) && $0.allows(record.type) }) ?? true
        else { throw Problem(.notFound, "attestation.unknown", "there is no attestation \(text.prefix(40))") }
        return record
    }

    /// The bytes as they were sent, part by part.
    private func document(of record: AttestationRecord) throws -> Response {
        guard let id = record.document.id else {
            throw Problem(.gone, "attestation.document_gone", "the document is not kept any more")
        }
        var headers: HTTPFields = [
            .contentType: record.type.format.mediaType, .cacheControl: "no-store",
            .contentDisposition: "attachment",
        ]
        headers[.xContentTypeOptions] = "nosniff"
        let documents = documents
        return Response(
            status: .ok, headers: headers,
            body: ResponseBody(contentLength: record.document.size) { writer in
                try await documents.read(id) { part in try await writer.write(ByteBuffer(bytes: part)) }
                try await writer.finish(nil)
            })
    }
}
