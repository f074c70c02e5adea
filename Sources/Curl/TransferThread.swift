internal import CCurl
internal import Glibc
internal import Synchronization

/// The one thread on which libcurl runs: a multi handle, its connections, and every transfer under way.
///
/// Tasks leave submissions and cancellations in the inbox and wake the thread; only the thread touches libcurl, except
/// for `curl_multi_wakeup`, which is made for that.
final class TransferThread: Sendable {
    private let inbox: Mutex<Inbox>
    private let configuration: HTTPClient.Configuration

    private struct Inbox {
        /// Nil once the thread has ended, or never began: then the reason stands in `closing`.
        var wakeable: Wakeable?
        var submitted: [Transfer] = []
        var cancelled: [Transfer] = []
        /// Set when the client is to stop; what every transfer then ends with.
        var closing: ClosingReason?
        /// A wake-up is on its way: no need for a second.
        var isWoken = false
    }

    /// The multi handle as other threads may use it: to wake, under the inbox lock, until the thread takes it away.
    private struct Wakeable: @unchecked Sendable {
        let multi: OpaquePointer
    }

    private enum ClosingReason {
        case shutDown
        case neverStarted(String)
    }

    init(_ configuration: HTTPClient.Configuration) {
        self.configuration = configuration
        var first = Inbox()
        do {
            first.wakeable = Wakeable(multi: try Self.openMulti(configuration))
        } catch {
            first.closing = .neverStarted(error.description)
        }
        inbox = Mutex(first)
        if first.closing == nil { start() }
    }

    /// Runs one hop; cancelling the task aborts it, at whatever point it stands.
    func run(_ hop: Hop, deadline: ContinuousClock.Instant) async throws(HTTPError) -> HopAnswer {
        let transfer = Transfer(hop, deadline: deadline)
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                transfer.wait(with: continuation)
                submit(transfer)
            }
        } onCancel: {
            cancel(transfer)
        }
        return try result.get()
    }

    /// Ends the thread; what is under way fails with `shutDown`. Does not wait for it.
    func close() {
        inbox.withLock { inbox in
            if inbox.closing == nil { inbox.closing = .shutDown }
            Self.wake(&inbox)
        }
    }

    // MARK: The tasks' side

    private func submit(_ transfer: Transfer) {
        let refusal: HTTPError? = inbox.withLock { inbox in
            if transfer.ticket == .cancelledEarly {
                return .cancelled(url: transfer.hop.address.redacted, answerMayBeLost: false)
            }
            if let closing = inbox.closing { return Self.error(closing, for: transfer) }
            transfer.ticket = .submitted
            inbox.submitted.append(transfer)
            Self.wake(&inbox)
            return nil
        }
        if let refusal { transfer.finish(.failure(refusal)) }
    }

    private func cancel(_ transfer: Transfer) {
        inbox.withLock { inbox in
            // a task may be cancelled before its transfer is submitted: the ticket tells `submit`
            guard transfer.ticket == .submitted else {
                transfer.ticket = .cancelledEarly
                return
            }
            guard inbox.closing == nil else { return }
            inbox.cancelled.append(transfer)
            Self.wake(&inbox)
        }
    }

    private static func wake(_ inbox: inout Inbox) {
        guard !inbox.isWoken, let wakeable = inbox.wakeable else { return }
        inbox.isWoken = true
        curl_multi_wakeup(wakeable.multi)
    }

    private static func error(_ reason: ClosingReason, for transfer: Transfer) -> HTTPError {
        switch reason {
        case .shutDown:
            .shutDown(url: transfer.hop.address.redacted, answerMayBeLost: transfer.requestMayBeSent)
        case .neverStarted(let detail):
            .engine(detail: detail)
        }
    }

    // MARK: The thread's side

    private static func openMulti(_ configuration: HTTPClient.Configuration) throws(HTTPError) -> OpaquePointer {
        guard globalInitialisation == CURLE_OK else { throw .engine(detail: "curl_global_init failed") }
        guard let multi = curl_multi_init() else { throw .engine(detail: "no multi handle") }
        ccurl_multi_set_long(multi, CURLMOPT_PIPELINING, Int(CURLPIPE_MULTIPLEX))
        ccurl_multi_set_long(multi, CURLMOPT_MAX_HOST_CONNECTIONS, configuration.maxConnectionsPerHost)
        ccurl_multi_set_long(multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, configuration.maxConnections)
        ccurl_multi_set_long(multi, CURLMOPT_MAXCONNECTS, configuration.maxConnections)
        return multi
    }

    private func start() {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        let context = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, &attributes,
            { context in
                guard let context else { return nil }
                let transfers = Unmanaged<TransferThread>.fromOpaque(context).takeRetainedValue()
                // signals go to the threads that expect them; a broken TLS connection must not raise SIGPIPE here
                var all = sigset_t()
                sigfillset(&all)
                pthread_sigmask(SIG_BLOCK, &all, nil)
                transfers.loop()
                return nil
            }, context.toOpaque())
        guard code != 0 else { return }
        context.release()
        let multi = inbox.withLock { inbox in
            inbox.closing = .neverStarted("no thread: \(String(cString: strerror(code)))")
            defer { inbox.wakeable = nil }
            return inbox.wakeable
        }
        curl_multi_cleanup(multi?.multi)
    }

    private func loop() {
        guard let multi = inbox.withLock({ $0.wakeable })?.multi else { return }
        let driver = MultiDriver(multi: multi, userAgent: configuration.userAgent)
        while true {
            let (submitted, cancelled, closing) = inbox.withLock { inbox in
                defer {
                    inbox.submitted = []
                    inbox.cancelled = []
                    inbox.isWoken = false
                }
                return (inbox.submitted, inbox.cancelled, inbox.closing)
            }
            for transfer in submitted { driver.start(transfer) }
            for transfer in cancelled { driver.cancel(transfer) }
            if let closing {
                driver.failAll { Self.error(closing, for: $0) }
                break
            }
            driver.turn()
        }
        inbox.withLock { $0.wakeable = nil }
        driver.close()
    }
}

/// libcurl wants this once, before any other call; a lazy global is initialised once, whoever comes first.
private let globalInitialisation: CURLcode = curl_global_init(Int(CURL_GLOBAL_DEFAULT))
