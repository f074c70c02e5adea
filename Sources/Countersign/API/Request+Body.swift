import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore
import OpenSSL

/// Why a body was not read whole.
enum BodyError: Error, Equatable {
    case tooLarge, interrupted
}

extension Request {
    /// Reads the body and gives up at `limit`, whatever the sender promised or goes on to send, and after `span`, so that a
    /// slow sender cannot hold the connection.
    func collect(
        upTo limit: Int, within span: Duration, on channel: any Channel
    ) async throws(BodyError) -> [UInt8] {
        let promised = headers[.contentLength].flatMap { Int($0) }
        if let promised, promised > limit { throw tooLarge(channel) }
        let deadline = channel.eventLoop.scheduleTask(in: .init(span)) { channel.close(promise: nil) }
        defer { deadline.cancel() }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(min(promised ?? 4096, limit))
        do {
            for try await chunk in body {
                guard bytes.count + chunk.readableBytes <= limit else { throw tooLarge(channel) }
                bytes.append(contentsOf: chunk.readableBytesView)
            }
        } catch let error as BodyError {
            throw error
        } catch {
            throw .interrupted
        }
        guard promised == nil || promised == bytes.count else { throw .interrupted }
        return bytes
    }

    /// ``collect(upTo:within:on:)`` for operations of the API, whose refusals are the same everywhere.
    /// - Throws: 413, which ends the connection because the rest was not read; 400 for a body that did not arrive whole.
    func bodyBytes(
        upTo limit: Int, within span: Duration, on channel: any Channel
    ) async throws(Problem) -> [UInt8] {
        do {
            return try await collect(upTo: limit, within: span, on: channel)
        } catch {
            switch error {
            case .tooLarge: throw Problem(.contentTooLarge, "api.too_large", "at most \(limit) bytes").ending
            case .interrupted: throw Problem(.badRequest, "api.interrupted", "the body did not arrive whole")
            }
        }
    }

    /// For a request that is answered before its body came: nothing of it is kept. The sender gets a moment to read the
    /// answer, then the connection ends, whatever he goes on to send.
    func abandonBody(on channel: any Channel) {
        channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
    }

    private func tooLarge(_ channel: any Channel) -> BodyError {
        abandonBody(on: channel)
        return .tooLarge
    }
}

extension Response {
    /// The same with an `ETag`, and without a body (304) for a reader who has it already (RFC 9110 §13.1.2).
    static func json(_ value: some Encodable, unlessKnownTo request: Request) throws -> Response {
        let body = try JSONEncoder.service.encode(value)
        let tag = "\"\(Hex.encode(Hash.sha256(Array(body)).prefix(16)))\""
        let known = (request.headers[.ifNoneMatch] ?? "").split(separator: ",").map { part in
            part.drop { $0 == " " }.prefix { $0 != " " }
        }
        if known.contains(where: { $0 == "*" || $0 == tag || $0 == "W/\(tag)" }) {
            return Response(status: .notModified, headers: [.eTag: tag, .cacheControl: "no-store"])
        }
        var response = Response(
            status: .ok, headers: [.contentType: "application/json", .cacheControl: "no-cache"],
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
        response.headers[.eTag] = tag
        return response
    }

    /// A value as JSON with sorted keys.
    static func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
        let body = try JSONEncoder.service.encode(value)
        return Response(
            status: status, headers: [.contentType: "application/json", .cacheControl: "no-store"],
            body: .init(byteBuffer: ByteBuffer(bytes: body)))
    }
}
