internal import CCurl
internal import Glibc

/// Owner of the multi handle and of the easy handles, in use and idle. Lives on the transfer thread.
final class MultiDriver {
    private let multi: OpaquePointer
    private let userAgent: String
    private var active: [OpaquePointer: (easy: EasyHandle, transfer: Transfer)] = [:]
    private var idle: [EasyHandle] = []
    /// No transfer's deadline lies before this; recomputed only when it passes.
    private var earliestDeadline: ContinuousClock.Instant?

    /// Takes over `multi`; `close` frees it.
    init(multi: OpaquePointer, userAgent: String) {
        self.multi = multi
        self.userAgent = userAgent
    }

    func start(_ transfer: Transfer) {
        do throws(HTTPError) {
            let easy = if let kept = idle.popLast() { kept } else { try EasyHandle() }
            try easy.prepare(transfer, userAgent: userAgent)
            let code = curl_multi_add_handle(multi, easy.raw)
            guard code == CURLM_OK else { throw HTTPError.engine(detail: String(cString: curl_multi_strerror(code))) }
            active[easy.raw] = (easy, transfer)
            earliestDeadline = min(earliestDeadline ?? transfer.deadline, transfer.deadline)
        } catch {
            transfer.finish(.failure(error))
        }
    }

    /// Aborts the transfer if it is still under way.
    func cancel(_ transfer: Transfer) {
        guard let raw = active.first(where: { $0.value.transfer === transfer })?.key else { return }
        end(raw, with: { .failure(.cancelled(url: $0.hop.address.redacted, answerMayBeLost: $0.requestMayBeSent)) })
    }

    func failAll(with error: (Transfer) -> HTTPError) {
        for raw in Array(active.keys) { end(raw, with: { .failure(error($0)) }) }
    }

    /// One round: move bytes, hand out what is finished, then sleep until a socket, a timer or a wake-up asks for more.
    func turn() {
        var running: Int32 = 0
        var code = curl_multi_perform(multi, &running)
        handOutFinished()
        expire(now: .now)
        if code == CURLM_OK { code = curl_multi_poll(multi, nil, 0, pollTimeout(), nil) }
        if code != CURLM_OK {
            let detail = String(cString: curl_multi_strerror(code))
            failAll { _ in .engine(detail: detail) }
            // out of memory or descriptors: an empty multi handle would fail again at once
            poll(nil, 0, 100)
        }
    }

    /// Frees everything; nothing may be active.
    func close() {
        idle = []
        curl_multi_cleanup(multi)
    }

    private func handOutFinished() {
        var left: Int32 = 0
        while let message = curl_multi_info_read(multi, &left) {
            guard message.pointee.msg == CURLMSG_DONE, let raw = message.pointee.easy_handle,
                let easy = active[raw]?.easy
            else { continue }
            let code = ccurl_message_result(message)
            end(raw, with: { $0.result(code, of: easy) })
        }
    }

    /// libcurl's own total timeout does not run while a transfer waits for a free connection; ours always does.
    private func expire(now: ContinuousClock.Instant) {
        guard let earliest = earliestDeadline, earliest <= now else { return }
        for (raw, entry) in active where entry.transfer.deadline <= now {
            end(
                raw,
                with: {
                    .failure(
                        .timedOut(
                            url: $0.hop.address.redacted, phase: $0.requestMayBeSent ? .answering : .connecting,
                            limit: $0.hop.route.totalTimeout))
                })
        }
        earliestDeadline = active.values.map(\.transfer.deadline).min()
    }

    private func pollTimeout() -> Int32 {
        guard let earliestDeadline else { return 60_000 }
        return Int32(clamping: min(60_000, max(0, (earliestDeadline - .now).milliseconds)))
    }

    private func end(_ raw: OpaquePointer, with result: (Transfer) -> Result<HopAnswer, HTTPError>) {
        guard let (easy, transfer) = active.removeValue(forKey: raw) else { return }
        // first: a half-read answer closes its connection here, and no callback comes after
        curl_multi_remove_handle(multi, raw)
        transfer.finish(result(transfer))
        easy.reset()
        if idle.count < 64 { idle.append(easy) }
    }
}

@available(*, unavailable)
extension MultiDriver: Sendable {}
