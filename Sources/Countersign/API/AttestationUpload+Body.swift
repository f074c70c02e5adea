import HTTPTypes
import Hummingbird
import NIOCore
import OpenSSL
import Synchronization

/// The bytes of an upload, as they come.
extension AttestationUpload {
    /// Reads the document into the database, part by part, within the time and the bytes that it may take.
    func receive(
        _ request: Request, promised: Int?, limit: Int, _ context: ServiceContext
    ) async throws -> DocumentStore.Received {
        let channel = context.channel
        let deadline = channel.eventLoop.scheduleTask(in: .init(configuration.attestations.uploadTimeout)) {
            channel.close(promise: nil)
        }
        defer { deadline.cancel() }
        var spool = try await intake.documents.spool()
        let id = spool.id
        do {
            for try await chunk in request.body {
                guard spool.size + chunk.readableBytes <= limit else { throw Self.tooLarge(limit) }
                try await spool.append(Array(chunk.readableBytesView))
            }
            guard spool.size > 0 else { throw Problem(.badRequest, "api.malformed", "the document is empty") }
            guard promised == nil || promised == spool.size else { throw Self.interrupted }
            return try await spool.close()
        } catch {
            await intake.documents.discard(id)
            if error is Problem || error is QueueError { throw error }
            throw Self.interrupted
        }
    }

    /// Digests that the sender stated (RFC 9530 `Content-Digest` and `Repr-Digest`, RFC 3230 `Digest`) must hold.
    static func compare(_ received: DocumentStore.Received, with headers: HTTPFields) throws {
        for name in ["Content-Digest", "Repr-Digest", "Digest"] {
            guard let field = HTTPField.Name(name), let value = headers[field] else { continue }
            for part in value.split(separator: ",") {
                let pair = part.split(separator: "=", maxSplits: 1)
                guard pair.count == 2, pair[0].trimmed.lowercased() == "sha-256" else { continue }
                let text = pair[1].trimmed
                let encoded = text.hasPrefix(":") && text.hasSuffix(":") ? text.dropFirst().dropLast() : text
                guard encoded == Base64.encode(Hex.decode(received.hex) ?? []) else {
                    throw Problem(
                        .badRequest, "attestation.digest_mismatch",
                        "what arrived has \(received.digest), which is not what \(name) says")
                }
            }
        }
    }

    static let interrupted = Problem(.badRequest, "api.interrupted", "the document did not arrive whole")

    static func tooLarge(_ limit: Int) -> Problem {
        Problem(.contentTooLarge, "api.too_large", "a document has at most \(limit) bytes")
    }
}

/// So many uploads at a time.
final class UploadSlots: Sendable {
    private let places: Int
    private let taken = Mutex(0)

    init(places: Int) { self.places = places }

    func taking<Result: Sendable>(_ body: () async throws -> Result) async throws -> Result {
        let isFree = taken.withLock { taken in
            guard taken < places else { return false }
            taken += 1
            return true
        }
        guard isFree else {
            throw Problem(
                .serviceUnavailable, "attestation.too_many_uploads", "\(places) documents are being sent already",
                retryAfter: .seconds(5))
        }
        defer { taken.withLock { $0 -= 1 } }
        return try await body()
    }
}

extension Substring {
    fileprivate var trimmed: Substring {
        var text = drop { $0 == " " }
        while text.last == " " { text.removeLast() }
        return text
    }
}
