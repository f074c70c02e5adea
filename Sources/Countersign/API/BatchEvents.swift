import FoundationEssentials
import HTTPTypes
import Hummingbird
import NIOCore

/// The progress of a batch as server-sent events: `progress` whenever something changed, at most once a second; `end` once,
/// with the last figures, then the stream ends. It also ends when the daemon is told to stop: ask again, of another one; and
/// when whoever listens may see the batch no more.
struct BatchEvents: Sendable {
    private let records: BatchRecords
    private let room: WaitingRoom

    /// Each listener costs one counting a second.
    private static let listenerLimit = 16
    private static let interval: Duration = .seconds(1)
    /// Proxies cut off what says nothing.
    private static let keepAlive = 15

    init(records: BatchRecords, metrics: ServiceMetrics) {
        self.records = records
        room = WaitingRoom(places: Self.listenerLimit, waiters: metrics.apiListeners)
    }

    /// - Parameter batch: finds it, if who listens may see it; asked each time, since a token can be revoked meanwhile.
    /// - Throws: 503 when too many listen already.
    func response(of batch: @escaping @Sendable () async throws -> Batch) throws -> Response {
        let place = try room.place()
        let records = records
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream", .cacheControl: "no-store"],
            body: ResponseBody { writer in
                var told: BatchAnswer.Progress?
                var quiet = 0
                while let now = try await Self.seen(batch) {
                    let answer = BatchAnswer(now, try await records.progress(of: now.id))
                    if now.endedAt != nil {
                        try await writer.write(try Self.event("end", answer))
                        break
                    }
                    if answer.progress != told {
                        try await writer.write(try Self.event("progress", answer))
                        (told, quiet) = (answer.progress, 0)
                    } else {
                        quiet += 1
                        if quiet % Self.keepAlive == 0 {
                            try await writer.write(ByteBuffer(string: ": still here\n\n"))
                        }
                    }
                    guard try await WaitingRoom.pause(for: Self.interval) else { break }
                }
                try await writer.finish(nil)
                withExtendedLifetime(place) {}
            })
    }

    /// nil when it is not there any more, or not for who listens. Whether it is may also not be known: that ends the stream, too,
    /// but not as one that has told all.
    private static func seen(_ batch: @Sendable () async throws -> Batch) async throws -> Batch? {
        do { return try await batch() } catch let problem as Problem where problem.status.code < 500 { return nil }
    }

    private static func event(_ name: String, _ answer: BatchAnswer) throws -> ByteBuffer {
        var buffer = ByteBuffer(string: "event: \(name)\ndata: ")
        buffer.writeBytes(try JSONEncoder.service.encode(answer))
        buffer.writeString("\n\n")
        return buffer
    }
}
